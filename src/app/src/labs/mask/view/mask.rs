//! The mask "mine": painted and dragged in the picture itself.

use std::sync::Arc;

use egui::{CursorIcon, DragValue, Pos2, StrokeKind, Ui, pos2};
use ndarray::Array2;
use rankscope::Mask;
use rankscope::mask::Facts;

use super::super::paint::{Cell, Painted, Stroke, Tool};
use super::super::rule::{Edge, Handle, handles};
use super::super::state::{Edit, MaskLab, Which};
use super::View;
use crate::heatmap::{Colours, Matrix};
use crate::lab::Desk;
use crate::theme;
use crate::widget::heatmap::{Heatmap, Touch};

/// What a drag moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Held {
    /// An edge of the rule.
    Edge(usize),
    /// The brush: where it was last, if it has painted, and whether it allows.
    Brush(Option<Cell>, bool),
}

/// How near to an edge the pointer takes hold of it, in points.
const NEAR: f32 = 5.0;

/// Draws the tools and the mask.
pub fn ui(view: &mut View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    tools(view, ui);
    let matrix = masked(view, desk);
    let largest = desk.answer.scores.get().map_or(1.0, |scores| scores.largest());
    let readout = |(query, key): Cell| {
        let may = if matrix.is_there((query, key)) { "may" } else { "may not" };
        format!("query {query} {may} attend to key {key}")
    };
    let touch = Heatmap::new("mask", &matrix, Colours::Difference(largest)).with_readout(&readout).show(ui);
    let edges = handles(&desk.state.rule);
    let pointer = ui
        .input(|input| input.pointer.interact_pos())
        .filter(|_| touch.response.contains_pointer() || touch.drag.is_some());
    let cell = touch.rect.width() / desk.state.setup.n as f32;
    let hovered = pointer.and_then(|pos| nearest(&edges, &touch, cell, pos));
    react(view, desk, &touch, hovered, pointer.zip(Some(cell)), &matrix);
    let held = if let Some(Held::Edge(index)) = view.held {
        Some(index)
    } else {
        hovered.filter(|_| touch.drag.is_none())
    };
    for (index, handle) in edges.iter().enumerate() {
        draw(handle, held == Some(index), &touch, cell, ui);
    }
    if let Some(handle) = held.and_then(|index| edges.get(index)) {
        let icon =
            if handle.edge == Edge::Key { CursorIcon::ResizeHorizontal } else { CursorIcon::ResizeNeSw };
        ui.ctx().set_cursor_icon(icon);
    } else if touch.hovered.is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
    if let (Tool::Rectangle, Some((from, to)), Some(Held::Brush(..))) = (view.tool, touch.drag, view.held) {
        let accent = theme::color(theme::palette(ui).accent);
        ui.painter().rect_stroke(touch.entries(from, to), 0.0, (1.5, accent), StrokeKind::Outside);
    }
}

fn tools(view: &mut View, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.spacing_mut().button_padding.x = 6.0;
        let all = [
            (Tool::Brush, "brush", "Lets queries attend to keys, along the pointer"),
            (Tool::Rectangle, "rectangle", "Lets queries attend to keys, between two corners"),
            (Tool::Fill, "fill", "All connected cells of the same value"),
        ];
        for (tool, name, help) in all {
            if ui.selectable_label(view.tool == tool, name).on_hover_text(help).clicked() {
                view.tool = tool;
            }
        }
        for (is_on, name, help) in [
            (&mut view.erases, "erase", "The tool erases instead; so does the right button"),
            (&mut view.mirrors, "mirror", "Also paints what lies on the other side of the diagonal"),
        ] {
            if ui.selectable_label(*is_on, name).on_hover_text(help).clicked() {
                *is_on = !*is_on;
            }
        }
        if view.tool == Tool::Brush {
            let label = ui.label(" width");
            let size = ui.add(DragValue::new(&mut view.brush).range(1..=32)).labelled_by(label.id);
            size.on_hover_text("Width of the brush in cells");
        }
    });
}

/// The mask "mine" over the scores, and the inputs from which it was made.
pub struct Masked {
    rule: String,
    painted: Painted,
    scores: Option<Arc<Matrix>>,
    /// The matrix that is drawn.
    pub matrix: Arc<Matrix>,
    /// The facts about the mask.
    pub facts: Facts,
}

/// The matrix of "mine", made again only if an input has changed.
fn masked(view: &mut View, desk: &Desk<'_, MaskLab>) -> Arc<Matrix> {
    let MaskLab { rule, painted, setup, .. } = desk.state;
    let n = setup.n;
    let scores = desk.answer.scores.get().filter(|scores| scores.dim() == (n, n));
    let is_same = |known: &&Masked| {
        let is_same_scores = match (&known.scores, scores) {
            (Some(known), Some(scores)) => Arc::ptr_eq(known, scores),
            (known, scores) => known.is_none() && scores.is_none(),
        };
        known.matrix.dim() == (n, n) && known.rule == *rule && known.painted == *painted && is_same_scores
    };
    if let Some(known) = view.masked.as_ref().filter(is_same) {
        return known.matrix.clone();
    }
    let values = scores.map_or_else(|| Array2::zeros((n, n)), |scores| scores.values.clone());
    let pattern = desk.state.pattern(Which::Mine);
    let facts = Mask::custom(pattern.clone()).facts(n);
    let matrix = Arc::new(Matrix::masked(values, pattern));
    view.masked = Some(Masked {
        rule: rule.clone(),
        painted: painted.clone(),
        scores: scores.cloned(),
        matrix: matrix.clone(),
        facts,
    });
    matrix
}

/// Turns the pointer's movement into edits.
fn react(
    view: &mut View,
    desk: &mut Desk<'_, MaskLab>,
    touch: &Touch,
    edge: Option<usize>,
    pointer: Option<(Pos2, f32)>,
    matrix: &Matrix,
) {
    let stroke = |view: &View, from: Cell, to: Cell, may: bool| {
        Edit::Paint(Stroke { tool: view.tool, from, to, size: view.brush, may, mirror: view.mirrors })
    };
    if let Some(at) = touch.entered {
        let (tool, may) = (Tool::Rectangle, !matrix.is_there(at));
        desk.edit(Edit::Paint(Stroke { tool, from: at, to: at, size: 1, may, mirror: view.mirrors }));
    }
    let may = view.erases == touch.is_secondary;
    if let Some((from, to)) = touch.drag {
        let held = *view.held.get_or_insert(edge.map_or(Held::Brush(None, may), Held::Edge));
        match held {
            Held::Edge(index) => {
                if let (Some((pos, cell)), Some(handle)) = (pointer, handles(&desk.state.rule).get(index)) {
                    let value =
                        value_at(handle.edge, pos - touch.rect.min.to_vec2(), cell, desk.state.setup.n);
                    if value != handle.value {
                        desk.edit(Edit::Handle(index, value));
                    }
                }
            }
            Held::Brush(last, may) if view.tool == Tool::Brush && last != Some(to) => {
                desk.edit(stroke(view, last.unwrap_or(from), to, may));
                view.held = Some(Held::Brush(Some(to), may));
            }
            Held::Brush(..) => {}
        }
    } else {
        if let Some((from, to)) = touch.dropped {
            let drawn = match view.held {
                Some(Held::Brush(_, may)) if view.tool != Tool::Brush => Some((from, may)),
                Some(Held::Brush(last, may)) if last != Some(to) => Some((last.unwrap_or(from), may)),
                None => Some((from, may)),
                _ => None,
            };
            if let Some((from, may)) = drawn {
                desk.edit(stroke(view, from, to, may));
            }
        }
        view.held = None;
    }
}

/// The number of an edge that runs through `pos`, in points from the corner of the picture.
fn value_at(edge: Edge, pos: Pos2, cell: f32, n: usize) -> usize {
    let (x, y) = (pos.x / cell, pos.y / cell);
    let value = match edge {
        Edge::Key => x,
        Edge::Below => y - x,
        Edge::BothSides => (y - x).abs(),
    };
    let least = if edge == Edge::Key { 0.0 } else { 1.0 };
    value.round().clamp(least, n as f32) as usize
}

/// The lines of an edge, from the corner of the picture.
fn lines(handle: &Handle, side: f32, cell: f32) -> Vec<[Pos2; 2]> {
    let at = (handle.value as f32 * cell).min(side);
    match handle.edge {
        Edge::Key => vec![[pos2(at, 0.0), pos2(at, side)]],
        Edge::Below => vec![[pos2(0.0, at), pos2(side - at, side)]],
        Edge::BothSides => {
            vec![[pos2(0.0, at), pos2(side - at, side)], [pos2(at, 0.0), pos2(side, side - at)]]
        }
    }
}

fn nearest(edges: &[Handle], touch: &Touch, cell: f32, pos: Pos2) -> Option<usize> {
    let pos = pos - touch.rect.min.to_vec2();
    let distance = |[a, b]: [Pos2; 2]| {
        let (along, to) = (b - a, pos - a);
        let part = (to.dot(along) / along.length_sq().max(1e-6)).clamp(0.0, 1.0);
        (to - along * part).length()
    };
    let of = |handle: &Handle| {
        lines(handle, touch.rect.width(), cell).into_iter().map(distance).fold(f32::INFINITY, f32::min)
    };
    let near = edges.iter().map(of).enumerate().filter(|(_, distance)| *distance <= NEAR);
    near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}

fn draw(handle: &Handle, is_held: bool, touch: &Touch, cell: f32, ui: &Ui) {
    let accent = theme::color(theme::palette(ui).accent);
    let painter = ui.painter().with_clip_rect(touch.rect.expand(6.0));
    for line in lines(handle, touch.rect.width(), cell) {
        let [a, b] = line.map(|point| touch.rect.min + point.to_vec2());
        painter.line_segment([a, b], (if is_held { 3.0 } else { 1.5 }, accent));
        let knob = a + (b - a) * 0.5;
        let radius = if is_held { 6.0 } else { 4.5 };
        painter.circle(knob, radius, theme::color(theme::palette(ui).background), (2.0, accent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_follows_the_pointer() {
        for (edge, x, y, value) in [
            (Edge::Key, 41.0, 7.0, 4),
            (Edge::Key, -30.0, 7.0, 0),
            (Edge::Below, 20.0, 58.0, 4),
            (Edge::Below, 90.0, 10.0, 1),
            (Edge::BothSides, 58.0, 20.0, 4),
            (Edge::BothSides, 50.0, 50.0, 1),
            (Edge::Key, 9000.0, 0.0, 10),
        ] {
            assert_eq!(value_at(edge, pos2(x, y), 10.0, 10), value, "{edge:?} {x} {y}");
        }
    }

    #[test]
    fn an_edge_is_drawn_where_it_is_read() {
        for (rule, edge) in
            [("prefix(4)", Edge::Key), ("window(4)", Edge::Below), ("two-sided-window(4)", Edge::BothSides)]
        {
            for [a, b] in lines(&handles(rule)[0], 100.0, 10.0) {
                for part in [0.0, 0.4, 1.0] {
                    assert_eq!(value_at(edge, a + (b - a) * part, 10.0, 10), 4, "{rule}");
                }
            }
        }
    }
}
