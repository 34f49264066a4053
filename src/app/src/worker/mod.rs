//! Models, and files of weights, on a thread of their own, so that the window never waits.
//!
//! The window sends a [`Job`]. Each job has a generation number. A newer job sets the cancel flag of the running one,
//! and events of an older generation are dropped. Errors and panics come back as events, too.

mod brought;
mod engine;
mod pass;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rankscope::model::{Description, MaskChoice, Tokens};
use rankscope::run::{Cancel, Progress};
use rankscope::{Device, Error};

pub use engine::Engine;
pub use pass::Pass;

use crate::layout::Head;

/// Everything that decides what is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// A model by name or folder.
    pub model: String,
    /// The text.
    pub text: String,
    /// Who may attend to whom.
    pub mask: MaskChoice,
    /// Weights from a file, shown instead of a model's.
    pub brought: Option<Brought>,
    /// The head whose ranks are computed first.
    pub first: Head,
}

/// Weights that another program saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The file.
    pub path: PathBuf,
    /// Which of its arrays, if it has several sets.
    pub name: Option<String>,
    /// The file of the tokens, if they are not in the file of the weights.
    pub tokens: Option<PathBuf>,
    /// Which sequence of a batch.
    pub sequence: usize,
}

/// The results of a job, in the order in which they arrive.
#[derive(Clone, Debug)]
pub enum Event {
    /// The model is open.
    Model(Arc<Opened>),
    /// The tokens of the text.
    Tokens(Arc<Tokens>),
    /// Attention under the chosen mask: first with the first head's report, then with all.
    Chosen(Arc<Pass>),
    /// Attention under the mask that the weights were trained under.
    Trained(Arc<Pass>),
    /// The summary of the checks of all heads of a file.
    Checks(Arc<Vec<(&'static str, String)>>),
    /// Progress of a longer step.
    Progress(Progress),
    /// The job is finished; how long it ran.
    Done(Duration),
    /// The job failed.
    Failed(String),
}

/// What the window shows of a model or a file of weights.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The name that was asked for.
    pub name: String,
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// Sequences to choose from.
    pub sequences: usize,
    /// One line on it.
    pub about: String,
    /// A model's sizes and its mask.
    pub description: Option<Description>,
}

/// Takes an event to the window.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

struct Request {
    generation: u64,
    job: Job,
    cancel: Cancel,
}

/// The window's end of the thread.
pub struct Worker {
    requests: Option<Sender<Request>>,
    events: Receiver<(u64, Event)>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
    cancel: Cancel,
}

impl Worker {
    /// Starts the thread; `wake` is called after each event.
    pub fn start(device: Device, window: wgpu::Device, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (requests, inbox) = unbounded::<Request>();
        let (outbox, events) = unbounded();
        let wake = Arc::new(wake);
        let work = move || {
            let mut engine = Engine::new(device.clone(), window.clone());
            while let Ok(mut request) = inbox.recv() {
                request = inbox.try_iter().last().unwrap_or(request);
                let (outbox, wake, generation) = (outbox.clone(), wake.clone(), request.generation);
                let tell: Tell = Arc::new(move |event| {
                    // Nobody listens any more once the window is closed.
                    let _ = outbox.send((generation, event));
                    wake();
                });
                if !serve(&mut engine, &request, &tell) {
                    engine = Engine::new(device.clone(), window.clone());
                }
            }
        };
        let thread = std::thread::Builder::new().name("model".to_owned()).spawn(work);
        let thread = thread.expect("the system can start a thread");
        Worker {
            requests: Some(requests),
            events,
            thread: Some(thread),
            generation: 0,
            cancel: Cancel::default(),
        }
    }

    /// Sends a newer job, and cancels the running one.
    pub fn send(&mut self, job: Job) {
        self.cancel.cancel();
        self.cancel = Cancel::default();
        self.generation += 1;
        let request = Request { generation: self.generation, job, cancel: self.cancel.clone() };
        if let Some(requests) = &self.requests {
            // The thread outlives the sender: it ends only when `requests` is dropped.
            let _ = requests.send(request);
        }
    }

    /// The events of the newest job since the last call.
    pub fn news(&self) -> Vec<Event> {
        let newest = self.generation;
        self.events
            .try_iter()
            .filter(|(generation, _)| *generation == newest)
            .map(|(_, event)| event)
            .collect()
    }

    /// Waits until there may be news, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        let mut select = crossbeam_channel::Select::new();
        select.recv(&self.events);
        let _ = select.ready_timeout(patience);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves one request; false if it panicked, which leaves the engine's state undefined.
fn serve(engine: &mut Engine, request: &Request, tell: &Tell) -> bool {
    guarded(tell, || engine.serve(&request.job, &request.cancel, tell))
}

/// Does `work`, and sends its error or panic as an event; false after a panic.
fn guarded(tell: &Tell, work: impl FnOnce() -> Result<(), Error>) -> bool {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(()) | Err(Error::Cancelled)) => true,
        Ok(Err(error)) => {
            tell(Event::Failed(error.to_string()));
            true
        }
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tell(Event::Failed(format!("internal error, please report it: {}", text.replace('\n', " "))));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn told(work: impl FnOnce() -> Result<(), Error>) -> (bool, Vec<String>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let tell: Tell = Arc::new(move |event| ear.lock().unwrap().push(event));
        let sound = guarded(&tell, work);
        let heard = heard.lock().unwrap();
        let texts = heard.iter().map(|event| match event {
            Event::Failed(text) => text.clone(),
            other => panic!("{other:?}"),
        });
        (sound, texts.collect())
    }

    #[test]
    fn errors_and_panics_are_told_and_a_cancelled_run_is_silent() {
        assert_eq!(told(|| Err(Error::Cancelled)), (true, vec![]));
        assert_eq!(told(|| Err(Error::NoAdapter("none".into()))), (true, vec!["no GPU: none".to_owned()]));
        let (sound, texts) = told(|| panic!("a bug"));
        assert!(!sound && texts[0].contains("a bug"), "{texts:?}");
    }
}
