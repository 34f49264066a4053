//! One head at full size: tokens on both axes, marginals, value vectors, the exact weight under the pointer; two of them with
//! one cursor where two readings are compared.

use std::sync::Arc;

use egui::{
    Align, Align2, Color32, Event, Layout, Rect, RichText, Role, Sense, StrokeKind, UiBuilder, WidgetInfo,
    pos2, vec2,
};
use rankscope::model::Tokens;
use rankscope::numbers::short;

use super::{Desk, View, nothing, readings, weights};
use crate::heatmap::Part;
use crate::labs::model::answer::{Details, Pass};
use crate::labs::model::state::{Edit, Measure, Side};
use crate::layout::{Head, entry_at, entry_rect, is_short, label_step, middle, square_on_pixels};
use crate::widget::axes::{LINE, key_label, labelled, tip, vertical};
use crate::widget::colour_bar;
use crate::{format, theme};

/// Characters of a token on an axis.
const LETTERS: usize = 10;
/// Room for the tokens on each axis: at least, at most; and for the axis's name beside them.
const LABELS: (f32, f32) = (24.0, 84.0);
const TITLE: f32 = 20.0;
/// Thickness of a strip of bars, and the gap before it.
const STRIP: (f32, f32) = (20.0, 5.0);
/// Entries at least this large have their weight written in them.
const WRITTEN: f32 = 34.0;

/// Draws the selected head of each reading.
pub fn ui(view: &mut View, desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    let passes: Vec<(Side, Arc<Pass>)> =
        readings(desk).into_iter().filter_map(|(side, shown)| Some((side, shown.pass()?.clone()))).collect();
    if passes.is_empty() {
        return nothing(desk, ui);
    }
    let pointed = view.cursor.take();
    let room = ui.available_rect_before_wrap();
    let across = room.width() > 1.3 * room.height();
    let count = passes.len() as f32;
    for (index, (side, pass)) in passes.iter().enumerate() {
        let parts = if across { vec2(count, 1.0) } else { vec2(1.0, count) };
        let size = room.size() / parts;
        let step = if across { vec2(size.x, 0.0) } else { vec2(0.0, size.y) };
        let own = Rect::from_min_size(room.min + step * index as f32, size - vec2(4.0, 4.0));
        let mut part = ui.new_child(UiBuilder::new().max_rect(own).id_salt(side.name()));
        if let Some(hovered) = one(desk, *side, pass, pointed, &mut part) {
            view.cursor = Some(hovered);
        }
    }
    if view.cursor != pointed {
        ui.ctx().request_repaint(); // the other matrix follows
    }
}

/// Draws one matrix with its axes and marginals; returns the entry under the pointer.
fn one(
    desk: &mut Desk<'_>,
    side: Side,
    pass: &Arc<Pass>,
    pointed: Option<(usize, usize)>,
    ui: &mut egui::Ui,
) -> Option<(usize, usize)> {
    let at = desk.answer.selected(desk.state).moved(0, 0, pass.layers(), pass.heads());
    let is_pair = desk.state.right.is_some();
    let which = if is_pair { format!("{}: ", side.name()) } else { String::new() };
    ui.horizontal(|ui| {
        ui.heading(format!("{which}Layer {}, head {}", at.layer, at.head));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| copy(pass, at, ui));
    });
    let short = is_short(ui);
    if !short && !is_pair {
        let unit = match desk.state.measure {
            Measure::Weights => String::new(),
            Measure::ValueWeighted => ", × ‖v‖, rows to 1".to_owned(),
        };
        let name =
            RichText::new(format!("{}{unit}", pass.names[at.layer])).font(theme::mono(theme::SMALL)).weak();
        ui.add(egui::Label::new(name).truncate());
    }
    if !pass.held.contains(&at.layer) {
        ui.weak("The weights of this layer are not in memory.");
        if ui.button("Compute them").clicked() {
            desk.edit(Edit::Hold(at));
        }
        return None;
    }
    let margin = margin(pass, ui);
    let bare = short || ui.available_height() < 330.0;
    let strips = if bare { 0.0 } else { STRIP.0 + STRIP.1 };
    let values = if bare || pass.norms(at).is_none() { 0.0 } else { strips };
    // The wall's colour bar serves the head as well, if there is no room for a second one.
    let below = if short || is_pair { 22.0 } else { colour_bar::HEIGHT + 32.0 };
    let room = ui.available_size() - vec2(margin + strips, margin + strips + values + below);
    let height = room.min_elem().max(60.0) + margin + strips + values;
    let (frame, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let corner = frame.min + vec2(margin, margin);
    let rect = square_on_pixels(corner, room.max(vec2(60.0, 60.0)), ui.pixels_per_point());
    weights(desk, side, pass, Part::One(at), rect, ui);
    ui.painter().rect_stroke(rect, 0.0, (1.0, theme::color(theme::palette(ui).grid)), StrokeKind::Outside);
    let response = ui.interact(rect, ui.scope_id().with("entries"), Sense::click());
    let name = format!("{which}Attention weights of layer {} head {}", at.layer, at.head);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let (queries, keys) = (pass.buffers.queries, pass.buffers.keys);
    let hovered = response.hover_pos().and_then(|pos| entry_at(rect, queries, keys, pos));
    let shown = hovered.or(pointed.filter(|&(query, key)| query < queries && key < keys));
    numbers(pass, at, rect, ui);
    axes(pass, rect, margin, shown, ui);
    if !bare {
        marginals(pass, at, rect, values > 0.0, ui);
    }
    readout(pass, at, (shown, hovered.is_some()), rect, ui);
    if !short && !is_pair {
        colour_bar::ui(desk.state.scale, ui.available_width().min(rect.width() + margin), ui);
    }
    hovered
}

/// The weights in their entries, where these are large enough.
fn numbers(pass: &Pass, at: Head, rect: Rect, ui: &egui::Ui) {
    let (queries, keys) = (pass.buffers.queries, pass.buffers.keys);
    let size = entry_rect(rect, queries, keys, (0, 0)).size();
    if size.x < WRITTEN || size.y < 16.0 {
        return;
    }
    for query in 0..queries {
        for key in (0..keys).filter(|&key| pass.may_attend(at, query, key)) {
            let Some(weight) = pass.weight(at, query, key) else { continue };
            let place = entry_rect(rect, queries, keys, (query, key)).center();
            let edge_place = place + vec2(0.7, 0.7);
            let dark = (weight > 0.35) != ui.visuals().dark_mode;
            let color = if dark { Color32::WHITE } else { Color32::BLACK };
            let text = format!("{weight:.2}");
            // Readable on every colour: an edge of the other shade.
            let edge = if dark { Color32::BLACK } else { Color32::WHITE }.gamma_multiply(0.6);
            let font = theme::mono(theme::SMALL);
            ui.painter().text(edge_place, Align2::CENTER_CENTER, &text, font.clone(), edge);
            ui.painter().text(place, Align2::CENTER_CENTER, text, font, color);
        }
    }
}

/// Bars along the matrix: how many keys each query spreads over, what each key gets, how long its value vector is.
fn marginals(pass: &Pass, at: Head, rect: Rect, has_values: bool, ui: &egui::Ui) {
    let Some(Details { received, spread, .. }) = pass.details(at) else { return };
    let beside = Rect::from_min_size(pos2(rect.right() + STRIP.1, rect.top()), vec2(STRIP.0, rect.height()));
    let below = Rect::from_min_size(pos2(rect.left(), rect.bottom() + STRIP.1), vec2(rect.width(), STRIP.0));
    let hint = "how many keys a query spreads over: exp of the entropy of its row";
    bars(spread, &pass.queries, (beside, false), hint, ui);
    let hint = "what a key gets: the mean of its column";
    bars(received, &pass.tokens, (below, true), hint, ui);
    if let Some(norms) = pass.norms(at).filter(|_| has_values) {
        let lower = below.translate(vec2(0.0, STRIP.0 + STRIP.1));
        bars(norms, &pass.tokens, (lower, true), "‖v‖: the length of a key's value vector", ui);
    }
}

/// A bar for each token, the largest as long as the strip is thick; the number is shown on hover.
fn bars(values: &[f32], tokens: &Tokens, (strip, is_across): (Rect, bool), hint: &str, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let largest = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let ground = theme::mix(palette.background, palette.muted, 0.08);
    ui.painter().rect_filled(strip, 0.0, ground);
    let color = theme::mix(palette.background, palette.muted, 0.75);
    let part = |index: usize| {
        let (rows, columns) = if is_across { (1, values.len()) } else { (values.len(), 1) };
        entry_rect(strip, rows, columns, if is_across { (0, index) } else { (index, 0) })
    };
    // One mesh: a rectangle of its own has ten triangles, for smooth edges, and a long text has many bars.
    let mut mesh = egui::Mesh::default();
    for (index, value) in values.iter().enumerate() {
        let (mut bar, share) = (part(index), (value / largest).clamp(0.0, 1.0));
        match is_across {
            true => bar.max.y = bar.min.y + share * strip.height(),
            false => bar.max.x = bar.min.x + share * strip.width(),
        }
        let gap = if part(index).size().max_elem() > 4.0 && values.len() < 150 { 0.5 } else { 0.0 };
        mesh.add_colored_rect(bar.shrink2(if is_across { vec2(gap, 0.0) } else { vec2(0.0, gap) }), color);
    }
    ui.painter().add(mesh);
    let response = ui.interact(strip, ui.scope_id().with(hint), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, hint));
    let index = response.hover_pos().and_then(|pos| match is_across {
        true => entry_at(strip, 1, values.len(), pos).map(|(_, index)| index),
        false => entry_at(strip, values.len(), 1, pos).map(|(index, _)| index),
    });
    if let Some(index) = index {
        let piece = theme::label(ui, tokens.pieces.get(index).map_or("", String::as_str), 16);
        response.on_hover_text(format!("{hint}\n{index} “{piece}”: {}", short(f64::from(values[index]))));
    }
}

/// Tokens on both axes, thinned where crowded; those of the hovered entry always, and brighter.
fn axes(pass: &Pass, rect: Rect, margin: f32, hovered: Option<(usize, usize)>, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let (muted, accent) = (theme::color(palette.muted), theme::color(palette.accent));
    let (queries, keys) = (pass.buffers.queries, pass.buffers.keys);
    let title = theme::text(13.0);
    let beside = margin - TITLE / 2.0;
    let above = pos2(rect.left(), rect.top() - beside);
    ui.painter().text(above, Align2::LEFT_CENTER, "keys  →", title.clone(), muted);
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

/// The room beside the matrix that its longest label needs; measured once for each text.
fn margin(pass: &Pass, ui: &egui::Ui) -> f32 {
    let key = egui::Id::unique(("margin", &pass.tokens.pieces, &pass.queries.pieces));
    if let Some(known) = ui.data(|data| data.get_temp(key)) {
        return known;
    }
    let width = |tokens: &Tokens, index: usize| {
        let galley = ui.painter().layout_no_wrap(label(tokens, index, ui), theme::text(13.0), Color32::WHITE);
        galley.size().x
    };
    let keys = (0..pass.buffers.keys).map(|index| width(&pass.tokens, index));
    let queries = (0..pass.buffers.queries).map(|index| width(&pass.queries, index));
    let longest = keys.chain(queries).fold(0.0, f32::max);
    let margin = (longest + 8.0).clamp(LABELS.0, LABELS.1) + TITLE;
    ui.data_mut(|data| data.insert_temp(key, margin));
    margin
}

fn label(tokens: &Tokens, index: usize, ui: &egui::Ui) -> String {
    let label = |piece: &String| theme::label_within(ui, piece, LETTERS, LABELS.1 - 8.0);
    tokens.pieces.get(index).map(label).unwrap_or_default()
}

/// The entry under the pointer, or under that of the other matrix, in words and to the last digit.
fn readout(
    pass: &Pass,
    at: Head,
    (shown, is_own): (Option<(usize, usize)>, bool),
    rect: Rect,
    ui: &mut egui::Ui,
) {
    let text = match shown {
        None => "Point at an entry to read its weight.".to_owned(),
        Some(entry) => in_words(pass, at, entry, ui),
    };
    let copied = ui.input(|input| input.events.contains(&Event::Copy));
    if copied && ui.memory(|memory| memory.focused().is_none()) {
        let value = shown.and_then(|(query, key)| pass.weight(at, query, key));
        if let Some(text) = value.map(format::exact).or_else(|| table(pass, at)) {
            ui.ctx().copy_text(text);
        }
    }
    if let (true, Some(pointer)) = (is_own, ui.ctx().pointer_hover_pos()) {
        let left = pointer.x > rect.center().x;
        let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
        tip(ui, pointer + vec2(if left { -12.0 } else { 12.0 }, -10.0), align, &text);
    }
    ui.add(egui::Label::new(RichText::new(text).size(13.0).weak()).truncate());
}

fn in_words(pass: &Pass, at: Head, (query, key): (usize, usize), ui: &egui::Ui) -> String {
    let label =
        |tokens: &Tokens, at: usize| theme::label(ui, tokens.pieces.get(at).map_or("", String::as_str), 16);
    let (from, to) = (label(&pass.queries, query), label(&pass.tokens, key));
    let weight = match pass.may_attend(at, query, key) {
        false => "masked".to_owned(),
        true => pass.weight(at, query, key).map_or("on its way".to_owned(), format::exact),
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
}
