//! The bar at the top: which model reads which text.

use egui::{Align, Layout, RichText, TextEdit, vec2};

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
        let label = ui.label("Text");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            theme_button(ui);
            let edit = TextEdit::singleline(&mut app.wish.text)
                .hint_text("Type a sentence in any language")
                .align(egui::Align2::LEFT_CENTER)
                .margin(egui::Margin::symmetric(8, 4));
            ui.add_sized(vec2(ui.available_width(), 28.0), edit).labelled_by(label.id);
        });
    });
}

fn theme_button(ui: &mut egui::Ui) {
    let dark = ui.visuals().dark_mode;
    let (name, other) = if dark { ("Light", egui::Theme::Light) } else { ("Dark", egui::Theme::Dark) };
    if ui.button(name).on_hover_text("Switch between the light and the dark theme").clicked() {
        ui.ctx().set_theme(other);
    }
}
