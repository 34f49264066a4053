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

    /// Clears the flag, so that the next computation can run.
    #[cfg(feature = "notebook")]
    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One step of a longer computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The name of the step, in one or two words.
    pub stage: String,
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// The run whose flag and watcher every new run of this process takes over: the cells of a notebook
/// share one flag and one progress bar.
#[cfg(feature = "notebook")]
static SHARED: std::sync::OnceLock<Run> = std::sync::OnceLock::new();

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
#[derive(Clone)]
pub struct Run {
    cancel: Cancel,
    watcher: Option<Watcher>,
    seed: u64,
}

impl Run {
    /// A run with a seed, without a watcher, and with a flag of its own.
    pub fn new(seed: u64) -> Self {
        #[cfg(feature = "notebook")]
        if let Some(shared) = SHARED.get() {
            return Run { seed, ..shared.clone() };
        }
        Run { cancel: Cancel::default(), watcher: None, seed }
    }

    /// From now on every new run starts with this one's flag and watcher. The first call decides.
    #[cfg(feature = "notebook")]
    pub(crate) fn share(self) {
        let _ = SHARED.set(self);
    }

    /// Shares `cancel` with this run.
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Calls `watcher` at every step, on the thread that makes the step.
    pub fn with_progress(mut self, watcher: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// The same run with another seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same run without its watcher, for a part of a larger computation that reports its own
    /// progress.
    pub fn quiet(&self) -> Self {
        Run::new(self.seed).with_cancel(self.cancel_flag())
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
    /// [`Error::Cancelled`] once somebody has asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Reports that `done` of `total` steps of `stage` are finished, and checks the flag.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once somebody has asked to stop.
    pub fn step(&self, stage: &str, done: usize, total: usize) -> Result<()> {
        if let Some(watcher) = &self.watcher {
            watcher(Progress { stage: stage.to_owned(), done, total });
        }
        self.check()
    }
}

impl Default for Run {
    fn default() -> Self {
        Run::new(0)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = self.cancel.is_cancelled();
        f.debug_struct("Run").field("seed", &self.seed).field("cancelled", &cancelled).finish()
    }
}
