//! The readings: model, text, tokens and mask, a block for each.

use std::path::PathBuf;

use egui::{Align, DragValue, Layout, RichText, ScrollArea, TextEdit, vec2};

use super::{Desk, View, mask, model, tokens};
use crate::labs::model::state::{Attention, Brought, Edit, Side};
use crate::layout::is_short;
use crate::theme;

/// The field for the path of a file of weights.
#[derive(Default)]
pub struct PathField {
    /// The file whose path the text was.
    of: Option<PathBuf>,
    text: String,
    /// Whether it was opened by hand, before there is a file.
    pub is_open: bool,
}

/// Draws the blocks; if there is no room for all, they scroll.
pub fn ui(view: &mut View, desk: &mut Desk<'_>, ui: &mut egui::Ui) {
    view.models.tend(desk);
    ui.spacing_mut().scroll = theme::scroll_bar();
    if is_short(ui) {
        ui.spacing_mut().item_spacing.y = 3.0;
    }
    let two = desk.state.right.is_some();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        for &side in desk.state.sides() {
            ui.push_id(side.name(), |ui| {
                top(view, desk, side, ui);
                tokens::ui(desk, side, if two { 1 } else { 2 }, ui);
                mask::ui(view, desk, side, ui);
            });
            if two && side == Side::Left {
                ui.separator();
            }
        }
    });
}

/// The line with model and text, or with the path of a file.
fn top(view: &mut View, desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        if desk.state.right.is_some() {
            ui.label(RichText::new(side.name()).heading().strong());
        }
        ui.label("Model");
        model::picker(view, desk, side, ui);
        attention(desk, side, ui);
        ui.add_space(6.0);
        let of = desk.state.reading(side).and_then(|reading| Some(reading.file.as_ref()?.path.clone()));
        let field = &mut view.paths[side as usize];
        if field.of != of {
            let text = of.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            *field = PathField { of, text, is_open: false };
        }
        let is_file = field.of.is_some() || field.is_open;
        let label = ui.label(if is_file { "File" } else { "Text" });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            beside(desk, side, ui);
            match is_file {
                true => file(view, desk, side, label.id, ui),
                false => text(desk, side, label.id, ui),
            }
        });
    });
}

/// Starts or ends the second reading.
fn beside(desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    if side == Side::Right {
        return;
    }
    let is_two = desk.state.right.is_some();
    let (text, hint) = match is_two {
        false => (
            "Compare",
            "Read the same once more beside it, then change its model, mask, text or heads: two matrices with one cursor",
        ),
        true => ("Close B", "End the comparison"),
    };
    if ui.button(text).on_hover_text(hint).clicked() {
        desk.edit(Edit::Beside(!is_two));
    }
}

/// Which attention of an encoder-decoder is shown.
fn attention(desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    let is_pair = desk.answer.of(side).model.as_ref().is_some_and(|model| model.is_pair);
    if !is_pair || side == Side::Right {
        return;
    }
    ui.spacing_mut().item_spacing.x = 4.0;
    for attention in Attention::ALL {
        let chosen = desk.state.attention == attention;
        if ui.selectable_label(chosen, attention.name()).clicked() && !chosen {
            desk.edit(Edit::Attention(attention));
        }
    }
}

fn text(desk: &mut Desk<'_>, side: Side, label: egui::Id, ui: &mut egui::Ui) {
    let Some(reading) = desk.state.reading(side) else { return };
    let mut text = reading.text.clone();
    let edit = TextEdit::singleline(&mut text)
        .hint_text("Type a sentence in any language")
        .align(egui::Align2::LEFT_CENTER)
        .margin(egui::Margin::symmetric(8, 4));
    if ui.add_sized(vec2(ui.available_width(), 28.0), edit).labelled_by(label).changed() {
        desk.edit(Edit::Text(side, text));
    }
}

/// The field for the path of a file of weights, which is opened on Enter, and the sequence of a batch.
fn file(view: &mut View, desk: &mut Desk<'_>, side: Side, label: egui::Id, ui: &mut egui::Ui) {
    let brought = desk.state.reading(side).and_then(|reading| reading.file.clone());
    let sequences = desk.answer.of(side).model.as_ref().map_or(1, |model| model.sequences);
    if let Some(brought) = brought.filter(|_| sequences > 1) {
        let (last, mut sequence) = (sequences - 1, brought.sequence);
        let value = DragValue::new(&mut sequence).range(0..=last).suffix(format!(" of 0…{last}"));
        let value = ui.add(value);
        if value.changed() {
            desk.edit(Edit::File(side, Brought { sequence, ..brought }));
        }
        value.labelled_by(ui.label("Sequence").id);
    }
    let own = &mut view.paths[side as usize];
    let edit = TextEdit::singleline(&mut own.text)
        .hint_text("The path of a .npy, .npz or .safetensors file; or drop the file on the window")
        .align(egui::Align2::LEFT_CENTER)
        .margin(egui::Margin::symmetric(8, 4));
    let field = ui.add_sized(vec2(ui.available_width(), 28.0), edit).labelled_by(label);
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    if entered && !own.text.trim().is_empty() {
        let path = own.text.trim().into();
        desk.edit(Edit::File(side, Brought { path, ..Brought::default() }));
    }
}
