//! What a lab is, and the list of all labs.
//!
//! # How to add a lab: three files and one row
//!
//! `labs/<id>/state.rs` has no egui. It holds
//! - a struct with what a person can set, `Clone + PartialEq + Default + Serialize + Deserialize`, with
//!   `#[serde(default, deny_unknown_fields)]`: its JSON is what a lesson file stores;
//! - an enum of everything that a control, the mouse or a script can do to it;
//! - `impl State for …`: [`update`](State::update) checks an edit and makes it, [`compute`](State::compute) turns the state
//!   into numbers on a thread of its own, [`exports`](State::exports) and [`cell`](State::cell) take them out of the app;
//! - plain tests. [`answered`] computes in a test, without thread or window.
//!
//! `labs/<id>/view.rs` (or `view/*.rs`) draws it: a struct for what only the view remembers (a half-typed text, an
//! open menu; `#[derive(Default)] pub struct View;` if nothing) and `impl View for …` with the panels and their layout. A view
//! reads `desk.state` and `desk.answer`, and says `desk.edit(Edit::…)`; it never changes the state itself.
//!
//! `labs/<id>/mod.rs` has the row: `pub const LAB: Row = Row::of::<view::View>("id", "Title", "what one can do there");`
//! which is listed in [`LABS`].
//!
//! The rest comes from here and from `frame/`: undo and redo, tabs and docked panels, dimming of old results,
//! progress, banners, autosave, lesson files, export, and the tests that walk over [`LABS`].

mod background;
mod bench;
mod desk;
mod export;
mod history;
mod layout;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rankscope::{Device, Result, Run};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use background::Background;
pub use bench::Bench;
pub use desk::{Desk, PATIENCE, Part, Stamp, Status, Visit};
pub use export::{Export, Numbers};
pub use layout::Layout;

use crate::args::Args;

/// Every lab, in the order of the tabs.
#[rustfmt::skip] // one a line, so that branches merge
pub const LABS: &[Row] = &[
    crate::labs::mask::LAB,
    crate::labs::model::LAB,
    crate::labs::steps::LAB,
    crate::labs::theorem::LAB,
    crate::labs::collapse::LAB,
    crate::labs::training::LAB,
    crate::labs::cache::LAB,
    crate::labs::court::LAB,
    crate::labs::shader::LAB,
];

/// The row of the lab `id`; an error that lists the ids.
///
/// # Errors
/// One sentence, where there is no such lab.
pub fn named(id: &str) -> Result<&'static Row, String> {
    LABS.iter().find(|row| row.id == id).ok_or_else(|| {
        let ids: Vec<&str> = LABS.iter().map(|row| row.id).collect();
        format!("there is no lab {id:?}, expected one of {}", ids.join(", "))
    })
}

/// A lab on the list.
#[derive(Debug)]
pub struct Row {
    /// Its name in files, links and on the command line.
    pub id: &'static str,
    /// Its name on the tab.
    pub title: &'static str,
    /// What one can do there, in one line.
    pub about: &'static str,
    /// Opens it in its first state.
    pub open: fn(&Opening) -> Result<Box<dyn Lab>>,
    /// Checks a state of it, given as JSON.
    pub check: fn(Value) -> Result<(), String>,
}

impl Row {
    /// The row of the lab that `V` draws.
    pub const fn of<V: View>(id: &'static str, title: &'static str, about: &'static str) -> Self {
        Row {
            id,
            title,
            about,
            open: |opening| Ok(Box::new(Bench::<V>::new(opening, V::State::first(opening.args)?))),
            check: |state| read::<V::State>(state).map(drop),
        }
    }
}

/// The state that JSON holds.
///
/// # Errors
/// One sentence, if the JSON is no state of the lab.
fn read<S: State>(state: Value) -> Result<S, String> {
    let state: S = serde_json::from_value(state).map_err(|error| error.to_string())?;
    state.check()?;
    Ok(state)
}

/// What a lab is given when it opens.
pub struct Opening<'a> {
    /// What to compute and draw on.
    pub machine: &'a Machine,
    /// The command line.
    pub args: &'a Args,
}

/// What a lab computes and draws on.
#[derive(Clone)]
pub struct Machine {
    /// Where numbers are computed.
    pub device: Device,
    /// Where the window is drawn, for buffers that its shaders read.
    pub window: wgpu::Device,
    /// Asks for a frame; call it when something new can be shown.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// What can be set in a lab, what an edit does to it, and what follows from it. No egui.
pub trait State: Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + 'static {
    /// Everything that a control, the mouse or a script can do. Edits of one variant that follow each other
    /// in one drag, or within a second, are one step of undo.
    type Edit: Clone + Send + Serialize + DeserializeOwned;
    /// What the views show beside the state; empty at first. Its fields are [`Part`]s.
    type Answer: Default;
    /// A piece of an answer.
    type News: Send;
    /// What the thread keeps from one computation to the next: an open model, a device. `()` for nothing.
    type Memory;

    /// The state that the lab opens with.
    ///
    /// # Errors
    /// If the command line asks for something wrong.
    fn first(_args: &Args) -> Result<Self> {
        Ok(Self::default())
    }

    /// Opens the memory, on the thread that computes.
    fn memory(machine: &Machine) -> Self::Memory;

    /// Whether the state can be shown: called after a lesson file has been read.
    ///
    /// # Errors
    /// One sentence that names what is wrong and what would be right.
    fn check(&self) -> Result<(), String>;

    /// Makes an edit.
    ///
    /// # Errors
    /// As [`check`](State::check). The caller drops the state then and keeps the one before.
    fn update(&mut self, edit: Self::Edit) -> Result<(), String>;

    /// Whether the answer of `sent` serves this state as well, so that nothing is computed: for example if only a
    /// selected head or a scale of colours differs.
    fn is_answered_by(&self, sent: &Self) -> bool {
        self == sent
    }

    /// Computes the answer piece by piece, cheap pieces first, and tells each piece as soon as it is computed.
    ///
    /// Runs on a thread of its own. Between steps call `run.step(…)`, which shows progress and returns
    /// [`Cancelled`](rankscope::Error::Cancelled) once a newer state is there: pass it on with `?`.
    ///
    /// # Errors
    /// Errors of the library; the text becomes a banner.
    fn compute(&self, memory: &mut Self::Memory, run: &Run, tell: &mut dyn FnMut(Self::News)) -> Result<()>;

    /// Puts a piece into the answer: `answer.weights.put(weights, stamp)`.
    fn take(answer: &mut Self::Answer, news: Self::News, stamp: Stamp);

    /// The edit that shows a file or folder which was dropped on the window; `None` where the lab reads no such files.
    fn dropped(&self, _path: &Path) -> Option<Self::Edit> {
        None
    }

    /// The status bar's text on the lab: which model, how large; empty by default.
    fn about(&self, _answer: &Self::Answer) -> String {
        String::new()
    }

    /// What would be lost by closing the window now; if there is something, the window asks first.
    fn loses(&self, _answer: &Self::Answer) -> Option<String> {
        None
    }

    /// The exports: figures and numbers of the panels. `lesson` recreates them: a figure carries it as its `settings`.
    fn exports(&self, answer: &Self::Answer, lesson: &Value) -> Vec<Export>;

    /// A notebook cell (Rust) that recreates the view.
    fn cell(&self) -> String;
}

/// How a lab is drawn; the value is what only the view remembers.
pub trait View: Default + 'static {
    /// The state that is drawn.
    type State: State;

    /// The panels: each has a tab and can be docked anywhere.
    const PANELS: &'static [Panel];

    /// Where the panels stand at first.
    fn layout() -> Layout;

    /// Draws the panel `id`.
    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Self::State>, ui: &mut egui::Ui);
}

/// A panel of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// Its name in layouts and exports.
    pub id: &'static str,
    /// Its name on the tab.
    pub title: &'static str,
    /// What it shows, with formula and source: the hover text of the tab.
    pub help: &'static str,
}

/// An open lab, as the frame sees it. [`Bench`] makes one from any [`View`].
pub trait Lab {
    /// The panels.
    fn panels(&self) -> &'static [Panel];
    /// Where the panels stand at first.
    fn layout(&self) -> Layout;
    /// The work of a frame before it is drawn: takes results, sends a changed state to the thread.
    fn update(&mut self, ctx: &egui::Context);
    /// Draws a panel; edits are made at once.
    fn ui(&mut self, panel: &str, ui: &mut egui::Ui);
    /// The state as JSON: what a lesson stores.
    fn state(&self) -> Value;
    /// Shows a state of a lesson, as one step of undo.
    ///
    /// # Errors
    /// One sentence, if it is not a state of this lab; nothing changes then.
    fn load(&mut self, state: Value) -> Result<(), String>;
    /// Undoes the last step; false if there is none.
    fn undo(&mut self) -> bool;
    /// Redoes the step that was undone last; false if there is none.
    fn redo(&mut self) -> bool;
    /// Whether there are steps to undo, and to redo.
    fn can_undo_redo(&self) -> (bool, bool);
    /// Goes back to the state that the lab was opened with, as one step of undo.
    fn reset(&mut self);
    /// Stops the computation; the old results stay.
    fn cancel(&mut self);
    /// The exports.
    fn exports(&self, lesson: &Value) -> Vec<Export>;
    /// A notebook cell that recreates the view.
    fn cell(&self) -> String;
    /// Shows a file or folder that was dropped on the window; false where the lab reads no such files.
    fn dropped(&mut self, path: &Path) -> bool;
    /// The status bar's text on the lab.
    fn about(&self) -> String;
    /// What would be lost by closing the window now.
    fn loses(&self) -> Option<String>;
    /// How far the computation is, and how long the last one took.
    fn status(&self) -> &Status;
    /// Current errors: of the computation, of the last edit, of the view.
    fn errors(&self) -> Vec<String>;
    /// Forgets an error.
    fn dismiss(&mut self, error: &str);
    /// Labs that the view wants to open since the last call.
    fn visits(&mut self) -> Vec<Visit>;
    /// Whether nothing is being computed, and nothing has to be.
    fn is_settled(&self) -> bool;
    /// Waits for results, at most for `patience`.
    fn wait(&self, patience: Duration);
    /// The lab as its own type, for the measurements and its tests.
    fn as_any(&mut self) -> &mut dyn std::any::Any;
}

/// Computes the answer of `state` here and now, for tests.
///
/// # Errors
/// As [`State::compute`].
#[cfg(test)]
pub fn answered<S: State>(state: &S, memory: &mut S::Memory) -> Result<S::Answer> {
    let mut answer = S::Answer::default();
    state.compute(memory, &Run::default(), &mut |news| S::take(&mut answer, news, Stamp::default()))?;
    Ok(answer)
}
