//! The logits, and the weights of one mask.

use egui::{CursorIcon, Sense, StrokeKind, Ui, UiBuilder};

use super::super::state::{Block, Edit, MOST_LOGIT, MaskLab, Which};
use super::{View, choose, tag, waiting};
use crate::heatmap::{Colours, Matrix, Scale};
use crate::lab::Desk;
use crate::theme;
use crate::widget::heatmap::Heatmap;

/// Points of a drag that change a logit by 1.
const POINTS: f32 = 24.0;

/// Draws the logits; a drag changes one.
pub fn logits(view: &mut View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let Some(scores) = desk.answer.scores.get() else { return waiting(ui) };
    let colours = Colours::Difference(scores.largest());
    let touch = Heatmap::new("logits", scores, colours)
        .with_bar("logit")
        .with_fade(desk.fade(&desk.answer.scores))
        .show(ui);
    if touch.hovered.is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeVertical);
    }
    let height = ui.input(|input| input.pointer.interact_pos()).map_or(0.0, |pos| pos.y);
    view.logit = match (touch.drag, view.logit) {
        (None, _) => None,
        (Some(_), Some(held)) => Some(held),
        (Some((cell, _)), None) => scores.values.get(cell).map(|&value| (cell, value, height)),
    };
    if let Some(((query, key), value, start)) = view.logit {
        let moved = value + f64::from((start - height) / POINTS);
        let logit = (moved * 100.0).round() / 100.0;
        if start != height && query < desk.state.setup.n && key < desk.state.setup.n {
            desk.edit(Edit::Logit(query, key, logit.clamp(-MOST_LOGIT, MOST_LOGIT)));
        }
    }
}

/// The colours of weights, and what the colour bar measures. Without a chosen `scale`, the colours end at the largest
/// weight if all weights are small; otherwise they follow the square root, so that small weights can be distinguished.
fn colours(weights: &Matrix, scale: Option<Scale>) -> (Colours, &'static str) {
    let largest = weights.largest();
    if weights.values.iter().any(|&weight| weight < 0.0) {
        return (Colours::Difference(largest), "weight");
    }
    match scale {
        None if largest < 0.25 => (Colours::Amount(largest), "weight"),
        Some(Scale::Linear) => (Colours::Weights(Scale::Linear), "weight"),
        None | Some(Scale::Root) => (Colours::Weights(Scale::Root), "weight, √ scale"),
        Some(Scale::Log) => (Colours::Weights(Scale::Log), "weight, log scale"),
    }
}

/// Draws the weights of the mask that is shown; a drag marks a block.
pub fn weights(view: &mut View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        choose(desk, ui);
        ui.menu_button(view.scale.map_or("auto", Scale::name), |ui| {
            ui.radio_value(&mut view.scale, None, "auto");
            for scale in Scale::ALL {
                ui.radio_value(&mut view.scale, Some(scale), scale.name());
            }
        })
        .response
        .on_hover_text("How a weight becomes a colour");
    });
    let Some(weights) = desk.answer.weights.get() else { return waiting(ui) };
    let (colours, unit) = colours(weights, view.scale);
    let touch = Heatmap::new("attention weights", weights, colours)
        .with_bar(unit)
        .with_fade(desk.fade(&desk.answer.weights))
        .show(ui);
    if touch.hovered.is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
    let accent = theme::color(theme::palette(ui).accent);
    let (n, Block { queries, keys }) = (desk.state.setup.n, desk.state.probed());
    let (from, to) = touch.drag.unwrap_or(((queries.0, keys.0), (queries.1, keys.1)));
    if weights.dim() == (n, n) && (touch.drag.is_some() || desk.state.block.is_some()) {
        ui.painter().rect_stroke(touch.entries(from, to), 0.0, (1.5, accent), StrokeKind::Outside);
    }
    if let Some((from, to)) = touch.dropped.filter(|_| !touch.is_secondary) {
        // A click without a drag resets the block.
        desk.edit(Edit::Block((from != to).then(|| Block::between(from, to))));
    }
}

/// Draws the weights under each mask; a click shows one large.
pub fn four(view: &View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let (left, right) = rect.split_left_right_at_fraction(0.5);
    let halves = [left, right].map(|half| half.split_top_bottom_at_fraction(0.5));
    let places = [halves[0].0, halves[1].0, halves[0].1, halves[1].1];
    for (which, place) in Which::ALL.into_iter().zip(places) {
        let place = place.shrink2(egui::vec2(4.0, 2.0));
        ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
            let name = desk.state.name(which);
            ui.horizontal(|ui| tag(which, &name, ui));
            let part = &desk.answer.weighed[which as usize];
            let Some(weighed) = part.get() else { return waiting(ui) };
            let (colours, _) = colours(&weighed.matrix, view.scale);
            let name = format!("weights under {name}");
            let touch = Heatmap::new(&name, &weighed.matrix, colours).with_fade(desk.fade(part)).show(ui);
            if touch.response.clicked() {
                desk.edit(Edit::Show(which));
            }
        });
    }
}
