//! Labels along the axes of a matrix, and the text beside the pointer.

use egui::epaint::TextShape;
use egui::{Align, Align2, Color32, StrokeKind, pos2, vec2};

use crate::layout::label_step;
use crate::{format, theme};

/// The least distance of two labels.
pub const LINE: f32 = 14.0;

/// Which labels stand on an axis: every step-th, and the hovered one in place of its neighbours.
pub fn labelled(length: f32, count: usize, hovered: Option<usize>) -> Vec<usize> {
    let step = label_step(length, count, LINE);
    let far = |index: &usize| hovered.is_none_or(|hovered| index.abs_diff(hovered) >= step);
    let mut shown: Vec<usize> = (0..count).step_by(step).filter(far).collect();
    shown.extend(hovered);
    shown
}

/// A key's token: upright where its script allows and its width fits `step`, else running upwards.
pub fn key_label(ui: &egui::Ui, at: egui::Pos2, text: &str, step: f32, color: Color32) {
    let font = theme::text(13.0);
    let width = ui.painter().layout_no_wrap(text.to_owned(), font.clone(), color).size().x;
    if format::is_wide(text) && width <= step {
        ui.painter().text(at, Align2::CENTER_BOTTOM, text, font, color);
    } else {
        vertical(ui, at, text, font, color, Align::Min);
    }
}

/// Text that runs upwards: from `at` (`Align::Min`), or up to `at` (`Align::Max`).
pub fn vertical(ui: &egui::Ui, at: egui::Pos2, text: &str, font: egui::FontId, color: Color32, align: Align) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, color);
    let down = if align == Align::Max { galley.size().x } else { 0.0 };
    let corner = pos2(at.x - galley.size().y / 2.0, at.y + down);
    ui.painter().add(TextShape::new(corner, galley, color).with_angle(-std::f32::consts::FRAC_PI_2));
}

/// Draws `text` in a box whose corner is `at`, moved inside the window.
pub fn tip(ui: &egui::Ui, at: egui::Pos2, align: Align2, text: &str) {
    let palette = theme::palette(ui);
    let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Tooltip, ui.scope_id().with("tip")));
    let galley = painter.layout_no_wrap(text.to_owned(), theme::text(13.0), theme::color(palette.ink));
    let rect = align.anchor_size(at, galley.size() + vec2(12.0, 8.0));
    let inside = ui.ctx().content_rect().shrink(4.0);
    let shift = vec2((inside.left() - rect.left()).max(0.0) + (inside.right() - rect.right()).min(0.0), 0.0);
    let rect = rect.translate(shift);
    let [panel, muted, ink] = [palette.panel, palette.muted, palette.ink].map(theme::color);
    painter.rect(rect, 4.0, panel, (1.0, muted), StrokeKind::Inside);
    painter.galley(rect.min + vec2(6.0, 4.0), galley, ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hovered_label_is_always_there_and_never_overlaps() {
        for hovered in [None, Some(0), Some(61), Some(127)] {
            let shown = labelled(340.0, 128, hovered);
            assert!(hovered.is_none_or(|hovered| shown.contains(&hovered)));
            let mut sorted = shown.clone();
            sorted.sort_unstable();
            let apart = |pair: &[usize]| (pair[1] - pair[0]) as f32 * 340.0 / 128.0 >= LINE;
            assert!(sorted.windows(2).all(apart), "{hovered:?}");
        }
        assert_eq!(labelled(340.0, 3, None), [0, 1, 2]);
    }
}
