//! Error messages, shown until the error is gone or the user dismisses them.

use egui::{Align, Frame, Layout, Margin, Stroke};

use crate::theme;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// One line.
    pub text: String,
    /// Whether it is about the current job: it goes once a job succeeds.
    pub of_job: bool,
}

/// Draws the messages, newest last.
pub fn ui(banners: &mut Vec<Banner>, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let mut dismissed = None;
    for (index, banner) in banners.iter().enumerate() {
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
                        dismissed = Some(index);
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        ui.add(egui::Label::new(&banner.text).truncate()).on_hover_text(&banner.text);
                    });
                });
            });
        });
    }
    if let Some(index) = dismissed {
        banners.remove(index);
    }
}
