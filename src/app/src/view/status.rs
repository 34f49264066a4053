//! The line at the bottom: which model, which device computed it, and how long it took.

use egui::{Align, Layout, ProgressBar, RichText};

use super::model;
use crate::app::App;
use crate::layout::is_short;
use crate::theme;

/// Draws the line.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    let brief = is_short(ui) && app.models.offers();
    ui.horizontal(|ui| {
        let small = |text: String| RichText::new(text).size(13.0);
        ui.label(small(format!("computed on {}", app.device.device))).on_hover_text(&app.device.why);
        if let Some(model) = &app.shown.model {
            ui.separator();
            let name = std::path::Path::new(&model.name).file_name().unwrap_or_default().to_string_lossy();
            ui.label(small(name.into_owned()));
            if !brief {
                ui.add(egui::Label::new(small(model.about.clone()).weak()).truncate());
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            right(app, ui);
            if brief {
                model::brief_offer(&mut app.models, ui);
            }
        });
    });
}

fn right(app: &App, ui: &mut egui::Ui) {
    if app.shown.is_slow() {
        let (done, text) = match &app.shown.progress {
            Some(progress) if progress.total > 0 => {
                (progress.done as f32 / progress.total as f32, progress.stage.clone())
            }
            _ => (0.0, "computing".to_owned()),
        };
        ui.add(ProgressBar::new(done).desired_width(150.0).desired_height(16.0));
        ui.label(RichText::new(text).size(13.0));
    } else if let Some(took) = app.shown.took.filter(|_| !app.steady && app.shown.busy.is_none()) {
        let text = format!("all heads in {:.0} ms", took.as_secs_f64() * 1e3);
        ui.label(RichText::new(text).font(theme::mono(theme::SMALL)).weak());
    }
}
