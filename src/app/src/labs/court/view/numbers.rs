//! All that a trial measured.

use egui::{Align2, Rect, ScrollArea, Sense, pos2, vec2};
use rankscope::claim::Measured;
use rankscope::numbers::short;

use super::running;
use crate::lab::Desk;
use crate::labs::court::state::Court;
use crate::theme;

/// Height of a row.
const ROW: f32 = 20.0;
/// Room for what is expected, and for the mark.
const EXPECTED: f32 = 92.0;
const MARK: f32 = 22.0;

/// Draws the table.
pub fn ui(desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    let Some(trial) = desk.answer.trial.get() else { return running(ui) };
    let measured = trial.evidence.measured();
    let wrong = trial.evidence.disagreements().count();
    let known = trial.evidence.expected().len();
    let all = measured.len();
    let text = format!("{all} numbers, {known} with something expected of them, {wrong} not as expected");
    ui.weak(egui::RichText::new(text).size(13.0));
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.trial));
        ui.spacing_mut().item_spacing.y = 0.0;
        ScrollArea::vertical().auto_shrink(false).show_rows(ui, ROW, measured.len(), |ui, rows| {
            for index in rows {
                row(index, &measured[index], ui);
            }
        });
    });
}

fn row(index: usize, measured: &Measured, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    if index.is_multiple_of(2) {
        ui.painter().rect_filled(rect, 2.0, theme::color(palette.panel));
    }
    let (ink, muted) = (theme::color(palette.ink), theme::color(palette.muted));
    let right = rect.right() - 6.0;
    let value = ui.painter().layout_no_wrap(measured.in_words(), theme::mono(theme::SMALL), ink);
    let value_left = right - MARK - EXPECTED - value.size().x;
    let names = Rect::from_min_max(rect.min, pos2(value_left - 8.0, rect.bottom()));
    let painter = ui.painter().with_clip_rect(names.intersect(ui.clip_rect()));
    let at = rect.left_center() + vec2(6.0, 0.0);
    painter.text(at, Align2::LEFT_CENTER, &measured.name, theme::mono(theme::SMALL), ink);
    let corner = pos2(value_left, rect.center().y - value.size().y / 2.0);
    ui.painter().galley(corner, value, ink);
    let mut hint = format!("{}\n{:e} {}", measured.name, measured.value, measured.unit);
    if let Some(expected) = &measured.expected {
        let at = pos2(right - MARK, rect.center().y);
        let text = short(expected.value);
        ui.painter().text(at, Align2::RIGHT_CENTER, text, theme::mono(theme::SMALL), muted);
        let mark = if measured.agrees() { "✔" } else { "✖" };
        let at = pos2(right, rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, mark, theme::text(theme::SMALL), muted);
        hint += &format!("\nexpected {:e} ± {:e} ({})", expected.value, expected.tolerance, expected.source);
    }
    if let Some(spread) = &measured.spread {
        let (low, high) = spread.extremes();
        hint += &format!("\n{} draws, from {low:e} to {high:e}", spread.count());
    }
    response.on_hover_text(hint);
}
