//! The bar at the top: which model reads which text.

use egui::{Align, DragValue, Layout, RichText, TextEdit, vec2};

use super::model;
use crate::app::App;

/// Draws the bar.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("rankscope").heading().strong());
        ui.add_space(10.0);
        ui.label("Model");
        model::picker(app, ui);
        ui.add_space(10.0);
        if app.path.is_some() {
            return file(app, ui);
        }
        let label = ui.label("Text");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            theme_button(ui);
            let edit = TextEdit::singleline(&mut app.job.text)
                .hint_text("Type a sentence in any language")
                .align(egui::Align2::LEFT_CENTER)
                .margin(egui::Margin::symmetric(8, 4));
            ui.add_sized(vec2(ui.available_width(), 28.0), edit).labelled_by(label.id);
        });
    });
}

/// The field for the path of a file of weights, which is opened on Enter, and the sequence of a batch.
fn file(app: &mut App, ui: &mut egui::Ui) {
    let label = ui.label("File");
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        theme_button(ui);
        let sequences = app.shown.model.as_ref().map_or(1, |model| model.sequences);
        if let Some(brought) = app.job.brought.as_mut().filter(|_| sequences > 1) {
            let last = sequences - 1;
            let value = DragValue::new(&mut brought.sequence).range(0..=last).suffix(format!(" of 0…{last}"));
            let value = ui.add(value);
            value.labelled_by(ui.label("Sequence").id);
        }
        let path = app.path.get_or_insert_default();
        let edit = TextEdit::singleline(path)
            .hint_text("The path of a .npy, .npz or .safetensors file; or drop the file on the window")
            .align(egui::Align2::LEFT_CENTER)
            .margin(egui::Margin::symmetric(8, 4));
        let field = ui.add_sized(vec2(ui.available_width(), 28.0), edit).labelled_by(label.id);
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if entered && !path.trim().is_empty() {
            let path = path.trim().into();
            app.open(path);
        }
    });
}

fn theme_button(ui: &mut egui::Ui) {
    let dark = ui.visuals().dark_mode;
    let (name, other) = if dark { ("Light", egui::Theme::Light) } else { ("Dark", egui::Theme::Dark) };
    if ui.button(name).on_hover_text("Switch between the light and the dark theme").clicked() {
        ui.ctx().set_theme(other);
    }
}
