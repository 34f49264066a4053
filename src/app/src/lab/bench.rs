//! [`Bench`]: an open lab of any kind, with its history and its thread.

use std::any::Any;
use std::mem::discriminant;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::background::Event;
use super::history::History;
use super::{
    Background, Desk, Export, Lab, Layout, Machine, Opening, PATIENCE, Panel, State, Status, View, Visit,
    read,
};

/// A state with what belongs to it: view, results, history, thread.
pub struct Bench<V: View> {
    /// The state.
    pub state: V::State,
    /// The results so far.
    pub answer: <V::State as State>::Answer,
    /// What only the view remembers.
    pub view: V,
    machine: Machine,
    /// The state at opening.
    first: V::State,
    history: History<V::State, <V::State as State>::Edit>,
    background: Background<V::State>,
    sent: Option<V::State>,
    /// Whether the newest computation has told something.
    has_told: bool,
    status: Status,
    failed: Option<String>,
    refused: Option<String>,
    problems: Vec<String>,
    visits: Vec<Visit>,
    /// Counts the drags, and says whether one is under way.
    drag: (u64, bool),
    is_steady: bool,
}

impl<V: View> Bench<V> {
    /// Opens `state`.
    pub fn new(opening: &Opening, state: V::State) -> Self {
        Bench {
            first: state.clone(),
            state,
            answer: Default::default(),
            view: V::default(),
            machine: opening.machine.clone(),
            history: History::default(),
            background: Background::new(opening.machine.clone()),
            sent: None,
            has_told: false,
            status: Status::default(),
            failed: None,
            refused: None,
            problems: Vec::new(),
            visits: Vec::new(),
            drag: (0, false),
            is_steady: opening.args.screenshot.is_some(),
        }
    }

    /// Makes an edit; if it is refused, the reason is shown and the state stays.
    pub fn edit(&mut self, edit: <V::State as State>::Edit) {
        let kind = discriminant(&edit);
        let mut next = self.state.clone();
        match next.update(edit).and_then(|()| next.check()) {
            Err(problem) => self.refused = Some(problem),
            Ok(()) => {
                self.refused = None;
                if next != self.state {
                    let before = std::mem::replace(&mut self.state, next);
                    self.history.keep(before, kind, self.drag.1.then_some(self.drag.0));
                }
            }
        }
    }

    fn take(&mut self, event: Event<<V::State as State>::News>) {
        match event {
            Event::News(news) => {
                (self.has_told, self.failed) = (true, None);
                V::State::take(&mut self.answer, news, self.status.stamp);
            }
            Event::Progress(progress) => self.status.progress = Some(progress),
            Event::Done(took) => {
                self.failed = None;
                (self.status.busy, self.status.progress, self.status.took) = (None, None, Some(took));
            }
            Event::Failed(text) => {
                self.failed = Some(text);
                (self.status.busy, self.status.progress) = (None, None);
            }
        }
    }

    fn needs_computing(&self) -> bool {
        self.sent.as_ref().is_none_or(|sent| !self.state.is_answered_by(sent))
    }

    /// During a drag a computation may show its first piece before the next state replaces it; any other edit
    /// replaces it at once.
    fn may_replace(&self) -> bool {
        let waited = self.status.busy.is_none_or(|since| since.elapsed() >= PATIENCE);
        waited || self.has_told || !self.drag.1
    }

    fn send(&mut self) {
        self.status.stamp = self.background.send(self.state.clone());
        (self.status.busy, self.status.progress) = (Some(Instant::now()), None);
        (self.sent, self.has_told) = (Some(self.state.clone()), false);
    }

    /// Clears the last refusal after a step through the history.
    fn stepped(&mut self, moved: bool) -> bool {
        if moved {
            self.refused = None;
        }
        moved
    }
}

impl<V: View> Lab for Bench<V> {
    fn panels(&self) -> &'static [Panel] {
        V::PANELS
    }

    fn layout(&self) -> Layout {
        V::layout()
    }

    fn update(&mut self, ctx: &egui::Context) {
        for event in self.background.news() {
            self.take(event);
        }
        // The frame of the release still belongs to the drag.
        let down = ctx.input(|input| input.pointer.any_down() || input.pointer.any_released());
        if down && !self.drag.1 {
            self.drag.0 += 1;
        }
        self.drag.1 = down;
        if self.needs_computing() && self.may_replace() {
            self.send();
        }
        if let Some(since) = self.status.busy {
            // Asks for the frame that dims old results; later frames come with the progress.
            ctx.request_repaint_after(
                PATIENCE.saturating_sub(since.elapsed()).max(Duration::from_millis(50)),
            );
        }
    }

    fn ui(&mut self, panel: &str, ui: &mut egui::Ui) {
        let mut desk = Desk {
            state: &self.state,
            answer: &self.answer,
            status: &self.status,
            machine: &self.machine,
            refused: self.refused.as_deref(),
            is_steady: self.is_steady,
            edits: Vec::new(),
            visits: Vec::new(),
            problems: Vec::new(),
        };
        self.view.ui(panel, &mut desk, ui);
        let Desk { edits, visits, problems, .. } = desk;
        self.visits.extend(visits);
        for text in problems {
            if !self.problems.contains(&text) {
                self.problems.push(text);
            }
        }
        if !edits.is_empty() {
            ui.ctx().request_repaint(); // the edits show from the next frame on
        }
        edits.into_iter().for_each(|edit| self.edit(edit));
    }

    fn state(&self) -> Value {
        serde_json::to_value(&self.state).unwrap_or_default()
    }

    fn load(&mut self, state: Value) -> Result<(), String> {
        let state: V::State = read(state)?;
        if state != self.state {
            self.history.push(std::mem::replace(&mut self.state, state));
        }
        self.refused = None;
        Ok(())
    }

    fn undo(&mut self) -> bool {
        let moved = self.history.undo(&mut self.state);
        self.stepped(moved)
    }

    fn redo(&mut self) -> bool {
        let moved = self.history.redo(&mut self.state);
        self.stepped(moved)
    }

    fn reset(&mut self) {
        if self.state != self.first {
            self.history.push(std::mem::replace(&mut self.state, self.first.clone()));
        }
        self.refused = None;
    }

    fn cancel(&mut self) {
        if self.status.busy.take().is_some() {
            self.background.cancel();
            self.status.progress = None;
            self.failed = Some(
                "The computation was cancelled; what is shown is older. Any change computes again.".into(),
            );
        }
    }

    fn can_undo_redo(&self) -> (bool, bool) {
        self.history.can()
    }

    fn exports(&self, lesson: &Value) -> Vec<Export> {
        self.state.exports(&self.answer, lesson)
    }

    fn cell(&self) -> String {
        self.state.cell()
    }

    fn dropped(&mut self, path: &Path) -> bool {
        self.state.dropped(path).map(|edit| self.edit(edit)).is_some()
    }

    fn about(&self) -> String {
        self.state.about(&self.answer)
    }

    fn loses(&self) -> Option<String> {
        self.state.loses(&self.answer)
    }

    fn status(&self) -> &Status {
        &self.status
    }

    fn errors(&self) -> Vec<String> {
        self.failed.iter().chain(&self.refused).chain(&self.problems).cloned().collect()
    }

    fn dismiss(&mut self, error: &str) {
        self.problems.retain(|text| text != error);
        for shown in [&mut self.failed, &mut self.refused] {
            if shown.as_deref() == Some(error) {
                *shown = None;
            }
        }
    }

    fn visits(&mut self) -> Vec<Visit> {
        std::mem::take(&mut self.visits)
    }

    fn is_settled(&self) -> bool {
        self.status.busy.is_none() && !self.needs_computing()
    }

    fn wait(&self, patience: Duration) {
        self.background.wait(patience);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
