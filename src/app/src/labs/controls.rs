//! Controls that several labs have.

use std::sync::Arc;

use egui::emath::Numeric;
use egui::{Id, Rect, Sense, Ui, Vec2};
use rankscope::figure::style::Kind;

use crate::heatmap::{Colours, Matrix, Part, Picture, Source};
use crate::lab::{Desk, State};
use crate::layout::Head;
use crate::theme;
use crate::widget::number::Number;
use crate::widget::veil;

/// Draws a slider; a new value becomes an edit.
pub fn slider<S: State, N: Numeric>(
    number: Number<'_, N>,
    edit: impl FnOnce(N) -> S::Edit,
    desk: &mut Desk<'_, S>,
    ui: &mut Ui,
) {
    if let Some(value) = number.show(ui) {
        desk.edit(edit(value));
    }
}

/// Shows a question in place of its answer; `edit` shows the answer, once the reader wants to see it.
pub fn ask<S: State>(question: &str, edit: S::Edit, desk: &mut Desk<'_, S>, ui: &mut Ui) {
    if veil::ui(question, ui) {
        desk.edit(edit);
    }
}

/// Draws a matrix over `rect`, dimmed by `fade`.
pub fn picture(id: Id, matrix: &Arc<Matrix>, colours: Colours, fade: f32, rect: Rect, ui: &Ui) {
    let picture = Picture {
        id,
        source: Source::Matrix(matrix.clone(), colours),
        part: Part::One(Head { layer: 0, head: 0 }),
        theme: theme::of(ui.visuals()),
        fade,
        rect,
    };
    ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, picture));
}

/// Draws the marker of a kind of mask in a line of text.
pub fn marker(kind: Kind, radius: f32, size: Vec2, ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    theme::marker(ui.painter(), rect.center(), radius, kind, theme::kind_color(ui, kind));
}
