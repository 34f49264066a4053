//! Undo and redo: the states before and after.

use std::mem::Discriminant;
use std::time::{Duration, Instant};

/// Steps that are kept.
const STEPS: usize = 200;
/// Edits of one kind that follow each other this fast are one step.
const PAUSE: Duration = Duration::from_millis(1000);

/// The states before and after the present one.
pub struct History<S, E> {
    past: Vec<S>,
    future: Vec<S>,
    last: Option<Last<E>>,
}

/// The last step: the kind of its edits, their drag, and the time.
struct Last<E> {
    kind: Discriminant<E>,
    drag: Option<u64>,
    at: Instant,
}

impl<S, E> Default for History<S, E> {
    fn default() -> Self {
        History { past: Vec::new(), future: Vec::new(), last: None }
    }
}

impl<S: PartialEq, E> History<S, E> {
    /// Keeps `before`, the state before an edit of `kind`, unless the edit belongs to the last step: to the same drag, or
    /// made right after it without one.
    pub fn keep(&mut self, before: S, kind: Discriminant<E>, drag: Option<u64>) {
        let now = Instant::now();
        let merges = self.last.as_ref().is_some_and(|last| {
            last.kind == kind
                && match (last.drag, drag) {
                    (None, None) => now.duration_since(last.at) < PAUSE,
                    (before, now) => before == now,
                }
        });
        if !merges {
            self.push(before);
        }
        self.future.clear();
        self.last = Some(Last { kind, drag, at: now });
    }

    /// Keeps `before` as a step of its own.
    pub fn push(&mut self, before: S) {
        self.past.push(before);
        if self.past.len() > STEPS {
            self.past.remove(0);
        }
        self.future.clear();
        self.last = None;
    }

    /// Goes back from `now`.
    pub fn undo(&mut self, now: &mut S) -> bool {
        Self::go(&mut self.past, &mut self.future, &mut self.last, now)
    }

    /// Goes forward from `now`.
    pub fn redo(&mut self, now: &mut S) -> bool {
        Self::go(&mut self.future, &mut self.past, &mut self.last, now)
    }

    /// Whether there are steps back and forward.
    pub fn can(&self) -> (bool, bool) {
        (!self.past.is_empty(), !self.future.is_empty())
    }

    fn go(from: &mut Vec<S>, to: &mut Vec<S>, last: &mut Option<Last<E>>, now: &mut S) -> bool {
        let Some(state) = from.pop() else { return false };
        to.push(std::mem::replace(now, state));
        *last = None;
        true
    }
}
