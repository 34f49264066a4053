//! The wall: every head as a small picture with its number, sorted and filtered by a metric of rank.

use std::sync::Arc;

use egui::{
    Align2, ComboBox, DragValue, Event, EventFilter, Key, Rect, Role, ScrollArea, Sense, StrokeKind,
    UiBuilder, WidgetInfo, pos2, vec2,
};
use rankscope::numbers::short;
use rankscope::rank::{METRICS, Metric};

use super::{Desk, arcs, nothing, readings, weights};
use crate::heatmap::{Part, Scale};
use crate::labs::model::answer::Pass;
use crate::labs::model::state::{Attention, BUDGET, Edit, Explorer, Look, Measure, Order, Side};
use crate::layout::{Head, Wall, is_short, label_step};
use crate::theme;
use crate::widget::colour_bar;

/// Room for the numbers of layers and heads.
const LABELS: egui::Vec2 = vec2(26.0, 18.0);
/// Room for the number below a cell, and the least width of a cell that has one.
const CAPTION: (f32, f32) = (16.0, 34.0);

/// Draws the controls, a wall for each reading, and the colour bar.
pub fn ui(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    controls(desk, ui);
    let passes: Vec<(Side, Arc<Pass>)> =
        readings(desk).into_iter().filter_map(|(side, shown)| Some((side, shown.pass()?.clone()))).collect();
    if passes.is_empty() {
        return nothing(desk, ui);
    }
    let bar = if is_short(ui) { 0.0 } else { colour_bar::HEIGHT + 6.0 };
    let all = ui.available_rect_before_wrap();
    let room = Rect::from_min_size(all.min, vec2(all.width(), (all.height() - bar).max(60.0)));
    let width = room.width() / passes.len() as f32;
    for (index, (side, pass)) in passes.iter().enumerate() {
        let left = room.left() + width * index as f32;
        let own = Rect::from_min_size(pos2(left, room.top()), vec2(width - 6.0, room.height()));
        let mut part = ui.new_child(UiBuilder::new().max_rect(own).id_salt(side.name()));
        one(desk, *side, pass, &mut part);
    }
    ui.advance_cursor_after_rect(room);
    if bar > 0.0 {
        below(desk, ui);
    }
}

/// The meaning of colours or arcs, and the memory for weights.
fn below(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 76.0).max(120.0);
        if desk.state.look == Look::Heatmaps {
            colour_bar::ui(desk.state.scale, width, ui);
        } else {
            let is_cross = desk.state.attention == Attention::Cross;
            let text = if is_cross {
                "From queries below to keys above."
            } else {
                "Over the tokens: back; under: ahead."
            };
            let label = egui::Label::new(egui::RichText::new(text).size(13.0).weak()).truncate();
            ui.add_sized(vec2(width, colour_bar::HEIGHT), label).on_hover_text("weights of 0.1 and more");
        }
        budget(desk, ui);
    });
}

/// The controls of the wall: what it draws, its colours and its order.
fn controls(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    let state = desk.state;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for (look, name) in [(Look::Heatmaps, "heatmaps"), (Look::Arcs, "arcs")] {
            choice(desk, state.look == look, name, Edit::Look(look), "how a head is drawn", ui);
        }
        let is_file = state.left.file.is_some();
        for (measure, name, hint) in [
            (Measure::Weights, "weights", "αₜₛ"),
            (
                Measure::ValueWeighted,
                "× values",
                "αₜₛ‖vₛ‖ as a share of its row: a key with a short value vector adds little, however much it is attended \
                 to (after Kobayashi et al. 2020)",
            ),
        ] {
            if !is_file {
                choice(desk, state.measure == measure, name, Edit::Measure(measure), hint, ui);
            }
        }
        let combo = ComboBox::new("scale", "").width(64.0).selected_text(state.scale.name());
        let response = combo.show_ui(ui, |ui| {
            for scale in Scale::ALL.iter().rev() {
                let hint = "how a weight becomes a colour";
                choice(desk, state.scale == *scale, scale.name(), Edit::Scale(*scale), hint, ui);
            }
        });
        response.response.on_hover_text("the scale of the colours: linear, √ or logarithmic");
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        metric(desk, ui);
        for (order, name, hint) in [
            (Order::Layers, "by layer", "a row for each layer, a column for each head"),
            (Order::SmallestFirst, "↑", "the smallest value first"),
            (Order::LargestFirst, "↓", "the largest value first"),
        ] {
            choice(desk, state.order == order, name, Edit::Order(order), hint, ui);
        }
        range(desk, ui);
    });
}

fn choice(desk: &mut Desk<'_>, chosen: bool, name: &str, edit: Edit, hint: &str, ui: &mut egui::Ui) {
    if ui.selectable_label(chosen, name).on_hover_text(hint).clicked() && !chosen {
        desk.edit(edit);
    }
}

fn metric(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    let Some(shown) = desk.state.metric() else { return };
    let combo = ComboBox::new("metric", "").width(128.0).selected_text(shown.label);
    let response = combo.show_ui(ui, |ui| {
        for metric in METRICS {
            let line =
                ui.selectable_label(metric.name == shown.name, metric.label).on_hover_text(metric.formula);
            if line.clicked() {
                desk.edit(Edit::Metric(metric.name.to_owned()));
            }
        }
    });
    response.response.on_hover_text(format!("{}\n{}", shown.label, shown.formula));
}

/// The least and the largest value that are shown.
fn range(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    let Some(all) = extent(desk) else { return };
    let mut is_filtered = desk.state.range.is_some();
    let hint = "show only heads whose number is in a range";
    if ui.checkbox(&mut is_filtered, "only").on_hover_text(hint).changed() {
        desk.edit(Edit::Range(is_filtered.then_some(all)));
    }
    let Some((mut low, mut high)) = desk.state.range else { return };
    let speed = ((all.1 - all.0) / 100.0).max(1e-6);
    let from = ui.add(DragValue::new(&mut low).speed(speed).max_decimals(3)).on_hover_text("from");
    let to = ui.add(DragValue::new(&mut high).speed(speed).max_decimals(3)).on_hover_text("to");
    if from.changed() {
        desk.edit(Edit::Range(Some((low, high.max(low)))));
    } else if to.changed() {
        desk.edit(Edit::Range(Some((low.min(high), high))));
    }
}

/// The smallest and the largest value of the metric over all heads.
fn extent(desk: &Desk<'_>) -> Option<(f64, f64)> {
    let metric = desk.state.metric()?;
    let passes = readings(desk).into_iter().filter_map(|(_, shown)| shown.pass());
    let values =
        passes.flat_map(|pass| pass.reports.iter().flatten()).filter_map(|report| (metric.value)(report));
    let wider = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let all = values.filter(|value| value.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), wider);
    // Rounded outward to three decimals: short to read, and the same again from a file.
    let outward = ((all.0 * 1e3).floor() / 1e3, (all.1 * 1e3).ceil() / 1e3);
    (all.0 <= all.1).then_some(outward)
}

fn budget(desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    let mut budget = desk.state.budget;
    let value = DragValue::new(&mut budget).range(BUDGET.0..=BUDGET.1).speed(4.0).suffix(" MiB");
    let hint = "the most memory for the weights of one pass: beyond it the layers around the selected one are kept, and \
                others are computed again when you select one of their heads";
    if ui.add(value).on_hover_text(hint).changed() {
        desk.edit(Edit::Budget(budget));
    }
}

/// The heads that are shown, each at its place, and whether they stand in rows of layers.
pub fn places(state: &Explorer, pass: &Pass) -> (Vec<(usize, Head)>, bool) {
    let metric = state.metric();
    let value = |at: Head| pass.report(at).and_then(|report| (metric?.value)(report));
    let shows = |at: &Head| {
        state.range.is_none_or(|(low, high)| value(*at).is_none_or(|value| (low..=high).contains(&value)))
    };
    let every = (0..pass.layers()).flat_map(|layer| (0..pass.heads()).map(move |head| Head { layer, head }));
    let mut shown: Vec<(usize, Head)> = every.enumerate().filter(|(_, at)| shows(at)).collect();
    if state.order == Order::Layers {
        return (shown, true);
    }
    // Heads without a number come last.
    let key = |at: Head| value(at).filter(|value| !value.is_nan());
    shown.sort_by(|(_, a), (_, b)| match (key(*a), key(*b)) {
        (Some(a), Some(b)) if state.order == Order::LargestFirst => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    let shown = shown.into_iter().enumerate().map(|(place, (_, at))| (place, at)).collect();
    (shown, false)
}

/// One reading's wall.
fn one(desk: &mut Desk<'_>, side: Side, pass: &Pass, ui: &mut egui::Ui) {
    if desk.state.right.is_some() {
        let text = format!("{}: {}", side.name(), pass.mask(0));
        ui.add(egui::Label::new(egui::RichText::new(text).size(13.0)).truncate());
    }
    let (places, by_layer) = places(desk.state, pass);
    if places.is_empty() {
        ui.weak("No head has a number in this range.");
        return;
    }
    let labels = if by_layer { LABELS } else { vec2(0.0, 2.0) };
    let room = ui.available_size() - labels - vec2(8.0, 6.0);
    let scale = ui.pixels_per_point();
    let fit = |caption: f32| match by_layer {
        true => Wall::fit(pos2(0.0, 0.0), room, (pass.layers(), pass.heads()), caption, scale),
        false => Wall::flow(pos2(0.0, 0.0), room, places.len(), caption, scale),
    };
    let captioned = fit(CAPTION.0);
    let fitted = if captioned.cell.x >= CAPTION.1 { captioned } else { fit(0.0) };
    ui.spacing_mut().scroll = theme::scroll_bar();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let (rect, response) =
            ui.allocate_exact_size(fitted.size() + labels + vec2(4.0, 4.0), Sense::click());
        let snap = |value: f32| (value * scale).round() / scale;
        let origin = pos2(snap(rect.left() + labels.x), snap(rect.top() + labels.y));
        let wall = Wall { origin, ..fitted };
        let picture = Drawn { side, pass, wall: &wall, places: &places, by_layer };
        picture.draw(desk, ui);
        picture.interact(desk, response, ui);
    });
}

/// A wall at its place.
struct Drawn<'a> {
    side: Side,
    pass: &'a Pass,
    wall: &'a Wall,
    places: &'a [(usize, Head)],
    by_layer: bool,
}

impl Drawn<'_> {
    fn cell(&self, place: usize) -> Rect {
        self.wall.rect(self.wall.slot(place))
    }

    fn draw(&self, desk: &Desk<'_>, ui: &egui::Ui) {
        let (pass, wall) = (self.pass, self.wall);
        let rect = Rect::from_min_size(wall.origin, wall.size());
        let palette = theme::palette(ui);
        let seen = |place: usize| ui.clip_rect().intersects(self.cell(place));
        let held = |at: Head| pass.held.contains(&at.layer);
        match desk.state.look {
            Look::Heatmaps => {
                // All heads, also those out of sight: so the picture stays the same while the wall is scrolled.
                let places: Arc<[_]> = self.places.iter().copied().filter(|&(_, at)| held(at)).collect();
                let part = Part::Wall { cell: wall.cell, pitch: wall.pitch(), columns: wall.heads, places };
                weights(desk, self.side, pass, part, rect, ui);
            }
            Look::Arcs => {
                let (color, ground) = (theme::color(palette.accent), theme::color(palette.panel));
                for &(place, at) in self.places.iter().filter(|(place, _)| seen(*place)) {
                    arcs::draw(pass, at, self.cell(place), color, ground, ui.painter());
                }
            }
        }
        for &(place, at) in self.places.iter().filter(|(place, _)| seen(*place)) {
            self.dress(desk, place, at, ui);
        }
        if self.by_layer {
            self.numbers(ui);
        }
    }

    /// The number of a head, and marks for changes of it.
    fn dress(&self, desk: &Desk<'_>, place: usize, at: Head, ui: &egui::Ui) {
        let (cell, palette) = (self.cell(place), theme::palette(ui));
        let (ink, muted) = (theme::color(palette.ink), theme::color(palette.muted));
        if !self.pass.held.contains(&at.layer) && desk.state.look == Look::Heatmaps {
            outline(ui, cell, 1.0, theme::color(palette.grid));
            ui.painter().text(cell.center(), Align2::CENTER_CENTER, "…", theme::text(14.0), muted);
        }
        let index = self.pass.index(at);
        let is = |heads: &[bool]| heads.get(index).copied().unwrap_or(false);
        if is(&self.pass.ablated) {
            for ends in [[cell.left_top(), cell.right_bottom()], [cell.right_top(), cell.left_bottom()]] {
                ui.painter().line_segment(ends, (2.0, theme::color(palette.accent)));
            }
        } else if is(&self.pass.cut) {
            outline(ui, cell.shrink(1.0), 1.0, theme::color(palette.accent));
        }
        if self.wall.caption > 0.0 {
            let value = desk.state.metric().and_then(|metric| number(metric, self.pass, at));
            let value = value.map_or_else(|| "–".to_owned(), short);
            let text = if self.by_layer { value } else { format!("{}.{}  {value}", at.layer, at.head) };
            let below = pos2(cell.center().x, cell.bottom() + self.wall.caption / 2.0 + 1.0);
            ui.painter().text(below, Align2::CENTER_CENTER, text, theme::mono(theme::SMALL), ink);
        }
        if at == self.selected(desk) {
            outline(ui, cell, 2.0, theme::color(palette.accent));
        }
    }

    /// The numbers of layers and heads.
    fn numbers(&self, ui: &egui::Ui) {
        let wall = self.wall;
        let (ink, font) = (theme::color(theme::palette(ui).muted), theme::mono(theme::SMALL));
        for layer in (0..wall.layers).step_by(label_step(wall.size().y, wall.layers, 14.0)) {
            let cell = wall.rect(Head { layer, head: 0 });
            let at = pos2(cell.left() - 6.0, cell.center().y);
            ui.painter().text(at, Align2::RIGHT_CENTER, format!("L{layer}"), font.clone(), ink);
        }
        for head in (0..wall.heads).step_by(label_step(wall.size().x, wall.heads, 30.0)) {
            let cell = wall.rect(Head { layer: 0, head });
            let at = pos2(cell.center().x, cell.top() - 4.0);
            ui.painter().text(at, Align2::CENTER_BOTTOM, format!("H{head}"), font.clone(), ink);
        }
    }

    fn selected(&self, desk: &Desk<'_>) -> Head {
        desk.answer.selected(desk.state).moved(0, 0, self.pass.layers(), self.pass.heads())
    }

    fn interact(&self, desk: &mut Desk<'_>, response: egui::Response, ui: &egui::Ui) {
        let selected = self.selected(desk);
        let side = if desk.state.right.is_some() { format!("{}: ", self.side.name()) } else { String::new() };
        let name = format!("{side}All heads, selected layer {} head {}", selected.layer, selected.head);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        if response.clicked() {
            response.request_focus();
            if let Some(at) = response.interact_pointer_pos().and_then(|pos| self.hit(pos)) {
                self.select(desk, at);
            }
        }
        if response.has_focus() {
            let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
        }
        let nobody = self.side == Side::Left && ui.memory(|memory| memory.focused().is_none());
        if response.has_focus() || nobody {
            let to = self.moved(selected, arrows_pressed(ui));
            if to != selected {
                self.select(desk, to);
            }
        }
        if let Some(at) = response.hover_pos().and_then(|pos| self.hit(pos)) {
            if let Some(&(place, _)) = self.places.iter().find(|(_, other)| *other == at) {
                outline(ui, self.cell(place), 1.0, theme::color(theme::palette(ui).ink));
            }
            response.on_hover_ui_at_pointer(|ui| summary(self.pass, at, ui));
        }
    }

    fn hit(&self, pos: egui::Pos2) -> Option<Head> {
        let slot = self.wall.hit(pos)?;
        let place = slot.layer * self.wall.heads + slot.head;
        self.places.iter().find(|(own, _)| *own == place).map(|(_, at)| *at)
    }

    /// The head `down` cells below and `across` cells to the right.
    fn moved(&self, from: Head, (down, across): (isize, isize)) -> Head {
        if self.by_layer {
            return from.moved(down, across, self.pass.layers(), self.pass.heads());
        }
        let place = self.places.iter().position(|(_, at)| *at == from).unwrap_or(0);
        let to = place.saturating_add_signed(across + down * self.wall.heads as isize);
        self.places.get(to.min(self.places.len().saturating_sub(1))).map_or(from, |(_, at)| *at)
    }

    fn select(&self, desk: &mut Desk<'_>, at: Head) {
        let is_held = self.pass.held.contains(&at.layer);
        desk.edit(if is_held { Edit::Select(at) } else { Edit::Hold(at) });
    }
}

fn number(metric: &Metric, pass: &Pass, at: Head) -> Option<f64> {
    (metric.value)(pass.report(at)?)
}

fn outline(ui: &egui::Ui, cell: Rect, width: f32, color: egui::Color32) {
    ui.painter().rect_stroke(cell, 1.0, (width, color), StrokeKind::Outside);
}

/// How far the arrow keys pressed in this frame move the selection: down, across.
fn arrows_pressed(ui: &egui::Ui) -> (isize, isize) {
    ui.input(|input| {
        input.events.iter().fold((0, 0), |(down, across), event| match event {
            Event::Key { key: Key::ArrowDown, pressed: true, .. } => (down + 1, across),
            Event::Key { key: Key::ArrowUp, pressed: true, .. } => (down - 1, across),
            Event::Key { key: Key::ArrowRight, pressed: true, .. } => (down, across + 1),
            Event::Key { key: Key::ArrowLeft, pressed: true, .. } => (down, across - 1),
            _ => (down, across),
        })
    })
}

fn summary(pass: &Pass, at: Head, ui: &mut egui::Ui) {
    ui.label(format!("Layer {}, head {}", at.layer, at.head));
    if let Some(report) = pass.report(at) {
        ui.monospace(format!("effective rank {}", short(report.effective_rank)));
        ui.monospace(format!("columns with 90 % of the mass {}", report.columns_90));
    }
    if !pass.held.contains(&at.layer) {
        ui.label("Its weights are not in memory; click to compute them again.");
    }
}
