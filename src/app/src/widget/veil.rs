//! What stands where an answer is not to be seen yet, or is not there yet.

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

/// In place of numbers that are still being computed.
pub fn waiting(ui: &mut Ui) {
    ui.label(RichText::new("computing …").weak());
}
