//! One head at full size: tokens on both axes, the exact value under the pointer.

use egui::epaint::TextShape;
use egui::{
    Align, Align2, Color32, Event, Layout, Rect, RichText, Role, Sense, StrokeKind, WidgetInfo, pos2, vec2,
};

use rankscope::model::Tokens;

use super::{colour_bar, weights};
use crate::app::App;
use crate::heatmap::Part;
use crate::layout::{Head, entry_at, entry_rect, is_short, label_step, middle, square_on_pixels};
use crate::worker::Pass;
use crate::{format, theme};

/// Characters of a token on an axis.
const LETTERS: usize = 10;
/// Room for the tokens on each axis: at least, at most; and for the axis's name beside them.
const LABELS: (f32, f32) = (24.0, 84.0);
const TITLE: f32 = 20.0;
/// The least distance of two labels.
const LINE: f32 = 14.0;

/// Draws the selected head.
pub fn ui(app: &App, ui: &mut egui::Ui) {
    let Some(pass) = app.shown.chosen.clone() else {
        ui.heading("One head");
        return;
    };
    let at = app.selected.moved(0, 0, pass.layers(), pass.heads());
    ui.horizontal(|ui| {
        ui.heading(format!("Layer {}, head {}", at.layer, at.head));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| copy(&pass, at, ui));
    });
    let short = is_short(ui);
    if !short {
        let name = RichText::new(&pass.names[at.layer]).font(theme::mono(theme::SMALL)).weak();
        ui.add(egui::Label::new(name).truncate());
    }
    let margin = margin(&pass, ui);
    // The wall's colour bar serves both where there is no room for a second one.
    let below = if short { 2.0 } else { colour_bar::HEIGHT + 48.0 };
    let room = ui.available_size() - vec2(margin, margin + below);
    let height = room.min_elem().max(60.0) + margin;
    let (frame, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let corner = frame.min + vec2(margin, margin);
    let rect = square_on_pixels(corner, room.max(vec2(60.0, 60.0)), ui.pixels_per_point());
    draw(app, &pass, at, rect, ui);
    let response = ui.interact(rect, ui.scope_id().with("entries"), Sense::click());
    let name = format!("Attention weights of layer {} head {}", at.layer, at.head);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let hovered =
        response.hover_pos().and_then(|pos| entry_at(rect, pass.buffers.queries, pass.buffers.keys, pos));
    axes(&pass, rect, margin, hovered, ui);
    readout(&pass, at, hovered, rect, ui);
    if !short {
        colour_bar::ui(app.scale, ui.available_width().min(rect.width() + margin), ui);
    }
}

fn draw(app: &App, pass: &Pass, at: Head, rect: Rect, ui: &egui::Ui) {
    weights(app, pass, Part::One(at), rect, ui);
    let line = theme::color(theme::palette(ui).grid);
    ui.painter().rect_stroke(rect, 0.0, (1.0, line), StrokeKind::Outside);
}

/// Tokens on both axes, thinned where crowded; those of the hovered entry always, and brighter.
fn axes(pass: &Pass, rect: Rect, margin: f32, hovered: Option<(usize, usize)>, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let (muted, accent) = (theme::color(palette.muted), theme::color(palette.accent));
    let (queries, keys) = (pass.buffers.queries, pass.buffers.keys);
    let title = theme::text(13.0);
    let beside = margin - TITLE / 2.0;
    ui.painter().text(
        pos2(rect.left(), rect.top() - beside),
        Align2::LEFT_CENTER,
        "keys  →",
        title.clone(),
        muted,
    );
    vertical(ui, pos2(rect.left() - beside, rect.top()), "←  queries", title, muted, Align::Max);
    for index in labelled(rect.height(), queries, hovered.map(|(query, _)| query)) {
        let chosen = hovered.is_some_and(|(query, _)| query == index);
        let at = pos2(rect.left() - 6.0, middle(rect.top(), rect.height(), index, queries));
        let text = label(&pass.queries, index, ui);
        let color = if chosen { accent } else { muted };
        ui.painter().text(at, Align2::RIGHT_CENTER, text, theme::text(13.0), color);
    }
    let step = label_step(rect.width(), keys, LINE) as f32 * rect.width() / keys.max(1) as f32;
    for index in labelled(rect.width(), keys, hovered.map(|(_, key)| key)) {
        let chosen = hovered.is_some_and(|(_, key)| key == index);
        let at = pos2(middle(rect.left(), rect.width(), index, keys), rect.top() - 6.0);
        let color = if chosen { accent } else { muted };
        key_label(ui, at, &label(&pass.tokens, index, ui), step, color);
    }
    if let Some(entry) = hovered {
        let cell = entry_rect(rect, queries, keys, entry);
        ui.painter().rect_stroke(cell, 0.0, (1.5, accent), StrokeKind::Outside);
    }
}

/// Which labels stand on an axis: every step-th, and the hovered one in place of its neighbours.
pub fn labelled(length: f32, count: usize, hovered: Option<usize>) -> Vec<usize> {
    let step = label_step(length, count, LINE);
    let far = |index: &usize| hovered.is_none_or(|hovered| index.abs_diff(hovered) >= step);
    let mut shown: Vec<usize> = (0..count).step_by(step).filter(far).collect();
    shown.extend(hovered);
    shown
}

/// The room beside the matrix that its longest label needs.
fn margin(pass: &Pass, ui: &egui::Ui) -> f32 {
    let width = |tokens: &Tokens, index: usize| {
        let galley = ui.painter().layout_no_wrap(label(tokens, index, ui), theme::text(13.0), Color32::WHITE);
        galley.size().x
    };
    let keys = (0..pass.buffers.keys).map(|index| width(&pass.tokens, index));
    let queries = (0..pass.buffers.queries).map(|index| width(&pass.queries, index));
    let longest = keys.chain(queries).fold(0.0, f32::max);
    (longest + 8.0).clamp(LABELS.0, LABELS.1) + TITLE
}

fn label(tokens: &Tokens, index: usize, ui: &egui::Ui) -> String {
    let label = |piece: &String| theme::label_within(ui, piece, LETTERS, LABELS.1 - 8.0);
    tokens.pieces.get(index).map(label).unwrap_or_default()
}

/// A key's token: upright where its script allows and its width fits `step`, else running upwards.
fn key_label(ui: &egui::Ui, at: egui::Pos2, text: &str, step: f32, color: Color32) {
    let font = theme::text(13.0);
    let width = ui.painter().layout_no_wrap(text.to_owned(), font.clone(), color).size().x;
    if format::is_wide(text) && width <= step {
        ui.painter().text(at, Align2::CENTER_BOTTOM, text, font, color);
    } else {
        vertical(ui, at, text, font, color, Align::Min);
    }
}

/// Text that runs upwards: from `at` (`Align::Min`), or up to `at` (`Align::Max`).
fn vertical(ui: &egui::Ui, at: egui::Pos2, text: &str, font: egui::FontId, color: Color32, align: Align) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, color);
    let down = if align == Align::Max { galley.size().x } else { 0.0 };
    let corner = pos2(at.x - galley.size().y / 2.0, at.y + down);
    ui.painter().add(TextShape::new(corner, galley, color).with_angle(-std::f32::consts::FRAC_PI_2));
}

/// The entry under the pointer, in words and to the last digit.
fn readout(pass: &Pass, at: Head, hovered: Option<(usize, usize)>, rect: Rect, ui: &mut egui::Ui) {
    let text = match hovered {
        None => "Point at an entry to read its weight.".to_owned(),
        Some(entry) => in_words(pass, at, entry, ui),
    };
    let copied = ui.input(|input| input.events.contains(&Event::Copy));
    if copied && ui.memory(|memory| memory.focused().is_none()) {
        let value = hovered.and_then(|(query, key)| pass.weight(at, query, key));
        if let Some(text) = value.map(format::exact).or_else(|| table(pass, at)) {
            ui.ctx().copy_text(text);
        }
    }
    if let (Some(_), Some(pointer)) = (hovered, ui.ctx().pointer_hover_pos()) {
        let left = pointer.x > rect.center().x;
        let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
        tip(ui, pointer + vec2(if left { -12.0 } else { 12.0 }, -10.0), align, &text);
    }
    if !is_short(ui) {
        ui.add_space(4.0);
        ui.add(egui::Label::new(RichText::new(text).size(13.0).weak()).truncate());
    }
}

fn tip(ui: &egui::Ui, at: egui::Pos2, align: Align2, text: &str) {
    let palette = theme::palette(ui);
    let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Tooltip, ui.scope_id().with("tip")));
    let galley = painter.layout_no_wrap(text.to_owned(), theme::text(13.0), theme::color(palette.ink));
    let rect = align.anchor_size(at, galley.size() + vec2(12.0, 8.0));
    let inside = ui.ctx().content_rect().shrink(4.0);
    let shift = vec2((inside.left() - rect.left()).max(0.0) + (inside.right() - rect.right()).min(0.0), 0.0);
    let rect = rect.translate(shift);
    painter.rect(
        rect,
        4.0,
        theme::color(palette.panel),
        (1.0, theme::color(palette.muted)),
        StrokeKind::Inside,
    );
    painter.galley(rect.min + vec2(6.0, 4.0), galley, theme::color(palette.ink));
}

fn in_words(pass: &Pass, at: Head, (query, key): (usize, usize), ui: &egui::Ui) -> String {
    let label =
        |tokens: &Tokens, at: usize| theme::label(ui, tokens.pieces.get(at).map_or("", String::as_str), 16);
    let (from, to) = (label(&pass.queries, query), label(&pass.tokens, key));
    let weight = if !pass.may_attend(at, query, key) {
        "masked".to_owned()
    } else {
        pass.weight(at, query, key).map_or("on its way".to_owned(), format::exact)
    };
    format!("query {query} “{from}” → key {key} “{to}”:  {weight}")
}

fn copy(pass: &Pass, at: Head, ui: &mut egui::Ui) {
    let button =
        ui.button("Copy").on_hover_text("Copy this matrix as text: queries down, keys across (Ctrl+C)");
    if button.clicked()
        && let Some(text) = table(pass, at)
    {
        ui.ctx().copy_text(text);
    }
}

/// The matrix as lines of tab-separated values, exact.
fn table(pass: &Pass, at: Head) -> Option<String> {
    let rows = pass.matrix(at)?.chunks(pass.buffers.keys.max(1));
    let lines = rows.map(|row| row.iter().copied().map(format::exact).collect::<Vec<_>>().join("\t"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_no_wider_than_the_room_beside_the_headings_and_cut_between_stand_ins() {
        let output = egui::Context::default().run_ui(Default::default(), |ui| {
            for piece in [
                "internationalisation",
                " WWWWWWWWWWWWW",
                "爱丽丝坐在姐姐身边的椅子上",
                "\u{10FFFD}\u{10FFFD}\u{10FFFD}",
            ] {
                let label = theme::label_within(ui, piece, LETTERS, LABELS.1 - 8.0);
                let galley = ui.painter().layout_no_wrap(label.clone(), theme::text(13.0), Color32::WHITE);
                assert!(galley.size().x <= LABELS.1 - 8.0, "{label}");
                let numbers = label.trim_end_matches('…').split(' ').filter(|part| part.starts_with("U+"));
                assert!(numbers.clone().all(|number| (6..=8).contains(&number.len())), "{label}");
                assert!(label.chars().count() > 4, "{label}");
            }
        });
        output.drop_without_applying_deltas();
    }

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
