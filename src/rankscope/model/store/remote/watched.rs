//! A download on a thread of its own, so that it can be cancelled even while no bytes arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{sleep, spawn};

use super::super::held::TICK;
use crate::error::{Error, Result};
use crate::run::{Cancel, Run};

/// How long to wait for a cancelled download to stop, in ticks: one second.
const GRACE: usize = 20;

/// The progress of a download, and whether it should stop. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Counter {
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
    stop: Cancel,
}

impl Counter {
    pub(super) fn start(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// Runs `work` to its end on a thread, and reports its progress to `run`.
///
/// # Errors
/// [`Error::Cancelled`]; a thread that is waiting for bytes then ends when they arrive, or with the process.
pub(super) fn watched<T: Send + 'static>(
    stage: &str,
    run: &Run,
    work: impl FnOnce(&Counter) -> T + Send + 'static,
) -> Result<T> {
    let counter = Counter::default();
    let inner = counter.clone();
    let worker = spawn(move || work(&inner));
    while !worker.is_finished() {
        let [done, total] =
            [&counter.done, &counter.total].map(|bytes| bytes.load(Ordering::Relaxed) as usize);
        if let Err(error) = run.step(stage, done, total) {
            counter.stop.cancel();
            (0..GRACE).take_while(|_| !worker.is_finished()).for_each(|_| sleep(TICK));
            return Err(error);
        }
        sleep(TICK);
    }
    worker.join().map_err(|_| Error::Model(format!("{stage} broke off")))
}
