//! Which labs and lessons are open: on the first frame, and when another one is asked for.

use std::path::PathBuf;

use serde_json::Value;

use super::dock::Dock;
use super::lesson::Lesson;
use super::session::Keeper;
use super::{Open, Workbench};
use crate::lab::{self, LABS, Lab, Layout, Opening, Row};

impl Workbench {
    /// Opens what the command line asks for; a lesson or file that cannot be opened is a banner above the lab `first`.
    pub(super) fn open_asked(&mut self, first: &str) -> anyhow::Result<()> {
        let asked =
            self.args.lesson.iter().map(|path| path.display().to_string()).chain(self.args.open.clone());
        for what in asked.collect::<Vec<_>>() {
            self.open_any(&what);
        }
        if self.lab().is_none() {
            let row = lab::named(first).map_err(anyhow::Error::msg)?;
            self.open(row)?;
        }
        Ok(())
    }

    /// The lab to open; takes the kept session where the command line asks for nothing.
    pub(super) fn first_lab(&mut self, home: Option<PathBuf>) -> String {
        let asked = self.args.lab().to_owned();
        let Some(home) = home else { return asked };
        match Keeper::open(home) {
            Ok(None) => asked,
            Err(problem) => {
                self.complain(problem);
                asked
            }
            Ok(Some((session, keeper, said))) => {
                self.keeper = Some(keeper);
                self.crashes = session.crashes;
                self.problems.extend(said);
                let (said, is_sound) = session.after_a_crash();
                if is_sound && !self.args.asks() {
                    self.problems.extend(said.filter(|_| self.args.lost.is_none()));
                    self.kept = session.labs;
                    return if lab::named(&session.lab).is_ok() { session.lab } else { asked };
                }
                self.problems.extend(said.filter(|_| !is_sound));
                asked
            }
        }
    }

    /// Sets theme and scale of the session, unless the command line sets them.
    pub fn dress(&self, ctx: &egui::Context) {
        let kept = self.keeper.as_ref().map(Keeper::kept);
        let dark = kept.and_then(|kept| kept.is_dark).unwrap_or(true);
        let usual = if dark { egui::Theme::Dark } else { egui::Theme::Light };
        ctx.set_theme(self.args.theme.map_or(usual, egui::Theme::from));
        let scale = kept.and_then(|kept| kept.scale).filter(|_| self.args.scale == 1.0);
        ctx.set_zoom_factor(scale.unwrap_or(self.args.scale).clamp(0.5, 4.0));
    }

    /// Brings a lab to the front, and opens it if it is not open yet.
    fn open(&mut self, row: &'static Row) -> rankscope::Result<()> {
        let index = LABS.iter().position(|other| other.id == row.id).unwrap_or(self.front);
        if self.labs[index].is_none() {
            let mut lab = (row.open)(&Opening { machine: &self.machine, args: &self.args })?;
            let mut layout = lab.layout();
            if let Some(kept) = self.kept.remove(row.id) {
                match lab.load(kept.state) {
                    Ok(()) => layout = kept.layout,
                    Err(problem) => {
                        self.complain(format!("{}: what was open cannot be shown: {problem}", row.title))
                    }
                }
            }
            let dock = Dock::new(row.id, lab.panels(), &layout);
            self.labs[index] = Some(Open { lab, dock });
        }
        self.front = index;
        self.exports.clear();
        self.listed = None;
        Ok(())
    }

    /// As [`open`](Workbench::open); an error becomes a banner.
    pub fn go(&mut self, row: &'static Row) {
        if let Err(error) = self.open(row) {
            self.complain(error.to_string());
        }
    }

    /// Brings a lab to the front in a state; an error becomes a banner.
    pub fn show(&mut self, lab: &str, state: Value) -> bool {
        let shown = lab::named(lab).and_then(|row| {
            self.open(row).map_err(|error| error.to_string())?;
            self.lab_mut().map_or(Ok(()), |lab| lab.load(state))
        });
        if let Err(problem) = &shown {
            self.complain(problem.clone());
        }
        shown.is_ok()
    }

    /// Opens a lesson: its lab in its state, its panels, its question.
    pub fn show_lesson(&mut self, lesson: Lesson) {
        if !self.show(&lesson.lab, lesson.state.clone()) {
            return;
        }
        if let Some(layout) = &lesson.layout {
            let panels = self.lab().map(Lab::panels).unwrap_or_default();
            let is_there = |id: &&str| panels.iter().any(|panel| panel.id == *id);
            if let Some(other) = layout.panels().into_iter().find(|id| !is_there(id)) {
                let place = format!("which the lab {:?} does not have", lesson.lab);
                self.complain(format!("the lesson places a panel {other:?}, {place}"));
            }
            self.lay_out(layout);
        }
        self.place = self.lessons.iter().position(|listed| *listed == lesson);
        self.shows_note = false;
        self.open_lesson =
            Some(lesson).filter(|lesson| !lesson.title.is_empty() || !lesson.prompt.is_empty());
    }

    /// Opens the lesson of this number on the list.
    pub(super) fn show_listed(&mut self, index: usize) {
        if let Some(lesson) = self.lessons.get(index).cloned() {
            self.show_lesson(lesson);
        }
    }

    pub(super) fn lay_out(&mut self, layout: &Layout) {
        if let Some(open) = &mut self.labs[self.front] {
            open.dock = Dock::new(LABS[self.front].id, open.lab.panels(), layout);
        }
    }

    /// Lists the lessons again, after one was added, moved or removed.
    pub(super) fn list_lessons(&mut self) {
        let courses = self.shipped.lessons.iter().chain(&self.own.lessons);
        self.lessons = courses.map(|(_, lesson)| lesson.clone()).collect();
        self.place =
            self.open_lesson.as_ref().and_then(|open| self.lessons.iter().position(|lesson| lesson == open));
    }

    /// The current view, as a lesson without a question.
    pub fn lesson(&self) -> Option<Lesson> {
        let open = self.labs[self.front].as_ref()?;
        let mut lesson = Lesson::new(LABS[self.front].id, open.lab.state());
        lesson.layout = Some(open.dock.layout()).filter(|layout| *layout != open.lab.layout());
        Some(lesson)
    }
}
