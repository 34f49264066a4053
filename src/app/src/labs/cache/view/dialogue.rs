//! The turns as fields, and what happens to them.

use egui::{ComboBox, RichText, ScrollArea, TextEdit};

use super::View;
use crate::lab::Desk;
use crate::labs::cache::state::{Cache, Edit, Event, MOST_TURNS};
use crate::labs::controls::slider;
use crate::theme;
use crate::widget::number::Number;

/// Draws the panel.
pub fn ui(view: &mut View, desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().slider_width = 96.0;
        model(desk, ui);
        ui.add_space(6.0);
        turns(view, desk, ui);
        ui.add_space(6.0);
        event(desk, ui);
        ui.add_space(6.0);
        own(view, desk, ui);
    });
}

fn model(desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        let label = ui.label("model");
        let known = &desk.state.model;
        let mut chosen = None;
        let list = ComboBox::from_id_salt("model").selected_text(known).width(150.0).show_ui(ui, |ui| {
            for name in desk.answer.models.get().into_iter().flatten() {
                if ui.selectable_label(name == known, name).clicked() {
                    chosen = Some(name.clone());
                }
            }
        });
        let hint = "A trained model of one stack that can keep a cache";
        list.response.labelled_by(label.id).on_hover_text(hint);
        if let Some(name) = chosen {
            desk.edit(Edit::Model(name));
        }
    });
}

fn turns(view: &mut View, desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    ui.heading("Turns");
    let last = desk.state.turns.len() - 1;
    for (index, turn) in desk.state.turns.clone().iter().enumerate() {
        let who = if index % 2 == 0 { "user" } else { "model" };
        let is_new = index == last && desk.state.event == Event::Append;
        let note = match (index, is_new) {
            (_, true) => " (new)",
            (0, _) => " (the prefix of a prefix-LM)",
            _ => "",
        };
        let name = format!("{}. {who}{note}", index + 1);
        if let Some(text) = field(view, &name, &format!("turn {}", index + 1), turn, 2, ui) {
            desk.edit(Edit::Turn(index, text));
        }
    }
    ui.horizontal(|ui| {
        if ui.add_enabled(last + 1 < MOST_TURNS, egui::Button::new("Add a turn")).clicked() {
            desk.edit(Edit::More);
        }
        if ui.add_enabled(last > 1, egui::Button::new("Remove the last")).clicked() {
            desk.edit(Edit::Fewer);
        }
    });
}

fn event(desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    ui.heading("What happens");
    let count = desk.answer.dialogue.get().map_or(1, |dialogue| dialogue.pieces.len()).max(1);
    let (is_edit, at) = match desk.state.event {
        Event::Append => (false, 0),
        Event::Edit(at) => (true, at),
    };
    let hint = "All turns but the last are stored; then the last one is read too";
    if ui.radio(!is_edit, "the last turn is appended").on_hover_text(hint).clicked() {
        desk.edit(Edit::Event(Event::Append));
    }
    let hint = "All turns are stored; then one token becomes the next one of the vocabulary";
    if ui.radio(is_edit, "a token is edited").on_hover_text(hint).clicked() {
        desk.edit(Edit::Event(Event::Edit(at)));
    }
    let number = Number::new("token", at.min(count - 1), 0..=count - 1, 0);
    let number = number.help("which token is edited, counted from 0; or click its column");
    slider(number, |at| Edit::Event(Event::Edit(at)), desk, ui);
    if let Some((at, before)) = desk.answer.dialogue.get().and_then(|dialogue| dialogue.edited.as_ref()) {
        let after = desk.answer.dialogue.get().and_then(|dialogue| dialogue.pieces.get(*at));
        let [before, after] =
            [before.as_str(), after.map_or("", String::as_str)].map(|piece| theme::label(ui, piece, 14));
        ui.weak(RichText::new(format!("“{before}” becomes “{after}”")).size(13.0));
    }
}

fn own(view: &mut View, desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    ui.heading("A mask of my own");
    let known = desk.state.mine.clone();
    if let Some(text) = field(view, "", "mask of my own", &known, 1, ui) {
        desk.edit(Edit::Mine(text));
    }
    if let Some(problem) = desk.refused {
        let text = RichText::new(problem).size(13.0).color(ui.visuals().hyperlink_color);
        ui.add(egui::Label::new(text).wrap());
    }
    let repeats = Number::new("timed runs", desk.state.repeats, 1..=99, 9);
    slider(repeats.help("the time of an update is the median of these"), Edit::Repeats, desk, ui);
}

/// A text field; returns the new text when the field is left.
fn field(
    view: &mut View,
    title: &str,
    name: &str,
    known: &str,
    rows: usize,
    ui: &mut egui::Ui,
) -> Option<String> {
    if !title.is_empty() {
        ui.label(RichText::new(title).size(13.0).weak());
    }
    view.typed.entry(name.to_owned()).or_default().edit(known, |typed| {
        let edit = if rows > 1 { TextEdit::multiline(typed) } else { TextEdit::singleline(typed) };
        let response = ui.add(edit.desired_rows(rows).desired_width(ui.available_width() - 8.0));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name));
        response
    })
}
