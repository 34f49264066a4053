//! A head as arcs from token to token.

use egui::epaint::QuadraticBezierShape;
use egui::{Color32, Painter, Rect, Stroke, pos2};

use crate::labs::model::answer::{Link, Pass};
use crate::layout::{Head, middle};

/// Arcs of one head on the wall, the strongest.
const MOST: usize = 80;

/// Draws the strongest weights of a head: in self-attention, arcs over the line of tokens look back and arcs under it look
/// ahead; in cross-attention, lines run from the queries below to the keys above.
pub fn draw(pass: &Pass, at: Head, rect: Rect, color: Color32, ground: Color32, painter: &Painter) {
    let painter = painter.with_clip_rect(painter.clip_rect().intersect(rect));
    painter.rect_filled(rect, 0.0, ground);
    let Some(links) = pass.details(at).map(|details| &details.links) else { return };
    let is_self =
        pass.buffers.queries == pass.buffers.keys && !pass.names[at.layer].contains("cross_attention");
    let inside = rect.shrink(3.0);
    let (queries, keys) = (pass.buffers.queries, pass.buffers.keys);
    // The room above the line of tokens for arcs that look back.
    let ahead = links.iter().any(|link| link.key > link.query);
    let line = if ahead { inside.center().y } else { inside.bottom() - 2.0 };
    for link in &links[links.len().saturating_sub(MOST)..] {
        let stroke = Stroke::new(0.6 + 1.4 * link.weight, color.gamma_multiply(link.weight.clamp(0.15, 1.0)));
        let from = middle(inside.left(), inside.width(), usize::from(link.query), queries);
        let to = middle(inside.left(), inside.width(), usize::from(link.key), keys);
        if is_self {
            arc(link, (from, to, line), inside, stroke, &painter);
        } else {
            painter.line_segment([pos2(from, inside.bottom()), pos2(to, inside.top())], stroke);
        }
    }
}

fn arc(link: &Link, (from, to, line): (f32, f32, f32), inside: Rect, stroke: Stroke, painter: &Painter) {
    if link.query == link.key {
        painter.circle_filled(pos2(from, line), 1.0 + link.weight, stroke.color);
        return;
    }
    let room = if link.key < link.query { line - inside.top() } else { inside.bottom() - line };
    let height = room * ((to - from).abs() / inside.width().max(1.0)).sqrt();
    let bend = if link.key < link.query { line - 2.0 * height } else { line + 2.0 * height };
    let points = [pos2(from, line), pos2((from + to) / 2.0, bend), pos2(to, line)];
    painter.add(QuadraticBezierShape::from_points_stroke(points, false, Color32::TRANSPARENT, stroke));
}
