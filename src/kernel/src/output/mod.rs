//! Publishes what cells print and what the library sends, as Jupyter messages, while a cell runs.
//!
//! Text comes through pipes, as any bytes; messages of the library come through a socket, and each waits until the text
//! that was printed before it is published. So everything is shown in order, and no text is taken for a message.

mod ask;
mod reader;
#[cfg(test)]
mod tests;
mod text;

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use jupyter_protocol::{
    ClearOutput, DisplayData, ExecuteResult, ExecutionCount, JupyterMessage, Media, StreamContent, Transient,
    UpdateDisplayData,
};
use serde_json::{Map, Value, json};

use crate::cells::Ours;
use crate::open;
use crate::server::{Shared, Wire};
use reader::Reader;

/// A panic, as the library's hook saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panic {
    pub message: String,
    pub place: String,
}

/// The state of the running cell.
#[derive(Default)]
struct Current {
    parent: Option<JupyterMessage>,
    silent: bool,
    /// Whether the client lets cells ask.
    allows_input: bool,
    count: usize,
    panic: Option<Panic>,
    panicked: bool,
    /// The number that the engine gave the cell, and the requests of earlier cells.
    number: u64,
    earlier: Earlier,
    /// The cell that is being compiled.
    next: Option<Box<Current>>,
    /// Text that is the error of the cell, if the code around the cell reports next that `?` ended it.
    unsure: Option<String>,
    failure: Option<String>,
}

/// The requests of earlier cells, whose threads may still send output.
#[derive(Default)]
struct Earlier(VecDeque<(u64, JupyterMessage)>);

impl Earlier {
    /// The number of earlier requests that are kept.
    const MOST: usize = 256;

    fn keep(&mut self, number: u64, parent: Option<&JupyterMessage>) {
        self.0.retain(|(earlier, _)| *earlier != number);
        self.0.extend(parent.map(|parent| (number, parent.clone())));
        if self.0.len() > Self::MOST {
            self.0.pop_front();
        }
    }

    fn parent(&self, number: u64) -> Option<&JupyterMessage> {
        self.0.iter().find(|(cell, _)| *cell == number).map(|(_, parent)| parent)
    }
}

/// How a cell's own code ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// It panicked.
    pub panic: Option<Panic>,
    /// `?` returned this error.
    pub failure: Option<String>,
}

/// A point in time: `done` is answered when everything printed before it is published.
struct Fence {
    /// The process of the cells has died.
    has_died: bool,
    done: Sender<()>,
}

/// Publishes what the cells print; shared by the engine and the thread that reads.
#[derive(Clone)]
pub struct Output {
    current: Arc<Mutex<Current>>,
    fences: Sender<Fence>,
    wake: Arc<UnixStream>,
}

impl Output {
    /// Starts the thread that reads `ours`; `replies` are the lines typed for cells that asked.
    ///
    /// # Errors
    /// If the thread cannot be started, or the socket that wakes it cannot be made.
    pub fn start(shared: Arc<Shared>, ours: Ours, replies: Receiver<String>) -> std::io::Result<Self> {
        let (fences, fences_end) = crossbeam_channel::unbounded();
        let (wake, woken) = UnixStream::pair()?;
        let output = Output { current: Arc::default(), fences, wake: Arc::new(wake) };
        // The reader gets no copy of `wake`, so the socket closes with the engine, and the reader ends.
        let current = output.current.clone();
        let reader = Reader {
            current,
            shared,
            replies,
            ours,
            fences: fences_end,
            wake: woken,
            texts: Default::default(),
            framed: None,
        };
        std::thread::Builder::new().name("output".into()).spawn(move || reader.run())?;
        Ok(output)
    }

    /// Output belongs to `parent` as soon as its code runs; output that arrives while it is compiled belongs to an
    /// earlier cell.
    pub fn begin(&self, parent: Option<&JupyterMessage>, silent: bool, allows_input: bool, count: usize) {
        let next = Current { parent: parent.cloned(), silent, allows_input, count, ..Current::default() };
        self.current().next = Some(Box::new(next));
    }

    /// Waits until all that the cell printed is published; says how it ended. `has_died`: its process has ended too.
    pub fn end(&self, has_died: bool) -> Ending {
        self.fence(has_died);
        let mut current = self.current();
        if current.next.take().is_some() {
            // Its code did not run.
            return Ending::default();
        }
        let seen = current.panic.take();
        let panic = current.panicked.then(|| seen.unwrap_or_default());
        Ending { panic, failure: current.failure.take() }
    }

    /// From now on output belongs to another request; returns the one that it belonged to.
    pub fn hand_to(&self, parent: Option<JupyterMessage>) -> Option<JupyterMessage> {
        std::mem::replace(&mut self.current().parent, parent)
    }

    /// Waits until all that was printed by now is published; `has_died`: the process that printed it has ended.
    pub fn settle(&self, has_died: bool) {
        self.fence(has_died);
    }

    fn fence(&self, has_died: bool) {
        let (done, wait) = crossbeam_channel::bounded(1);
        if reader::wake(&self.wake, &self.fences, Fence { has_died, done }) {
            let _ = wait.recv_timeout(Duration::from_secs(5));
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        open(&self.current)
    }
}

impl Current {
    /// The request on whose behalf a cell may ask for input.
    fn asker(&self) -> Option<JupyterMessage> {
        self.parent.clone().filter(|_| self.allows_input)
    }

    /// The request to which a message of the library about a widget belongs.
    fn of_widget(&self, message: &Value) -> Option<JupyterMessage> {
        match message["cell"].as_u64() {
            Some(cell) => self.earlier.parent(cell).cloned(),
            None => self.parent.clone().filter(|_| !self.silent),
        }
    }

    fn handle(&mut self, wire: &Wire, message: &Value) {
        if let Some(cell) = message["cell"].as_u64() {
            return self.handle_earlier(wire, cell, message);
        }
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        match message["kind"].as_str() {
            Some("unsure") => {
                self.settle(wire);
                self.unsure = Some(text("text"));
            }
            Some("failure") => self.failure = Some(self.unsure.take().unwrap_or_default()),
            Some("begin") => self.begin(wire, message["number"].as_u64().unwrap_or_default()),
            Some("panicking") => self.panic = Some(Panic { message: text("message"), place: text("place") }),
            Some("panic") => self.panicked = true,
            Some("stream") => self.stream(wire, &text("name"), &text("text")),
            Some("display" | "result" | "clear") => {
                self.settle(wire);
                self.rich(wire, message);
            }
            _ => {}
        }
    }

    /// The code of the next cell begins to run.
    fn begin(&mut self, wire: &Wire, number: u64) {
        if let Some(next) = self.next.take() {
            self.settle(wire);
            self.mention_caught_panic(wire);
            let earlier = std::mem::take(&mut self.earlier);
            *self = Current { earlier, ..*next };
        }
        self.number = number;
        self.earlier.keep(number, self.parent.as_ref().filter(|_| !self.silent));
    }

    /// A message of a thread that outlived its cell is shown below that cell.
    fn handle_earlier(&mut self, wire: &Wire, cell: u64, message: &Value) {
        let mut message = message.clone();
        message["cell"] = Value::Null;
        let parent = self.earlier.parent(cell).cloned();
        Current { parent, number: cell, ..Current::default() }.handle(wire, &message);
    }

    /// Publishes text that turned out not to be the cell's error on stderr.
    fn settle(&mut self, wire: &Wire) {
        if let Some(text) = self.unsure.take() {
            self.stream(wire, "stderr", &text);
        }
    }

    /// A panic that did not end the cell was on another thread, or was caught: it is shown as a line on stderr.
    fn mention_caught_panic(&mut self, wire: &Wire) {
        if let Some(Panic { message, place }) = self.panic.clone().filter(|_| !self.panicked) {
            let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
            self.stream(wire, "stderr", &format!("panicked{place}: {message}\n"));
        }
    }

    fn stream(&mut self, wire: &Wire, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.settle(wire);
        let Some(parent) = self.parent.as_ref().filter(|_| !self.silent) else { return };
        let content =
            if name == "stderr" { StreamContent::stderr(text) } else { StreamContent::stdout(text) };
        wire.publish(content, parent);
    }

    fn rich(&self, wire: &Wire, message: &Value) {
        let Some(parent) = self.parent.as_ref().filter(|_| !self.silent) else { return };
        let id = message["id"].as_str().map(str::to_owned);
        let update = message["update"].as_bool().unwrap_or(false);
        let metadata = message["metadata"].as_object().cloned().unwrap_or_default();
        let data = media(&message["data"]);
        match (message["kind"].as_str(), id) {
            (Some("clear"), _) => {
                wire.publish(ClearOutput { wait: message["wait"].as_bool().unwrap_or(false) }, parent)
            }
            (Some("result"), _) => {
                let execution_count = ExecutionCount::new(self.count);
                let transient = Some(Transient { display_id: None });
                wire.publish(ExecuteResult { execution_count, data, metadata, transient }, parent)
            }
            (_, Some(id)) if update => {
                let transient = Transient { display_id: Some(id) };
                wire.publish(UpdateDisplayData { data, metadata, transient }, parent)
            }
            (_, id) => {
                let transient = Some(Transient { display_id: id });
                wire.publish(DisplayData { data, metadata, transient }, parent)
            }
        }
    }
}

/// A bundle of contents by their MIME type.
fn media(data: &Value) -> Media {
    serde_json::from_value(data.clone()).unwrap_or_else(|_| {
        let plain: Map<String, Value> =
            [("text/plain".to_owned(), json!(data.to_string()))].into_iter().collect();
        serde_json::from_value(Value::Object(plain)).unwrap_or_default()
    })
}
