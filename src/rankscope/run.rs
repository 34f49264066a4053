//! [`Run`]: how a caller cancels, watches and seeds a computation that may take a while.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A flag that asks a running computation to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop. Safe to call from a signal handler: it stores one atomic.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One step of a longer computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, in a word or two.
    pub stage: String,
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

type Watcher = Arc<dyn Fn(Progress) + Send + Sync>;

/// An argument of every call that may take longer than 50 ms.
///
/// ```
/// use rankscope::Run;
/// let run = Run::new(7);
/// assert!(run.check().is_ok());
/// run.cancel_flag().cancel();
/// assert_eq!(run.check().unwrap_err().to_string(), "cancelled");
/// ```
#[derive(Clone, Default)]
pub struct Run {
    cancel: Cancel,
    watcher: Option<Watcher>,
    seed: u64,
}

impl Run {
    /// A run with a seed, nobody watching, and nobody to cancel it.
    pub fn new(seed: u64) -> Self {
        Run { seed, ..Run::default() }
    }

    /// Shares `cancel` with this run.
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Calls `watcher` at every step, from whichever thread makes it.
    pub fn with_progress(mut self, watcher: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// The same run with another seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The flag that stops this run.
    pub fn cancel_flag(&self) -> Cancel {
        self.cancel.clone()
    }

    /// The seed of everything random in this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Call between steps of a loop.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the flag is up.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Reports that `done` of `total` steps of `stage` are finished, and checks the flag.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the flag is up.
    pub fn step(&self, stage: &str, done: usize, total: usize) -> Result<()> {
        if let Some(watcher) = &self.watcher {
            watcher(Progress { stage: stage.to_owned(), done, total });
        }
        self.check()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = self.cancel.is_cancelled();
        f.debug_struct("Run").field("seed", &self.seed).field("cancelled", &cancelled).finish()
    }
}
