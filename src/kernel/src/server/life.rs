//! When a kernel ends, and what it does once it has nothing to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Shared;
use crate::spare::Relay;

/// How often to check.
const LOOK: Duration = Duration::from_secs(1);
/// After this many checks in a row at which the kernel is idle, it does the work that can wait.
const IDLE_LOOKS: u32 = 2;

/// The process that started this one.
pub struct Parent {
    id: u32,
    /// Jupyter sets a variable for kernels that must not outlive it.
    watched: bool,
}

impl Parent {
    /// The parent as it is now.
    pub fn watch() -> Self {
        Parent {
            id: std::os::unix::process::parent_id(),
            watched: std::env::var_os("JPY_PARENT_PID").is_some(),
        }
    }

    /// Whether a parent that must not be outlived has ended.
    pub fn is_gone(&self) -> bool {
        self.watched && std::os::unix::process::parent_id() != self.id
    }
}

/// The events that end a kernel, and its work when it is idle.
pub struct Life {
    /// Watched where the kernel serves by itself, without a relay.
    parent: Option<Parent>,
    /// The end of a relay.
    relay_gone: UnboundedReceiver<()>,
    /// Done once, when the kernel is idle.
    when_idle: Option<Box<dyn FnOnce() + Send>>,
}

impl Life {
    /// A kernel with a relay ends with it; without one, it ends with Jupyter.
    ///
    /// # Errors
    /// If the relay cannot be watched.
    pub fn new(relay: Option<&Relay>, when_idle: Box<dyn FnOnce() + Send>) -> Result<Self> {
        let (gone, relay_gone) = unbounded_channel();
        let parent = match relay {
            None => Some(Parent::watch()),
            Some(relay) => {
                relay.watch(move || {
                    let _ = gone.send(());
                })?;
                None
            }
        };
        Ok(Life { parent, relay_gone, when_idle: Some(when_idle) })
    }

    /// Waits for the end of the kernel: a request of Jupyter (`ended`), a signal, or the end of Jupyter.
    pub(super) async fn wait(mut self, mut ended: UnboundedReceiver<()>, shared: &Arc<Shared>) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut tick = tokio::time::interval(LOOK);
        let mut idle = 0;
        loop {
            tokio::select! {
                _ = ended.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                Some(()) = self.relay_gone.recv() => return Ok(()),
                _ = tick.tick() => {
                    if self.parent.as_ref().is_some_and(Parent::is_gone) {
                        return Ok(());
                    }
                    idle = if shared.progress.is_idle() { idle + 1 } else { 0 };
                    if idle >= IDLE_LOOKS && let Some(work) = self.when_idle.take() {
                        work();
                    }
                }
            }
        }
    }
}
