//! Error messages, shown until the error is gone or the user dismisses them.

use egui::{Align, Frame, Layout, Margin, Stroke};

use crate::theme;

/// Draws the messages, one line each; returns the one that the user dismisses.
pub fn ui(texts: &[String], ui: &mut egui::Ui) -> Option<String> {
    let palette = theme::palette(ui);
    let mut dismissed = None;
    for text in texts {
        let red = [0xc0, 0x39, 0x2b];
        let frame = Frame::new()
            .fill(theme::mix(palette.background, red, 0.14))
            .stroke(Stroke::new(1.0, theme::mix(palette.background, red, 0.7)))
            .corner_radius(4)
            .inner_margin(Margin::symmetric(10, 5));
        frame.show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Dismiss").clicked() {
                        dismissed = Some(text.clone());
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        ui.add(egui::Label::new(text).truncate()).on_hover_text(text);
                    });
                });
            });
        });
    }
    dismissed
}
