//! Shown in place of an answer that is veiled, or not computed yet.

use egui::{RichText, Ui};

/// A question in place of its answer; true once the reader wants to see it.
pub fn ui(question: &str, ui: &mut Ui) -> bool {
    ui.add_space((ui.available_height() * 0.3).max(8.0));
    ui.vertical_centered(|ui| {
        ui.label(RichText::new(format!("Predict first: {question}")).size(18.0));
        ui.add_space(6.0);
        ui.button("Show the answer").on_hover_text("Write your prediction down, then compare").clicked()
    })
    .inner
}

/// Shown in place of numbers that are still being computed.
pub fn waiting(ui: &mut Ui) {
    ui.label(RichText::new("computing …").weak());
}
