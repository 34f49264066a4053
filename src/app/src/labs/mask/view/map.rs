//! The phase map: a click loads its point into the lab.

use std::sync::Arc;

use egui::{CursorIcon, RichText, Ui};

use super::super::state::{Edit, MaskLab};
use super::waiting;
use crate::heatmap::{Colours, Matrix};
use crate::lab::Desk;
use crate::theme;
use crate::widget::heatmap::Heatmap;

/// Draws the map, the largest scale on top.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let Some(phases) = desk.answer.phases.get() else { return waiting(ui) };
    let grid = phases.grid();
    let say = format!(
        "n = {}: effective rank, causal minus bidirectional. Above 0 the causal mask is ahead. A click loads the point.",
        grid.n
    );
    ui.add(egui::Label::new(RichText::new(say).size(13.0).weak()).wrap());
    let differences = phases.differences();
    let rows = grid.scales.len();
    let turned =
        ndarray::Array2::from_shape_fn(differences.dim(), |(row, col)| differences[(rows - 1 - row, col)]);
    let matrix = cached(Matrix::new(turned), ui);
    let scales: Vec<String> = grid.scales.iter().rev().map(f64::to_string).collect();
    let sizes: Vec<String> = grid.head_sizes.iter().map(usize::to_string).collect();
    let readout = |(row, col): (usize, usize)| {
        let (size, scale) = (grid.head_sizes[col], grid.scales[rows - 1 - row]);
        let Some(point) = phases.point(size, scale) else { return String::new() };
        let (causal, all) = (point.causal.mean(), point.bidirectional.mean());
        format!("D = {size}, scale {scale}: causal {causal:.1}, bidirectional {all:.1}")
    };
    let touch = Heatmap::new("phase map", &matrix, Colours::Difference(matrix.largest()))
        .with_axes("logit scales", "head sizes D")
        .with_labels(&scales, &sizes)
        .with_bar("difference")
        .with_readout(&readout)
        .with_fade(desk.fade(&desk.answer.phases))
        .show(ui);
    let setup = &desk.state.setup;
    let row = grid.scales.iter().rev().position(|&scale| scale == setup.scale);
    let col = grid.head_sizes.iter().position(|&size| size == setup.head_size);
    if let (Some(row), Some(col)) = (row, col) {
        let ink = theme::color(theme::palette(ui).ink);
        ui.painter().circle_stroke(touch.entry((row, col)).center(), 5.0, (2.0, ink));
    }
    if touch.hovered.is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
    }
    let clicked = touch.dropped.filter(|(from, to)| from == to).map(|(at, _)| at).or(touch.entered);
    if let Some((row, col)) = clicked {
        desk.edit(Edit::Point(grid.head_sizes[col], grid.scales[rows - 1 - row]));
    }
}

/// The same `Arc` as long as the numbers are the same, so that they are sent to the graphics device once.
fn cached(matrix: Matrix, ui: &Ui) -> Arc<Matrix> {
    let id = ui.scope_id().with("map");
    let known: Option<Arc<Matrix>> = ui.data(|data| data.get_temp(id));
    if let Some(known) = known.filter(|known| **known == matrix) {
        return known;
    }
    let matrix = Arc::new(matrix);
    ui.data_mut(|data| data.insert_temp(id, matrix.clone()));
    matrix
}
