//! [`Desk`]: what a view reads, and where it puts its edits.

use std::time::{Duration, Instant};

use rankscope::run::Progress;
use serde_json::Value;

use super::{Machine, State};

/// If new results take longer than this, the old ones are dimmed and progress is shown.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// Which computation a result came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub(super) u64);

/// A result that stays until the next one is there, with the computation that it came from.
#[derive(Clone, Debug)]
pub struct Part<T> {
    value: Option<T>,
    stamp: Stamp,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Part { value: None, stamp: Stamp::default() }
    }
}

impl<T> Part<T> {
    /// Replaces the result.
    pub fn put(&mut self, value: T, stamp: Stamp) {
        (self.value, self.stamp) = (Some(value), stamp);
    }

    /// The result, once there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The result, to add to it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }

    /// Which computation it came from.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

/// How far a lab's computation is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Since when it has been running.
    pub busy: Option<Instant>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How long the last one took.
    pub took: Option<Duration>,
    /// The newest computation.
    pub(super) stamp: Stamp,
}

impl Status {
    /// Whether the computation takes long enough to show its progress.
    pub fn is_slow(&self) -> bool {
        self.busy.is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// Whether `stamp` is that of the newest computation.
    pub fn is_newest(&self, stamp: Stamp) -> bool {
        stamp == self.stamp
    }

    /// How far a result of `stamp` is dimmed, from 0 to 1. An old one is dimmed while the next takes long, or after
    /// that has failed.
    pub fn fade(&self, stamp: Stamp) -> f32 {
        let waits = self.busy.is_none() || self.is_slow();
        if stamp < self.stamp && waits { 0.6 } else { 0.0 }
    }
}

/// A lab to open in a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The lab's id.
    pub lab: String,
    /// Its state, as JSON.
    pub state: Value,
}

/// What a view reads, and where it puts its edits.
pub struct Desk<'a, S: State> {
    /// The state.
    pub state: &'a S,
    /// The results so far.
    pub answer: &'a S::Answer,
    /// How far the computation is.
    pub status: &'a Status,
    /// The devices that compute and draw.
    pub machine: &'a Machine,
    /// Why the last edit was refused, to be shown beside its control.
    pub refused: Option<&'a str>,
    /// Whether to leave out what differs from run to run: timings.
    pub is_steady: bool,
    pub(super) edits: Vec<S::Edit>,
    pub(super) visits: Vec<Visit>,
    pub(super) problems: Vec<String>,
}

impl<S: State> Desk<'_, S> {
    /// Makes an edit at the end of the panel.
    pub fn edit(&mut self, edit: S::Edit) {
        self.edits.push(edit);
    }

    /// How far a result is dimmed, from 0 to 1.
    pub fn fade<T>(&self, part: &Part<T>) -> f32 {
        self.status.fade(part.stamp())
    }

    /// Shows a banner, until it is dismissed.
    pub fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Opens another lab in a state: `desk.visit("mask", &mask_state)`.
    pub fn visit(&mut self, lab: &str, state: &impl serde::Serialize) {
        if let Ok(state) = serde_json::to_value(state) {
            self.visits.push(Visit { lab: lab.to_owned(), state });
        }
    }
}
