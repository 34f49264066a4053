//! The bar at the top: the labs as tabs, and the menus.

use egui::{Align, Layout, RichText};

use super::command::Command;
use super::{Workbench, menu};
use crate::lab::LABS;

/// Draws the bar; returns the command that was clicked.
pub fn ui(workbench: &mut Workbench, ui: &mut egui::Ui) -> Option<Command> {
    let mut chosen = None;
    ui.horizontal(|ui| {
        ui.label(RichText::new("rankscope").heading().strong());
        ui.add_space(6.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let clicked = menu::ui(workbench, ui);
            chosen = clicked;
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                egui::ScrollArea::horizontal().show(ui, |ui| {
                    ui.horizontal(|ui| {
                        ui.spacing_mut().item_spacing.x = 2.0;
                        for (index, row) in LABS.iter().enumerate() {
                            let keys = Command::Lab(row).keys().map(|keys| ui.ctx().format_shortcut(&keys));
                            let hint = format!("{} ({})", row.about, keys.unwrap_or_default());
                            let tab = ui.selectable_label(workbench.front == index, row.title);
                            if tab.on_hover_text(hint).clicked() {
                                chosen = Some(Command::Lab(row));
                            }
                        }
                    });
                });
            });
        });
    });
    chosen
}
