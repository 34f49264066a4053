//! A matrix as a heatmap: labels on both axes, the exact value under the pointer, and the actions of mouse and keyboard
//! on its entries.

use std::sync::Arc;

use egui::{
    Align, Align2, Event, EventFilter, Key, PointerButton, Rect, Role, Sense, StrokeKind, WidgetInfo, pos2,
    vec2,
};
use rankscope::numbers::short;

use super::axes::{LINE, key_label, labelled, tip, vertical};
use super::colour_bar;
use crate::heatmap::{Colours, Matrix, Part, Picture, Source};
use crate::layout::{Head, entry_at, entry_rect, label_step, middle};
use crate::theme;

/// Row and column of an entry: query and key.
pub type Entry = (usize, usize);

/// A heatmap to be shown.
pub struct Heatmap<'a> {
    name: &'a str,
    matrix: &'a Arc<Matrix>,
    colours: Colours,
    unit: Option<&'a str>,
    axes: (&'a str, &'a str),
    labels: Option<(&'a [String], &'a [String])>,
    fade: f32,
    readout: Option<&'a dyn Fn(Entry) -> String>,
}

/// The events on a heatmap, and its place.
pub struct Touch {
    /// The entries, in points.
    pub rect: Rect,
    /// The entry under the pointer.
    pub hovered: Option<Entry>,
    /// The entry where the button went down, as long as it is down, and the one that the pointer has reached; inside the matrix
    /// even where the pointer is not.
    pub drag: Option<(Entry, Entry)>,
    /// The drag that ended in this frame; a click starts and ends on one entry.
    pub dropped: Option<(Entry, Entry)>,
    /// Whether the drag is one of the secondary button.
    pub is_secondary: bool,
    /// The entry that Enter or the space bar chose.
    pub entered: Option<Entry>,
    /// For further questions.
    pub response: egui::Response,
    sides: (usize, usize),
}

impl Touch {
    /// Where an entry is drawn.
    pub fn entry(&self, at: Entry) -> Rect {
        entry_rect(self.rect, self.sides.0, self.sides.1, at)
    }

    /// The entries from one corner to the other, both included.
    pub fn entries(&self, from: Entry, to: Entry) -> Rect {
        self.entry(from).union(self.entry(to))
    }
}

impl<'a> Heatmap<'a> {
    /// `matrix` in `colours`; `name` is what a screen reader says.
    pub fn new(name: &'a str, matrix: &'a Arc<Matrix>, colours: Colours) -> Self {
        let axes = ("queries", "keys");
        Heatmap { name, matrix, colours, unit: None, axes, labels: None, fade: 0.0, readout: None }
    }

    /// With a colour bar below that measures `unit`.
    pub fn with_bar(self, unit: &'a str) -> Self {
        Heatmap { unit: Some(unit), ..self }
    }

    /// With other names of rows and columns than queries and keys.
    pub fn with_axes(self, rows: &'a str, columns: &'a str) -> Self {
        Heatmap { axes: (rows, columns), ..self }
    }

    /// With a label for each row and column instead of their numbers.
    pub fn with_labels(self, rows: &'a [String], columns: &'a [String]) -> Self {
        Heatmap { labels: Some((rows, columns)), ..self }
    }

    /// Dimmed by `fade`, from 0 to 1.
    pub fn with_fade(self, fade: f32) -> Self {
        Heatmap { fade, ..self }
    }

    /// With another text beside the pointer than the entry and its value.
    pub fn with_readout(self, readout: &'a dyn Fn(Entry) -> String) -> Self {
        Heatmap { readout: Some(readout), ..self }
    }

    /// Draws it into the room that is left.
    pub fn show(self, ui: &mut egui::Ui) -> Touch {
        let below = if self.unit.is_some() { colour_bar::HEIGHT + 6.0 } else { 0.0 };
        let room = ui.available_size() - vec2(0.0, below);
        let (frame, _) = ui.allocate_exact_size(room.max(vec2(60.0, 60.0)), Sense::hover());
        let margin = self.margin(ui);
        let rect = self.place(frame, margin, ui.pixels_per_point());
        let response = ui.interact(rect, ui.scope_id().with(("heatmap", self.name)), Sense::click_and_drag());
        let picture = Picture {
            id: response.id,
            source: Source::Matrix(self.matrix.clone(), self.colours),
            part: Part::One(Head { layer: 0, head: 0 }),
            theme: theme::of(ui.visuals()),
            fade: self.fade,
            rect,
        };
        if self.matrix.values.is_empty() {
            let (font, color) = (theme::text(13.0), ui.visuals().weak_text_color());
            ui.painter().text(rect.center(), Align2::CENTER_CENTER, "empty", font, color);
        } else {
            ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, picture));
        }
        let line = theme::color(theme::palette(ui).grid);
        ui.painter().rect_stroke(rect, 0.0, (1.0, line), StrokeKind::Outside);
        let touch = self.touch(rect, response, ui);
        self.draw_axes(&touch, margin, ui);
        self.say(&touch, ui);
        if let Some(unit) = self.unit {
            ui.add_space(6.0);
            let width = ui.available_width().min((rect.right() - frame.left()).max(260.0));
            colour_bar::of(self.colours, unit, width, ui);
        }
        touch
    }

    /// Room beside the matrix for the labels of its rows, and above it for those of its columns.
    fn margin(&self, ui: &egui::Ui) -> egui::Vec2 {
        let Some((rows, columns)) = self.labels else {
            let digits = self.matrix.dim().0.max(1).ilog10() + 1;
            return vec2(22.0 + 8.0 * digits as f32, 34.0);
        };
        let longest = |labels: &[String]| {
            let width = |label: &String| {
                ui.painter().layout_no_wrap(label.clone(), theme::text(13.0), line_color(ui)).size().x
            };
            labels.iter().map(width).fold(0.0, f32::max).min(90.0)
        };
        vec2(longest(rows) + 28.0, longest(columns) + 28.0)
    }

    /// The largest rectangle of square entries in whole pixels.
    fn place(&self, frame: Rect, margin: egui::Vec2, pixels_per_point: f32) -> Rect {
        let (rows, columns) = self.matrix.dim();
        let sides = vec2(columns.max(1) as f32, rows.max(1) as f32);
        let room = (frame.size() - margin - vec2(2.0, 2.0)).max(vec2(20.0, 20.0));
        // Long and thin matrices are stretched so that the pointer can still hit their entries.
        let entry = (room / sides).min_elem();
        let size = (sides * entry).max(vec2(room.x.min(40.0), room.y.min(40.0)));
        let snap = |value: f32| (value * pixels_per_point).round() / pixels_per_point;
        let whole = |value: f32| ((value * pixels_per_point).floor() / pixels_per_point).max(1.0);
        let corner = frame.min + margin;
        Rect::from_min_size(pos2(snap(corner.x), snap(corner.y)), vec2(whole(size.x), whole(size.y)))
    }

    fn touch(&self, rect: Rect, response: egui::Response, ui: &egui::Ui) -> Touch {
        let (rows, columns) = self.matrix.dim();
        let at = |pos: egui::Pos2| {
            let inside = rect.shrink(0.01);
            entry_at(rect, rows, columns, pos2(inside.x_range().clamp(pos.x), inside.y_range().clamp(pos.y)))
        };
        let hovered = response.hover_pos().and_then(|pos| entry_at(rect, rows, columns, pos));
        let (origin, now) = ui.input(|input| (input.pointer.press_origin(), input.pointer.interact_pos()));
        // The frame of the release no longer knows where the drag began.
        let memory = response.id.with("drag");
        let is_down = response.is_pointer_button_down_on() && !self.matrix.values.is_empty();
        let start = if is_down { origin.and_then(at) } else { ui.data(|data| data.get_temp(memory)) };
        let span = start.zip(now.and_then(at));
        let ended = !is_down && start.is_some();
        ui.data_mut(|data| match start.filter(|_| is_down) {
            Some(start) => drop(data.insert_temp(memory, start)),
            None => data.remove::<Entry>(memory),
        });
        let secondary = |input: &egui::InputState| {
            let (pointer, button) = (&input.pointer, PointerButton::Secondary);
            pointer.button_down(button) || pointer.button_released(button)
        };
        Touch {
            rect,
            hovered,
            drag: span.filter(|_| is_down),
            dropped: span.filter(|_| ended),
            is_secondary: ui.input(secondary),
            entered: self.keys(&response, ui),
            sides: (rows, columns),
            response,
        }
    }

    /// Arrows move a cursor; Enter and the space bar choose its entry.
    fn keys(&self, response: &egui::Response, ui: &egui::Ui) -> Option<Entry> {
        let memory = response.id.with("cursor");
        if !response.has_focus() || self.matrix.values.is_empty() {
            return None;
        }
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let (mut row, mut column): Entry = ui.data(|data| data.get_temp(memory)).unwrap_or_default();
        let mut entered = None;
        let (rows, columns) = self.matrix.dim();
        (row, column) = (row.min(rows - 1), column.min(columns - 1));
        ui.input(|input| {
            for event in &input.events {
                let Event::Key { key, pressed: true, .. } = event else { continue };
                match key {
                    Key::ArrowDown => row = (row + 1).min(rows - 1),
                    Key::ArrowUp => row = row.saturating_sub(1),
                    Key::ArrowRight => column = (column + 1).min(columns - 1),
                    Key::ArrowLeft => column = column.saturating_sub(1),
                    Key::Enter | Key::Space => entered = Some((row, column)),
                    _ => {}
                }
            }
        });
        ui.data_mut(|data| data.insert_temp(memory, (row, column)));
        entered
    }

    /// The entry that the keyboard is on.
    fn cursor(&self, touch: &Touch, ui: &egui::Ui) -> Option<Entry> {
        let memory = touch.response.id.with("cursor");
        touch.response.has_focus().then(|| ui.data(|data| data.get_temp(memory)).unwrap_or_default())
    }

    fn draw_axes(&self, touch: &Touch, margin: egui::Vec2, ui: &egui::Ui) {
        let palette = theme::palette(ui);
        let (muted, accent) = (theme::color(palette.muted), theme::color(palette.accent));
        let (rect, (rows, columns)) = (touch.rect, self.matrix.dim());
        let pointed = touch.hovered.or(self.cursor(touch, ui));
        let title = theme::text(theme::SMALL);
        let above = pos2(rect.left(), rect.top() - margin.y + 8.0);
        ui.painter().text(above, Align2::LEFT_CENTER, format!("{}  →", self.axes.1), title.clone(), muted);
        let beside = pos2(rect.left() - margin.x + 8.0, rect.top());
        vertical(ui, beside, &format!("←  {}", self.axes.0), title, muted, Align::Max);
        let color = |chosen: bool| if chosen { accent } else { muted };
        for row in labelled(rect.height(), rows, pointed.map(|at| at.0)) {
            let at = pos2(rect.left() - 5.0, middle(rect.top(), rect.height(), row, rows));
            let color = color(pointed.is_some_and(|at| at.0 == row));
            ui.painter().text(at, Align2::RIGHT_CENTER, self.label(row, true), theme::text(13.0), color);
        }
        let step = label_step(rect.width(), columns, LINE) as f32 * rect.width() / columns.max(1) as f32;
        let stride = self.stride(rect.width(), columns);
        for column in (0..columns).step_by(stride) {
            let at = pos2(middle(rect.left(), rect.width(), column, columns), rect.top() - 4.0);
            let chosen = pointed.is_some_and(|at| at.1 == column);
            let text = self.label(column, false);
            if self.labels.is_some() {
                key_label(ui, at, &text, step, color(chosen));
            } else {
                ui.painter().text(at, Align2::CENTER_BOTTOM, text, theme::text(13.0), color(chosen));
            }
        }
        if let Some(at) = pointed {
            ui.painter().rect_stroke(touch.entry(at), 0.0, (1.5, accent), StrokeKind::Outside);
        }
    }

    /// The step between column labels: numbers are written across and need more room than tokens, which run upwards.
    fn stride(&self, width: f32, columns: usize) -> usize {
        let line = if self.labels.is_some() { LINE } else { 12.0 + 8.0 * columns.max(1).ilog10() as f32 };
        label_step(width, columns, line)
    }

    fn label(&self, index: usize, is_row: bool) -> String {
        match self.labels {
            Some((rows, columns)) => {
                (if is_row { rows } else { columns }).get(index).cloned().unwrap_or_default()
            }
            None => index.to_string(),
        }
    }

    /// The entry in words, beside the pointer and for a screen reader.
    fn say(&self, touch: &Touch, ui: &egui::Ui) {
        let words = |at: Entry| match self.readout {
            Some(readout) => readout(at),
            None => self.in_words(at),
        };
        let cursor = self.cursor(touch, ui);
        let name = cursor.map_or(self.name.to_owned(), |at| format!("{}, {}", self.name, words(at)));
        touch.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        if let (Some(at), Some(pointer)) = (touch.hovered, ui.ctx().pointer_hover_pos()) {
            let left = pointer.x > touch.rect.center().x;
            let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
            tip(ui, pointer + vec2(if left { -12.0 } else { 12.0 }, -10.0), align, &words(at));
        }
    }

    fn in_words(&self, at: Entry) -> String {
        let value = match self.matrix.values.get(at) {
            Some(value) if self.matrix.is_there(at) => format!("{value}"),
            _ => "masked".to_owned(),
        };
        let exact = if value.len() > 24 { short(self.matrix.values[at]) } else { value };
        let (row, column) = (singular(self.axes.0), singular(self.axes.1));
        format!("{row} {}, {column} {}: {exact}", self.label(at.0, true), self.label(at.1, false))
    }
}

/// `query` of `queries`, `key` of `keys`.
fn singular(name: &str) -> String {
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => name.strip_suffix('s').unwrap_or(name).to_owned(),
    }
}

fn line_color(ui: &egui::Ui) -> egui::Color32 {
    theme::color(theme::palette(ui).muted)
}
