//! The tokens as points, one square for each mask.

use std::time::{Duration, Instant};

use egui::{Align2, Pos2, Rect, Role, Sense, StrokeKind, WidgetInfo, pos2, vec2};
use rankscope::numbers::short;

use super::View;
use super::residual::waiting;
use crate::lab::Desk;
use crate::labs::collapse::compute::{Cloud, Scatter};
use crate::labs::collapse::state::{Collapse, Edit};
use crate::labs::controls::slider;
use crate::theme;
use crate::widget::axes::tip;
use crate::widget::number::Number;

/// How long a layer stays while they are played.
const STEP: Duration = Duration::from_millis(450);
/// Height of the line over a square.
const TITLE: f32 = 20.0;

/// Draws the panel.
pub fn ui(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    controls(view, desk, ui);
    play(view, desk, ui);
    let Some(clouds) = desk.answer.clouds.get().filter(|clouds| !clouds.is_empty()) else {
        return waiting(ui);
    };
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.clouds));
        squares(desk.state, clouds, ui);
    });
}

fn controls(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = 110.0;
        let state = desk.state;
        let layer = Number::new("layer", state.layer, 0..=state.layers, 0).help("0 is the input");
        slider(layer, Edit::Layer, desk, ui);
        let name = if view.played.is_some() { "Stop" } else { "Play" };
        if ui.button(name).on_hover_text("Step through the layers").clicked() {
            view.played = view.played.is_none().then(Instant::now);
            if view.played.is_some() && state.layer == state.layers {
                desk.edit(Edit::Layer(0));
            }
        }
        let mut magnified = state.magnified;
        let hint =
            "Scales each square until its points fill it; otherwise all layers and masks have one scale";
        if ui.checkbox(&mut magnified, "magnify").on_hover_text(hint).changed() {
            desk.edit(Edit::Magnify(magnified));
        }
    });
}

fn play(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &egui::Ui) {
    let Some(last) = view.played else { return };
    if last.elapsed() >= STEP {
        if desk.state.layer < desk.state.layers {
            desk.edit(Edit::Layer(desk.state.layer + 1));
            view.played = Some(Instant::now());
        } else {
            view.played = None;
        }
    }
    ui.ctx().request_repaint_after(STEP.saturating_sub(last.elapsed()));
}

/// The number of columns that makes the squares largest, and their side.
fn grid(room: egui::Vec2, count: usize) -> (usize, f32) {
    let side = |columns: usize| {
        let rows = count.div_ceil(columns);
        (room.x / columns as f32 - 8.0).min(room.y / rows as f32 - TITLE - 4.0)
    };
    // Of numbers that give equally large squares, the smallest.
    let best = (1..=count.max(1)).rev().max_by(|&a, &b| side(a).total_cmp(&side(b))).unwrap_or(1);
    (best, side(best).max(40.0))
}

fn squares(state: &Collapse, clouds: &[Cloud], ui: &mut egui::Ui) {
    let (frame, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let (columns, side) = grid(frame.size(), clouds.len());
    let widest = |scatter: &Scatter| scatter.points.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
    let all = clouds.iter().flat_map(|cloud| cloud.layers.iter().map(widest)).fold(0.0, f64::max);
    let pitch = vec2(frame.width() / columns as f32, side + TITLE + 4.0);
    for (index, cloud) in clouds.iter().enumerate() {
        let corner = frame.min + vec2((index % columns) as f32, (index / columns) as f32) * pitch;
        let layer = state.layer.min(cloud.layers.len() - 1);
        let range = if state.magnified { widest(&cloud.layers[layer]) } else { all };
        let rect = Rect::from_min_size(corner + vec2(0.0, TITLE), vec2(side, side));
        title(cloud, layer, corner, rect.width().max(pitch.x - 8.0), ui);
        square(cloud, layer, range.max(f64::MIN_POSITIVE), rect, ui);
    }
}

fn title(cloud: &Cloud, layer: usize, corner: Pos2, width: f32, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let kind = cloud.which.kind();
    theme::marker(ui.painter(), corner + vec2(6.0, 9.0), 4.5, kind, theme::kind_color(ui, kind));
    let scatter = &cloud.layers[layer];
    let painter = ui.painter().with_clip_rect(Rect::from_min_size(corner, vec2(width, TITLE)));
    let at = corner + vec2(16.0, 9.0);
    let name =
        painter.text(at, Align2::LEFT_CENTER, &cloud.mask, theme::text(13.0), theme::color(palette.ink));
    let text = format!("residual {}", short(scatter.ratio));
    let at = pos2(name.right() + 8.0, at.y);
    painter.text(at, Align2::LEFT_CENTER, text, theme::text(theme::SMALL), theme::color(palette.muted));
}

fn square(cloud: &Cloud, layer: usize, range: f64, rect: Rect, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 0.0, theme::color(palette.panel));
    let grid = (1.0, theme::color(palette.grid));
    painter.hline(rect.x_range(), rect.center().y, grid);
    painter.vline(rect.center().x, rect.y_range(), grid);
    let half = 0.46 * rect.width();
    let at = |scatter: &Scatter, token: usize| {
        let place = |axis: usize| (scatter.points[[token, axis]] / range) as f32 * half;
        rect.center() + vec2(place(0), -place(1))
    };
    let scatter = &cloud.layers[layer];
    let n = scatter.points.nrows();
    let map = theme::of(ui.visuals()).sequential();
    let color = |token: usize| theme::color(map.at(0.35 + 0.65 * token as f64 / n.max(1) as f64));
    if layer > 0 {
        for token in 0..n {
            let ends = [at(&cloud.layers[layer - 1], token), at(scatter, token)];
            painter.line_segment(ends, (1.0, color(token).gamma_multiply(0.35)));
        }
    }
    for token in (0..n).rev() {
        painter.circle_filled(at(scatter, token), 3.0, color(token));
    }
    let (first, accent) = (at(scatter, 0), theme::color(palette.accent));
    painter.circle_stroke(first, 6.0, (1.5, accent));
    let beside = first + vec2(if first.x > rect.right() - 20.0 { -9.0 } else { 9.0 }, -8.0);
    painter.text(beside, Align2::CENTER_CENTER, "1", theme::text(theme::SMALL), accent);
    ui.painter().rect_stroke(rect, 0.0, grid, StrokeKind::Outside);
    hover(cloud, layer, rect, |token| at(scatter, token), ui);
}

fn hover(cloud: &Cloud, layer: usize, rect: Rect, at: impl Fn(usize) -> Pos2, ui: &mut egui::Ui) {
    let response = ui.interact(rect, ui.scope_id().with(("cloud", cloud.which)), Sense::hover());
    let scatter = &cloud.layers[layer];
    let name =
        format!("Tokens under {} after layer {layer}: residual ratio {}", cloud.mask, short(scatter.ratio));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let Some(pointer) = response.hover_pos() else { return };
    let shown = format!("the two axes show {:.1} % of how the tokens differ", 100.0 * scatter.share);
    let tokens = 0..scatter.points.nrows();
    let nearest = tokens.min_by(|&a, &b| at(a).distance_sq(pointer).total_cmp(&at(b).distance_sq(pointer)));
    if let Some(token) = nearest.filter(|&token| at(token).distance(pointer) < 14.0) {
        let [x, y] = [0, 1].map(|axis| scatter.points[[token, axis]]);
        let left = pointer.x > rect.center().x;
        let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
        let place = pos2(pointer.x + if left { -10.0 } else { 10.0 }, pointer.y - 8.0);
        let (number, n) = (token + 1, scatter.points.nrows());
        tip(ui, place, align, &format!("token {number} of {n}: ({x:.4e}, {y:.4e})\n{shown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_as_large_as_they_can_be() {
        assert_eq!(grid(vec2(420.0, 420.0), 4).0, 2);
        assert_eq!(grid(vec2(900.0, 240.0), 4).0, 4);
        assert_eq!(grid(vec2(200.0, 900.0), 3).0, 1);
        assert_eq!(grid(vec2(400.0, 400.0), 1), (1, 376.0));
    }
}
