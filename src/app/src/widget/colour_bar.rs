//! The bar that says which colour is which weight.

use egui::{Align2, Color32, Mesh, Rect, Shape, pos2, vec2};

use rankscope::numbers::short;

use crate::heatmap::{Colours, Scale};
use crate::theme;

/// Room that the bar takes, its labels included.
pub const HEIGHT: f32 = 34.0;

/// Draws the bar of weights over `width` points, with a swatch of the hatch for masked cells.
pub fn ui(scale: Scale, width: f32, ui: &mut egui::Ui) {
    let unit = match scale {
        Scale::Linear => "weight",
        Scale::Root => "weight, √ scale",
        Scale::Log => "weight, log scale",
    };
    of(Colours::Weights(scale), unit, width, ui);
}

/// Draws the bar of any colours, with what they measure.
pub fn of(colours: Colours, unit: &str, width: f32, ui: &mut egui::Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, HEIGHT), egui::Sense::hover());
    let swatch = 112.0;
    let bar = Rect::from_min_size(rect.min + vec2(2.0, 2.0), vec2((width - swatch - 14.0).max(40.0), 11.0));
    let palette = theme::palette(ui);
    let ink = theme::color(palette.muted);
    let shades = theme::of(ui.visuals());
    let map = if let Colours::Difference(_) = colours { shades.diverging() } else { shades.sequential() };
    ui.painter().add(ramp(bar, map.table()));
    ui.painter().rect_stroke(bar, 0.0, (1.0, theme::color(palette.grid)), egui::StrokeKind::Outside);
    let mut free = f32::NEG_INFINITY;
    for (value, text) in ticks(colours) {
        let x = bar.left() + bar.width() * colours.place(value);
        let galley = ui.painter().layout_no_wrap(text, theme::mono(theme::SMALL), ink);
        let left = (x - galley.size().x / 2.0).min(bar.right() - galley.size().x + 6.0).max(rect.left());
        if left >= free {
            free = left + galley.size().x + 6.0;
            let inside = x.clamp(bar.left() + 0.5, bar.right() - 0.5);
            ui.painter().vline(inside, bar.bottom()..=bar.bottom() + 3.0, (1.0, ink));
            ui.painter().galley(pos2(left, bar.bottom() + 4.0), galley, ink);
        }
    }
    let box_ = Rect::from_min_size(pos2(bar.right() + 18.0, bar.top()), vec2(16.0, 11.0));
    hatch(ui, box_);
    let at = pos2(box_.right() + 6.0, box_.center().y);
    ui.painter().text(at, Align2::LEFT_CENTER, "masked", theme::text(theme::SMALL), ink);
    let at = pos2(box_.left(), bar.bottom() + 5.0);
    ui.painter().text(at, Align2::LEFT_TOP, unit, theme::text(theme::SMALL), ink);
}

/// The values that are marked on the bar.
fn ticks(colours: Colours) -> Vec<(f64, String)> {
    let parts = |low: f64, high: f64| {
        let at = move |step: u8| low + (high - low) * f64::from(step) / 4.0;
        (0..=4).map(|step| (at(step), short(at(step)))).collect()
    };
    match colours {
        Colours::Weights(scale) => {
            scale.ticks().iter().map(|&(weight, text)| (f64::from(weight), text.to_owned())).collect()
        }
        Colours::Amount(top) => parts(0.0, top),
        Colours::Difference(top) => parts(-top, top),
    }
}

/// The hatch of masked cells, as the shader draws it.
fn hatch(ui: &egui::Ui, rect: Rect) {
    let palette = theme::palette(ui);
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 0.0, theme::mix(palette.panel, palette.hatch, 0.12));
    let line = theme::mix(palette.panel, palette.hatch, 0.55);
    let mut x = rect.left();
    while x < rect.right() + rect.height() {
        painter.line_segment([pos2(x, rect.top()), pos2(x - rect.height(), rect.bottom())], (1.0, line));
        x += 5.0;
    }
    ui.painter().rect_stroke(rect, 0.0, (1.0, theme::color(palette.grid)), egui::StrokeKind::Outside);
}

fn ramp(rect: Rect, table: &[[u8; 3]]) -> Shape {
    let mut mesh = Mesh::default();
    let last = table.len().saturating_sub(1).max(1);
    for (index, &color) in table.iter().enumerate() {
        let x = rect.left() + rect.width() * index as f32 / last as f32;
        let color: Color32 = theme::color(color);
        mesh.colored_vertex(pos2(x, rect.top()), color);
        mesh.colored_vertex(pos2(x, rect.bottom()), color);
        if index > 0 {
            let corner = 2 * index as u32;
            mesh.add_triangle(corner - 2, corner - 1, corner);
            mesh.add_triangle(corner - 1, corner, corner + 1);
        }
    }
    Shape::mesh(mesh)
}
