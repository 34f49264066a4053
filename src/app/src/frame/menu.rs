//! The right end of the top bar: undo and redo, lessons, export, commands, theme.

use egui::{RichText, TextEdit};

use super::command::Command;
use super::export::Format;
use super::{Listed, Workbench};
use crate::lab::Lab;

/// Draws the buttons, from right to left; returns the command that was clicked.
pub fn ui(workbench: &mut Workbench, ui: &mut egui::Ui) -> Option<Command> {
    let mut chosen = None;
    let dark = ui.visuals().dark_mode;
    let theme = if dark { "Light" } else { "Dark" };
    let (can_undo, can_redo) = workbench.lab().map_or((false, false), Lab::can_undo_redo);
    let mut button = |text: &str, enabled: bool, hint: &str, command: Command, ui: &mut egui::Ui| {
        let keys = command.keys().map(|keys| ui.ctx().format_shortcut(&keys)).unwrap_or_default();
        let button = ui.add_enabled(enabled, egui::Button::new(text));
        if button.on_hover_text(format!("{hint} ({keys})")).clicked() {
            chosen = Some(command);
        }
    };
    ui.spacing_mut().item_spacing.x = 4.0;
    button(theme, true, "Switch between the light and the dark theme", Command::Theme, ui);
    button("Commands", true, "Find any command by a few letters", Command::Palette, ui);
    let exported = ui.menu_button("Export", |ui| export(workbench, ui));
    button("Lessons", true, "Open a lesson, or make one of what is shown", Command::Lessons, ui);
    button("Redo", can_redo, "Redo the last step", Command::Redo, ui);
    button("Undo", can_undo, "Undo the last step", Command::Undo, ui);
    chosen.or(exported.inner.flatten())
}

/// The menu of exports.
fn export(workbench: &mut Workbench, ui: &mut egui::Ui) -> Option<Command> {
    let mut chosen = None;
    ui.set_min_width(320.0);
    workbench.list_exports();
    if workbench.exports.is_empty() {
        ui.weak("Nothing to export yet.");
    }
    for (index, Listed { name, panel, formats }) in workbench.exports.iter().enumerate() {
        ui.horizontal(|ui| {
            let label = egui::Label::new(name).truncate().halign(egui::Align::Min);
            ui.add_sized(egui::vec2(190.0, 20.0), label).on_hover_text(format!("of the panel “{panel}”"));
            for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
                let button = ui.small_button(format.name());
                let said = format!("{name} as {}", format.name());
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &said));
                if button.clicked() {
                    chosen = Some(Command::Export(index, format));
                }
            }
        });
    }
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new("into").weak());
        ui.add(TextEdit::singleline(&mut workbench.saver.folder).desired_width(260.0)).labelled_by(label.id);
    });
    ui.separator();
    for command in [Command::CopyCell, Command::CopyLink] {
        if ui.button(command.name(workbench)).clicked() {
            chosen = Some(command);
        }
    }
    if chosen.is_some() {
        ui.close();
    }
    chosen
}
