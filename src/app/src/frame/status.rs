//! The line at the bottom: which device computes, how far the computation is, and how long the last one took.

use std::time::Duration;

use egui::{Align, Layout, ProgressBar, RichText};

use super::Workbench;
use super::command::Command;
use crate::lab::Status;
use crate::theme;

/// How long the last action is shown.
const NOTE: Duration = Duration::from_secs(6);

/// Draws the line; returns the command that was clicked.
pub fn ui(workbench: &Workbench, ui: &mut egui::Ui) -> Option<Command> {
    ui.horizontal(|ui| {
        let (device, why) = workbench.device();
        ui.label(RichText::new(format!("computed on {device}")).size(13.0)).on_hover_text(why);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let lab = workbench.lab()?;
            let chosen = right(lab.status(), workbench.args.screenshot.is_some(), ui);
            let note = workbench.note.as_ref().filter(|(_, at)| at.elapsed() < NOTE);
            let text = note.map_or_else(|| lab.about(), |(text, _)| text.clone());
            if note.is_some() {
                ui.ctx().request_repaint_after(NOTE);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                if !text.is_empty() {
                    ui.separator();
                    let line = RichText::new(&text).size(13.0);
                    let line = if note.is_some() { line } else { line.weak() };
                    ui.add(egui::Label::new(line).truncate());
                }
            });
            chosen
        })
        .inner
    })
    .inner
}

/// Progress, or the time of the last computation; pictures leave it out, as it differs from run to run.
fn right(status: &Status, is_steady: bool, ui: &mut egui::Ui) -> Option<Command> {
    if status.is_slow() {
        let (done, text) = match &status.progress {
            Some(progress) if progress.total > 0 => {
                (progress.done as f32 / progress.total as f32, progress.stage.as_str())
            }
            _ => (0.0, "computing"),
        };
        let cancel = ui.small_button("Cancel").on_hover_text("Stop the computation; the old results stay");
        let bar = ui.add(ProgressBar::new(done).desired_width(150.0).desired_height(16.0));
        bar.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, text));
        ui.label(RichText::new(text).size(13.0));
        return cancel.clicked().then_some(Command::Cancel);
    }
    if let Some(took) = status.took.filter(|_| !is_steady && status.busy.is_none()) {
        let text = format!("computed in {:.0} ms", took.as_secs_f64() * 1e3);
        ui.label(RichText::new(text).font(theme::mono(theme::SMALL)).weak());
    }
    None
}
