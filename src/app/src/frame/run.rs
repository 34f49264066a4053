//! Runs commands, and asks before the window closes.

use egui::ViewportCommand;

use super::Workbench;
use super::command::{Command, Scale};
use crate::lab::Lab;

impl Workbench {
    /// Does what a menu, a shortcut or the palette asks for.
    pub(super) fn run(&mut self, command: &Command, ctx: &egui::Context) {
        match command {
            Command::Palette => {
                self.palette = if self.palette.is_some() { None } else { Some(Default::default()) };
                self.list_exports();
            }
            Command::Undo => drop(self.lab_mut().map(Lab::undo)),
            Command::Redo => drop(self.lab_mut().map(Lab::redo)),
            Command::Lab(row) => self.go(row),
            Command::Panel(panel) => {
                if let Some(open) = &mut self.labs[self.front] {
                    open.dock.show(panel.id);
                }
            }
            Command::Lessons => self.form = if self.form.is_some() { None } else { Some(Default::default()) },
            Command::Lesson(index) => self.show_listed(*index),
            Command::Cancel => drop(self.lab_mut().map(Lab::cancel)),
            Command::ResetLab => drop(self.lab_mut().map(Lab::reset)),
            Command::ResetPanels => {
                if let Some(layout) = self.lab().map(Lab::layout) {
                    self.lay_out(&layout);
                }
            }
            Command::CopyCell => {
                if let Some(cell) = self.lab().map(Lab::cell) {
                    ctx.copy_text(cell);
                    self.tell("copied as a notebook cell".to_owned());
                }
            }
            Command::CopyLink => {
                if let Some(lesson) = self.lesson() {
                    ctx.copy_text(lesson.link());
                    self.tell("copied as a link".to_owned());
                }
            }
            Command::Export(index, format) => self.export(*index, *format, ctx),
            Command::Theme => {
                let dark = ctx.theme() == egui::Theme::Dark;
                ctx.set_theme(if dark { egui::Theme::Light } else { egui::Theme::Dark });
            }
            Command::Scale(scale) => {
                let now = ctx.zoom_factor();
                let next = match scale {
                    Scale::Up => now + 0.1,
                    Scale::Down => now - 0.1,
                    Scale::Usual => 1.0,
                };
                ctx.set_zoom_factor(next.clamp(0.5, 4.0));
            }
        }
        ctx.request_repaint();
    }

    /// Keeps the window open if closing it would lose something, and asks first.
    pub(super) fn hold_the_door(&mut self, ctx: &egui::Context) {
        if ctx.input(|input| input.viewport().close_requested()) {
            let lost = self.labs.iter().flatten().find_map(|open| open.lab.loses());
            if let Some(lost) = lost.filter(|_| self.closing.is_none() && self.computing.loss().is_none()) {
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
                self.closing = Some(lost);
            }
        }
    }

    /// Draws the question, while it is asked.
    pub(super) fn ask_before_closing(&mut self, ctx: &egui::Context) {
        let Some(lost) = self.closing.clone() else { return };
        let id = egui::Id::unique("closing");
        let answer = egui::Modal::new(id).show(ctx, |ui| {
            ui.set_max_width(360.0);
            ui.heading("Close rankscope?");
            ui.label(&lost);
            ui.horizontal(|ui| {
                let stay = ui.button("Keep working").clicked();
                (stay, ui.button("Close anyway").clicked())
            })
            .inner
        });
        let (stays, closes) = answer.inner;
        if closes {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        } else if stays || answer.should_close() {
            self.closing = None;
        }
    }
}
