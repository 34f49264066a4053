//! A matrix with its numbers, large enough for a screen in class.

use std::sync::Arc;

use egui::{Align2, Rect, RichText, Sense, StrokeKind, Ui, pos2, vec2};

use super::chain::{Step, digits};
use crate::heatmap::Matrix;
use crate::theme;

/// The marked part of a table: the selected entry of the result, or the row or column that it comes from.
#[derive(Clone, Copy, PartialEq)]
pub enum Marked {
    /// Nothing.
    Nothing,
    /// One entry.
    Cell(usize, usize),
    /// A row.
    Row(usize),
    /// A column.
    Column(usize),
}

/// The marked part of the table `name` if `(row, column)` of the result is selected.
pub fn marked(
    step: Step,
    name: &str,
    is_result: bool,
    (row, column): (usize, usize),
    is_input: bool,
) -> Marked {
    match (step, name) {
        (Step::Inputs, _) if is_input => Marked::Cell(row, column),
        (Step::Inputs, _) => Marked::Nothing,
        _ if is_result => Marked::Cell(row, column),
        (Step::Products, "Q") => Marked::Row(row),
        (Step::Products, _) => Marked::Row(column),
        (Step::Context, "V") => Marked::Column(column),
        (Step::Context | Step::Exponentials | Step::Weights, _) => Marked::Row(row),
        _ => Marked::Cell(row, column),
    }
}

/// Draws a matrix with its numbers; returns the entry that was clicked.
pub fn table(
    name: &str,
    matrix: &Arc<Matrix>,
    marked: Marked,
    side: f32,
    ui: &mut Ui,
) -> Option<(usize, usize)> {
    let (rows, columns) = matrix.dim();
    let high = (side * 0.6).clamp(34.0, 100.0);
    ui.vertical(|ui| {
        ui.label(RichText::new(format!("{name}  [{rows}, {columns}]")).strong());
        let size = vec2(side * columns as f32 + 22.0, high * rows as f32 + 18.0);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let palette = theme::palette(ui);
        let origin = rect.min + vec2(20.0, 16.0);
        let cell = |row: usize, column: usize| {
            Rect::from_min_size(origin + vec2(column as f32 * side, row as f32 * high), vec2(side, high))
        };
        let muted = theme::color(palette.muted);
        for row in 0..rows {
            let at = pos2(origin.x - 5.0, cell(row, 0).center().y);
            ui.painter().text(at, Align2::RIGHT_CENTER, row.to_string(), theme::text(theme::SMALL), muted);
        }
        for column in 0..columns {
            let at = pos2(cell(0, column).center().x, origin.y - 2.0);
            let font = theme::text(theme::SMALL);
            ui.painter().text(at, Align2::CENTER_BOTTOM, column.to_string(), font, muted);
        }
        let map = theme::of(ui.visuals()).diverging();
        let largest = matrix.largest();
        for ((row, column), &value) in matrix.values.indexed_iter() {
            let rect = cell(row, column);
            if matrix.is_there((row, column)) {
                // A tint, so that the number stays legible in both themes.
                let tint = theme::color(map.at(0.5 + 0.5 * value / largest)).gamma_multiply(0.35);
                ui.painter().rect_filled(rect, 0.0, tint);
                let ink = theme::color(palette.ink);
                let (size, text) = match side < 72.0 {
                    true => (theme::SMALL, format!("{value:.2}")),
                    false => ((side / 7.0).clamp(15.0, 24.0), digits(value)),
                };
                ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, theme::mono(size), ink);
            } else {
                ui.painter().rect_filled(rect, 0.0, theme::mix(palette.panel, palette.hatch, 0.25));
            }
            ui.painter().rect_stroke(rect, 0.0, (1.0, theme::color(palette.grid)), StrokeKind::Inside);
        }
        let outline = match marked {
            Marked::Cell(row, column) if row < rows && column < columns => Some(cell(row, column)),
            Marked::Row(row) if row < rows => Some(cell(row, 0).union(cell(row, columns - 1))),
            Marked::Column(column) if column < columns => Some(cell(0, column).union(cell(rows - 1, column))),
            _ => None,
        };
        if let Some(outline) = outline {
            ui.painter().rect_stroke(outline, 2.0, (2.0, theme::color(palette.accent)), StrokeKind::Outside);
        }
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("matrix {name}")));
        let at = |pos: egui::Pos2| {
            let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
            all.into_iter().find(|&(row, column)| cell(row, column).contains(pos))
        };
        if let Some((row, column)) = response.hover_pos().and_then(at) {
            let value = matrix.values[(row, column)];
            let text = if matrix.is_there((row, column)) { value.to_string() } else { "masked".to_owned() };
            response.clone().on_hover_text_at_pointer(format!("{name}[{row}, {column}] = {text}"));
        }
        let clicked = response.clicked().then(|| response.interact_pointer_pos().and_then(at)).flatten();
        clicked.or_else(|| stepped(&response, marked, (rows, columns), ui))
    })
    .inner
}

/// The entry that an arrow key leads to from the marked one.
fn stepped(
    response: &egui::Response,
    marked: Marked,
    (rows, columns): (usize, usize),
    ui: &Ui,
) -> Option<(usize, usize)> {
    let Marked::Cell(row, column) = marked else { return None };
    if !response.has_focus() {
        return None;
    }
    let filter = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let pressed = |key: egui::Key| ui.input(|input| input.key_pressed(key));
    let moved = |at: usize, on: egui::Key, back: egui::Key| match pressed(on) {
        true => at + 1,
        false => at.saturating_sub(usize::from(pressed(back))),
    };
    let next = (
        moved(row, egui::Key::ArrowDown, egui::Key::ArrowUp),
        moved(column, egui::Key::ArrowRight, egui::Key::ArrowLeft),
    );
    (next != (row, column) && next.0 < rows && next.1 < columns).then_some(next)
}
