//! A download on a thread of its own, so that a line gone silent does not hold up who cancels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep, spawn};

use super::held::TICK;
use crate::error::{Error, Result};
use crate::run::{Cancel, Run};

/// How long a cancelled download may take to notice, in ticks: a second.
const GRACE: usize = 20;

/// What a download tells of itself, and hears. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Counter {
    done: Arc<AtomicUsize>,
    total: Arc<AtomicUsize>,
    stop: Cancel,
}

impl Counter {
    /// The length of the file, once it is known.
    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

impl hf_hub::api::Progress for Counter {
    fn init(&mut self, size: usize, _name: &str) {
        self.total.store(size, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// Called between pieces. It cannot return an error, so a cancelled download unwinds, without a message,
    /// to the end of its thread; the part on the disk stays as long as it is.
    fn update(&mut self, size: usize) {
        self.done.fetch_add(size, Ordering::Relaxed);
        if self.stop.is_cancelled() {
            std::panic::resume_unwind(Box::new("cancelled"));
        }
    }

    fn finish(&mut self) {}
}

/// Runs `work` to its end on a thread, telling `run` how far it is.
///
/// # Errors
/// [`Error::Cancelled`]; a thread that waits for bytes then ends when they come, or with the process.
pub(super) fn watched<T: Send + 'static>(
    stage: &str,
    run: &Run,
    work: impl FnOnce(Counter) -> T + Send + 'static,
) -> Result<T> {
    let counter = Counter::default();
    let mine = counter.clone();
    let worker = spawn(move || work(mine));
    while !worker.is_finished() {
        if let Err(error) = run.step(stage, counter.done.load(Ordering::Relaxed), counter.total()) {
            counter.stop.cancel();
            wait_a_little(&worker);
            return Err(error);
        }
        sleep(TICK);
    }
    worker.join().map_err(|_| Error::Model(format!("{stage} broke off")))
}

fn wait_a_little<T>(worker: &JoinHandle<T>) {
    (0..GRACE).take_while(|_| !worker.is_finished()).for_each(|_| sleep(TICK));
}
