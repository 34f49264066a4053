//! The predicted token, the effect of changed heads on it, and writing token by token.

use std::time::{Duration, Instant};

use egui::{Button, ProgressBar, RichText, ScrollArea, vec2};
use rankscope::numbers::short;

use super::{Desk, View};
use crate::labs::controls::slider;
use crate::labs::model::answer::{Next, Pass, Shown};
use crate::labs::model::state::{Cut, Edit, OF_A_PAIR, Reading, Side, WRITTEN};
use crate::theme;
use crate::widget::number::Number;

/// The time between two tokens that a model writes on its own.
const PACE: Duration = Duration::from_millis(500);

/// From this width on the prediction stands beside the controls.
const BESIDE: f32 = 400.0;

/// Which reading's model writes on its own, and when it wrote last.
#[derive(Default)]
pub struct Writer(Option<(Side, Instant)>);

/// Draws changes and prediction of each reading.
pub fn ui(view: &mut View, desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    ui.spacing_mut().scroll = theme::scroll_bar();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let sides = desk.state.sides();
        ui.columns(sides.len(), |columns| {
            for (&side, ui) in sides.iter().zip(columns) {
                ui.push_id(side.name(), |ui| one(view, desk, side, ui));
            }
        });
    });
}

fn one(view: &mut View, desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    let (Some(reading), shown) = (desk.state.reading(side).cloned(), desk.answer.of(side)) else { return };
    if reading.file.is_some() {
        ui.weak("Weights from a file predict nothing: there is no model to run.");
        return;
    }
    let Some(pass) = shown.pass() else { return super::nothing(desk, ui) };
    ui.spacing_mut().item_spacing.y = 4.0;
    let controls = |view: &mut View, desk: &mut Desk<'_>, ui: &mut egui::Ui| {
        changes(desk, side, &reading, pass, ui);
        write(view, desk, side, &reading, shown, ui);
    };
    let fade = desk.fade(&shown.next);
    let predicted = |ui: &mut egui::Ui| match shown.next.get() {
        None => drop(ui.weak("This model has no output layer, so it predicts no tokens.")),
        Some(next) => {
            ui.scope(|ui| {
                ui.multiply_opacity(1.0 - fade);
                prediction(next, ui);
            });
        }
    };
    if ui.available_width() < BESIDE {
        controls(view, desk, ui);
        predicted(ui);
    } else {
        ui.columns(2, |columns| {
            controls(view, desk, &mut columns[0]);
            predicted(&mut columns[1]);
        });
    }
}

/// Ablation, and the top singular components, of the selected head or of all.
fn changes(desk: &mut Desk<'_>, side: Side, reading: &Reading, pass: &Pass, ui: &mut egui::Ui) {
    let at = desk.answer.selected(desk.state).moved(0, 0, pass.layers(), pass.heads());
    let name = format!("L{} H{}", at.layer, at.head);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let is_ablated = reading.ablated.contains(&at);
        let hint = "set the output of this head to zero, before the output projection adds the heads up";
        if ui.add(Button::new(format!("Ablate {name}")).selected(is_ablated)).on_hover_text(hint).clicked() {
            desk.edit(Edit::Ablate(side, at));
        }
        if reading.has_changes() {
            let hint = "remove every change of heads";
            let count = reading.ablated.len();
            let text = if count > 1 { format!("Restore ({count} ablated)") } else { "Restore".to_owned() };
            if ui.button(text).on_hover_text(hint).clicked() {
                desk.edit(Edit::Restore(side));
            }
        }
    });
    let most = pass.buffers.queries.min(pass.buffers.keys);
    let usual = reading.cut.map_or(1, |cut| cut.components).min(most);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label("Rank k:")
            .on_hover_text("keep the top k singular components of the weights: Aₖ = Σ σᵢuᵢvᵢᵀ, i ≤ k");
        let cut = |head| Some(Cut { components: usual, head });
        let own = reading.cut.is_some_and(|cut| cut.head == Some(at));
        let every = reading.cut.is_some_and(|cut| cut.head.is_none());
        for (chosen, text, to) in [
            (reading.cut.is_none(), "full".to_owned(), None),
            (own, name.clone(), cut(Some(at))),
            (every, "all heads".to_owned(), cut(None)),
        ] {
            if ui.selectable_label(chosen, text).clicked() && !chosen {
                desk.edit(Edit::Cut(side, to));
            }
        }
    });
    if let Some(cut) = reading.cut {
        ui.spacing_mut().slider_width = (ui.available_width() - 110.0).clamp(60.0, 220.0);
        let help = "how many singular components are kept";
        let number = Number::new("k", cut.components.min(most), 1..=most.max(1), 1).help(help);
        slider(number, |components| Edit::Cut(side, Some(Cut { components, ..cut })), desk, ui);
        let text = "Aₖ is no attention: entries may be negative, rows need not sum to 1, and it may look past the mask.";
        let caveat = RichText::new(text).size(13.0).color(theme::color(theme::palette(ui).accent));
        ui.add(egui::Label::new(caveat).wrap());
    }
}

/// Writing token by token.
fn write(
    view: &mut View,
    desk: &mut Desk<'_>,
    side: Side,
    reading: &Reading,
    shown: &Shown,
    ui: &mut egui::Ui,
) {
    let Some(model) = shown.model.as_ref().filter(|model| model.writes) else { return };
    let usual = if model.is_pair { OF_A_PAIR } else { 0 };
    let count = reading.written.unwrap_or(usual);
    let writing = view.writer.0.filter(|(own, _)| *own == side);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let hint = "append the likeliest token; the wall follows";
        if ui.button("Write a token").on_hover_text(hint).clicked() {
            desk.edit(Edit::Written(side, Some((count + 1).min(WRITTEN))));
        }
        let text = if writing.is_some() { "Stop" } else { "Write on" };
        if ui.button(text).on_hover_text("token after token").clicked() {
            view.writer.0 = if writing.is_some() { None } else { Some((side, Instant::now())) };
        }
        if count != usual && ui.button("Erase").on_hover_text("what the model has written").clicked() {
            view.writer.0 = None;
            desk.edit(Edit::Written(side, None));
        }
        if count > 0 {
            ui.weak(format!("{count} written"));
        }
    });
    let Some((_, last)) = writing else { return };
    if desk.status.busy.is_some() {
        return; // the wall is still following
    }
    if count >= WRITTEN || is_full(shown) {
        view.writer.0 = None;
    } else if last.elapsed() >= PACE {
        view.writer.0 = Some((side, Instant::now()));
        desk.edit(Edit::Written(side, Some(count + 1)));
    } else {
        ui.ctx().request_repaint_after(PACE.saturating_sub(last.elapsed()));
    }
}

/// Whether the context has no room for a further token.
fn is_full(shown: &Shown) -> bool {
    let description = shown.model.as_ref().and_then(|model| model.description.as_ref());
    description.is_some_and(|description| description.is_limited && shown.length() >= description.context)
}

/// The likeliest tokens, with their probabilities as trained.
fn prediction(next: &Next, ui: &mut egui::Ui) {
    let piece = theme::label(ui, &next.piece, 14);
    let what = if next.follows { "Behind" } else { "At" };
    let text = format!("{what} position {} “{piece}”", next.position);
    ui.add(egui::Label::new(RichText::new(text).strong()).truncate());
    if let Some(divergence) = next.divergence {
        let moved = if divergence.is_finite() { short(divergence) } else { "∞".to_owned() };
        let hint = "Kullback–Leibler divergence Σ p ln (p / q): p as trained, q as asked for";
        let text = RichText::new(format!("moved by {moved} nats from as trained")).size(13.0);
        ui.add(egui::Label::new(text).truncate()).on_hover_text(format!("{hint}\n{divergence:e}"));
    }
    let width = ui.available_width();
    let number = 50.0;
    let label = (width * 0.28).clamp(50.0, 110.0);
    let numbers = if next.divergence.is_some() { 2.0 } else { 1.0 };
    let bar = (width - label - numbers * (number + 8.0) - 16.0).clamp(20.0, 260.0);
    if next.divergence.is_some() {
        ui.horizontal(|ui| {
            ui.add_space(label + bar + 16.0);
            ui.add_sized(vec2(number, 14.0), egui::Label::new(RichText::new("now").small().weak()));
            ui.add_sized(vec2(number, 14.0), egui::Label::new(RichText::new("trained").small().weak()));
        });
    }
    (ui.spacing_mut().item_spacing.y, ui.spacing_mut().interact_size.y) = (1.0, 16.0);
    for guess in &next.guesses {
        ui.horizontal(|ui| {
            let piece = theme::label_within(ui, &guess.piece, 16, label - 4.0);
            let (rect, response) = ui.allocate_exact_size(vec2(label, 18.0), egui::Sense::hover());
            let (font, ink) = (theme::text(14.0), ui.visuals().text_color());
            ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, &piece, font, ink);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &piece));
            response.on_hover_text(format!("{:?}: {:e}", guess.piece, guess.probability));
            ui.add(ProgressBar::new(guess.probability as f32).desired_width(bar).desired_height(9.0));
            for value in [Some(guess.probability), guess.trained].into_iter().flatten() {
                let text = RichText::new(short(value)).font(theme::mono(theme::SMALL));
                ui.add_sized(vec2(number, 16.0), egui::Label::new(text)).on_hover_text(format!("{value:e}"));
            }
        });
    }
}
