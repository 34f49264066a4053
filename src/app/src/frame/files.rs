//! Input and output of the window: files and links that are opened, exports, and the session that is kept.

use std::path::Path;
use std::time::{Duration, Instant};

use super::export::Format;
use super::lesson::{Lesson, SCHEME};
use super::session::{Kept, Session};
use super::{Listed, Workbench};
use crate::lab::{self, LABS};
use crate::theme;

/// How often the session is checked for a change.
const PAUSE: Duration = Duration::from_secs(1);
/// After this long without a crash, earlier ones no longer count.
const SOUND: Duration = Duration::from_secs(60);

impl Workbench {
    /// Opens a link, a lesson, or a file or folder that a lab reads; an error becomes a banner.
    pub fn open_any(&mut self, what: &str) {
        if !what.starts_with(&format!("{SCHEME}:")) {
            return self.open_path(Path::new(what));
        }
        match Lesson::of_link(what, |name| self.shipped.find(name)) {
            Ok(lesson) => self.show_lesson(lesson),
            Err(problem) => self.complain(problem),
        }
    }

    /// Opens a lesson, an exported figure, or a file for the lab in front, or else for the model explorer.
    pub fn open_path(&mut self, path: &Path) {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_lesson = ["json", "svg", "png"].iter().any(|lesson| ending == *lesson);
        if is_lesson && !path.is_dir() {
            return match Lesson::read(path) {
                Ok(lesson) => self.show_lesson(lesson),
                Err(problem) => self.complain(problem),
            };
        }
        if !path.exists() {
            return self.complain(format!("{}: no such file", path.display()));
        }
        if self.lab_mut().is_some_and(|lab| lab.dropped(path)) {
            return;
        }
        let models = lab::named("model").map(|row| self.go(row));
        if models.is_err() || !self.lab_mut().is_some_and(|lab| lab.dropped(path)) {
            self.complain(format!("{}: no lab reads such a file", path.display()));
        }
    }

    /// Lists what the lab in front can export; twice a second at most, because a lab copies its numbers for it.
    pub(super) fn list_exports(&mut self) {
        if self.listed.is_some_and(|at| at.elapsed() < PAUSE / 2) {
            return;
        }
        self.listed = Some(Instant::now());
        let lesson = self.lesson().map(|lesson| lesson.to_json()).unwrap_or_default();
        let Some(lab) = self.lab() else { return };
        let panels = lab.panels();
        let listed = lab.exports(&lesson).into_iter().map(|export| Listed {
            formats: Format::ALL.into_iter().filter(|format| format.is_of(&export)).collect(),
            panel: panels.iter().find(|panel| panel.id == export.panel).map_or("", |panel| panel.title),
            name: export.name,
        });
        self.exports = listed.collect();
    }

    /// Writes an export into the folder of exports.
    pub(super) fn export(&mut self, index: usize, format: Format, ctx: &egui::Context) {
        let lesson = self.lesson().map(|lesson| lesson.to_json()).unwrap_or_default();
        let exports = self.lab().map(|lab| lab.exports(&lesson)).unwrap_or_default();
        if let Some(export) = exports.into_iter().nth(index) {
            let (theme, wake) = (theme::of(&ctx.global_style().visuals), ctx.clone());
            self.saver.start(export, format, theme, move || wake.request_repaint());
        }
    }

    /// Checks once a second whether the session has changed, and has it written then.
    pub(super) fn keep(&mut self, ctx: &egui::Context) {
        let problems = self.keeper.as_ref().map(|keeper| keeper.problems()).unwrap_or_default();
        problems.into_iter().for_each(|problem| self.complain(problem));
        if self.keeper.is_none() {
            return;
        }
        if self.looked.elapsed() < PAUSE {
            ctx.request_repaint_after(PAUSE);
            return;
        }
        self.looked = Instant::now();
        let session = self.session(ctx);
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(session);
        }
    }

    /// Writes the session as closed by the user.
    pub fn close(&mut self, ctx: &egui::Context) {
        let session = self.session(ctx);
        if let Some(keeper) = &mut self.keeper {
            keeper.close(session);
        }
    }

    fn session(&self, ctx: &egui::Context) -> Session {
        let mut labs = self.kept.clone();
        for (row, open) in LABS.iter().zip(&self.labs) {
            if let Some(open) = open {
                let kept = Kept { state: open.lab.state(), layout: open.dock.layout() };
                labs.insert(row.id.to_owned(), kept);
            }
        }
        Session {
            lab: LABS[self.front].id.to_owned(),
            labs,
            is_dark: Some(ctx.theme() == egui::Theme::Dark),
            scale: Some(ctx.zoom_factor()),
            is_closed: false,
            crashes: if self.opened.elapsed() > SOUND { 0 } else { self.crashes },
        }
    }
}
