//! The thread on which a lab computes. The newest state wins.
//!
//! Each state that is sent has a [`Stamp`]. A newer one sets the cancel flag of the running computation, and further
//! news of older ones is dropped. Errors and panics come back as events, too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rankscope::run::{Cancel, Progress};
use rankscope::{Error, Run};

use super::{Machine, Stamp, State};

/// What comes back, in the order in which it arrives.
pub enum Event<N> {
    /// A piece of the answer.
    News(N),
    /// How far it is.
    Progress(Progress),
    /// The answer is complete; how long it took.
    Done(Duration),
    /// There is no answer.
    Failed(String),
}

struct Request<S> {
    stamp: Stamp,
    state: S,
    cancel: Cancel,
}

/// The window's end of the thread, which starts with the first state that is sent.
pub struct Background<S: State> {
    machine: Machine,
    thread: Option<(Sender<Request<S>>, JoinHandle<()>)>,
    outbox: Sender<(Stamp, Event<S::News>)>,
    events: Receiver<(Stamp, Event<S::News>)>,
    newest: Stamp,
    cancel: Cancel,
}

impl<S: State> Background<S> {
    /// A thread that has not started yet.
    pub fn new(machine: Machine) -> Self {
        let (outbox, events) = unbounded();
        let (newest, cancel) = (Stamp::default(), Cancel::default());
        Background { machine, thread: None, outbox, events, newest, cancel }
    }

    /// Cancels what is running and computes the answer of `state`.
    pub fn send(&mut self, state: S) -> Stamp {
        self.cancel.cancel();
        self.cancel = Cancel::default();
        self.newest = Stamp(self.newest.0 + 1);
        let request = Request { stamp: self.newest, state, cancel: self.cancel.clone() };
        if self.thread.is_none() {
            match self.start() {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    let text = format!("the system starts no thread to compute on: {error}");
                    let _ = self.outbox.send((self.newest, Event::Failed(text)));
                }
            }
        }
        if let Some((requests, _)) = &self.thread {
            // The thread ends only when this sender is dropped.
            let _ = requests.send(request);
        }
        self.newest
    }

    fn start(&self) -> std::io::Result<(Sender<Request<S>>, JoinHandle<()>)> {
        let (requests, inbox) = unbounded();
        let (machine, outbox) = (self.machine.clone(), self.outbox.clone());
        let builder = std::thread::Builder::new().name("lab".to_owned());
        let thread = builder.spawn(move || work(&machine, &inbox, &outbox))?;
        Ok((requests, thread))
    }

    /// Stops the newest computation, which then tells nothing more.
    pub fn cancel(&mut self) {
        self.cancel.cancel();
        self.newest = Stamp(self.newest.0 + 1);
    }

    /// The news of the newest computation since the last call.
    pub fn news(&self) -> Vec<Event<S::News>> {
        let newest = self.newest;
        self.events.try_iter().filter(|(stamp, _)| *stamp == newest).map(|(_, event)| event).collect()
    }

    /// Waits until there may be news, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        let mut select = crossbeam_channel::Select::new();
        select.recv(&self.events);
        let _ = select.ready_timeout(patience);
    }
}

impl<S: State> Drop for Background<S> {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some((requests, thread)) = self.thread.take() {
            drop(requests);
            let _ = thread.join();
        }
    }
}

/// The thread: the newest of the waiting states, until the window is closed.
fn work<S: State>(machine: &Machine, inbox: &Receiver<Request<S>>, outbox: &Sender<(Stamp, Event<S::News>)>) {
    let mut memory = None;
    while let Ok(request) = inbox.recv() {
        let request = inbox.try_iter().last().unwrap_or(request);
        let (outbox, wake, stamp) = (outbox.clone(), machine.wake.clone(), request.stamp);
        let tell: Arc<dyn Fn(Event<S::News>) + Send + Sync> = Arc::new(move |event| {
            // Nobody listens any more once the window is closed.
            let _ = outbox.send((stamp, event));
            wake();
        });
        let watcher = tell.clone();
        let run = Run::default().with_cancel(request.cancel);
        let run = run.with_progress(move |progress| watcher(Event::Progress(progress)));
        let start = Instant::now();
        let outcome = guarded(|| {
            let memory = memory.get_or_insert_with(|| S::memory(machine));
            request.state.compute(memory, &run, &mut |news| tell(Event::News(news)))
        });
        match outcome {
            Ok(Ok(())) => tell(Event::Done(start.elapsed())),
            Ok(Err(Error::Cancelled)) => {}
            Ok(Err(error)) => tell(Event::Failed(error.to_string())),
            Err(text) => {
                memory = None; // a panic may have left it half changed
                tell(Event::Failed(text));
            }
        }
    }
}

/// The result of `work`; a panic becomes an error with its text.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        format!("internal error, please report it: {}", text.replace('\n', " "))
    })
}
