//! What the child prints, as Jupyter messages, while the cell runs.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use jupyter_protocol::{
    ClearOutput, DisplayData, ExecuteResult, ExecutionCount, JupyterMessage, Media, StreamContent, Transient,
    UpdateDisplayData,
};
use serde_json::{Map, Value, json};

use crate::server::Wire;

/// Stands before a line of the child that is a message and not text. The library has the same (`notebook::MARK`).
pub const MARK: &str = "\u{1}rankscope:";

/// A panic, as the library's hook saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panic {
    pub message: String,
    pub place: String,
}

/// What is known about the cell that runs.
#[derive(Default)]
struct Current {
    parent: Option<JupyterMessage>,
    silent: bool,
    count: usize,
    panic: Option<Panic>,
    panicked: bool,
    /// Text that the code around a cell wrote just before it may say that `?` returned an error.
    unsure: Option<String>,
    failure: Option<String>,
}

/// How a cell's own code ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// It panicked.
    pub panic: Option<Panic>,
    /// `?` returned this error.
    pub failure: Option<String>,
}

/// Publishes what the child prints; shared by the engine and the thread that reads.
#[derive(Clone)]
pub struct Output {
    current: Arc<Mutex<Current>>,
    fence: Sender<Sender<()>>,
}

impl Output {
    /// Starts the thread that reads the child's two streams.
    pub fn start(wire: Wire, stdout: Receiver<String>, stderr: Receiver<String>) -> Self {
        let (fence, fences) = crossbeam_channel::unbounded::<Sender<()>>();
        let output = Output { current: Arc::default(), fence };
        let reader = output.clone();
        std::thread::spawn(move || reader.read(&wire, &stdout, &stderr, &fences));
        output
    }

    /// From now on output belongs to `parent`.
    pub fn begin(&self, parent: Option<&JupyterMessage>, silent: bool, count: usize) {
        let parent = parent.cloned();
        *self.current() = Current { parent, silent, count, ..Current::default() };
    }

    /// Waits until all that the cell printed is published; says how it ended.
    pub fn end(&self) -> Ending {
        let (done, wait) = crossbeam_channel::bounded(1);
        if self.fence.send(done).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(5));
        }
        let current = self.current();
        let panic = current.panicked.then(|| current.panic.clone().unwrap_or_default());
        Ending { panic, failure: current.failure.clone() }
    }

    /// Publishes the value of a cell.
    pub fn result(&self, wire: &Wire, data: &Value) {
        self.current().handle(wire, &json!({ "kind": "result", "data": data }));
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn read(
        &self,
        wire: &Wire,
        stdout: &Receiver<String>,
        stderr: &Receiver<String>,
        fences: &Receiver<Sender<()>>,
    ) {
        loop {
            select! {
                recv(stdout) -> line => match line {
                    Ok(line) => self.current().line(wire, &line),
                    Err(_) => return,
                },
                recv(stderr) -> line => match line {
                    Ok(line) => self.current().stream(wire, "stderr", &format!("{line}\n")),
                    Err(_) => return,
                },
                recv(fences) -> done => {
                    let Ok(done) = done else { return };
                    stdout.try_iter().for_each(|line| self.current().line(wire, &line));
                    // The other pipe has its own reader, which may be a moment behind.
                    while let Ok(line) = stderr.recv_timeout(Duration::from_millis(2)) {
                        self.current().stream(wire, "stderr", &format!("{line}\n"));
                    }
                    let mut current = self.current();
                    current.settle(wire);
                    current.mention_caught_panic(wire);
                    let _ = done.send(());
                }
            }
        }
    }
}

impl Current {
    /// One line of stdout: text, a message, or the one after the other.
    fn line(&mut self, wire: &Wire, line: &str) {
        match line.split_once(MARK) {
            None => self.stream(wire, "stdout", &format!("{line}\n")),
            Some((text, message)) => {
                self.stream(wire, "stdout", text);
                match serde_json::from_str(message) {
                    Ok(message) => self.handle(wire, &message),
                    Err(_) => self.stream(wire, "stdout", &format!("{message}\n")),
                }
            }
        }
    }

    fn handle(&mut self, wire: &Wire, message: &Value) {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        match message["kind"].as_str() {
            Some("unsure") => {
                self.settle(wire);
                self.unsure = Some(text("text"));
            }
            Some("failure") => self.failure = Some(self.unsure.take().unwrap_or_default()),
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

    /// Text that was no error after all is what it looked like: text on stderr.
    fn settle(&mut self, wire: &Wire) {
        if let Some(text) = self.unsure.take() {
            self.stream(wire, "stderr", &text);
        }
    }

    /// A panic that did not end the cell was on another thread, or was caught: no error, but worth a line.
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

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::ExecuteRequest;

    /// What `lines` publish, as (type, content), and how the cell ended.
    fn published(lines: &[String]) -> (Vec<(String, Value)>, Ending) {
        let (wire, mut ends) = Wire::new();
        let (stdout, lines_out) = crossbeam_channel::unbounded();
        let (_stderr, lines_err) = crossbeam_channel::unbounded();
        let output = Output::start(wire, lines_out, lines_err);
        let parent = JupyterMessage::new(ExecuteRequest::new("1".into()), None);
        output.begin(Some(&parent), false, 3);
        lines.iter().for_each(|line| stdout.send(line.clone()).unwrap());
        let ending = output.end();
        let mut messages = Vec::new();
        while let Ok(message) = ends.iopub.try_recv() {
            assert_eq!(message.parent_header.as_ref().unwrap().msg_id, parent.header.msg_id);
            let content = serde_json::to_value(&message.content).unwrap();
            messages.push((message.message_type().to_owned(), content));
        }
        (messages, ending)
    }

    fn marked(message: Value) -> String {
        format!("{MARK}{message}")
    }

    #[test]
    #[cfg(feature = "library")]
    fn kernel_and_library_use_the_same_mark() {
        assert_eq!(MARK, rankscope::notebook::MARK);
    }

    #[test]
    fn text_before_a_message_on_the_same_line_is_text() {
        let line = format!("half a line{}", marked(json!({"kind": "clear", "wait": true})));
        let (messages, ending) = published(&[line]);
        assert_eq!(messages[0].1["text"], "half a line");
        assert_eq!(messages[1], ("clear_output".into(), json!({"wait": true})));
        assert_eq!(ending, Ending::default());
    }

    #[test]
    fn displays_keep_their_id_and_their_updates() {
        let data = json!({"text/plain": "1 of 2", "text/html": "<b>1</b>"});
        let first = marked(json!({"kind": "display", "data": data, "id": "bar"}));
        let second = marked(json!({"kind": "display", "data": data, "id": "bar", "update": true}));
        let third = marked(json!({"kind": "result", "data": data}));
        let (messages, _) = published(&[first, second, third]);
        let kinds: Vec<_> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["display_data", "update_display_data", "execute_result"]);
        assert_eq!(messages[1].1["transient"]["display_id"], "bar");
        assert_eq!(messages[2].1["execution_count"], 3);
        assert_eq!(messages[2].1["data"]["text/html"], "<b>1</b>");
    }

    #[test]
    fn an_error_is_text_unless_the_code_around_the_cell_says_that_it_ended_there() {
        let unsure = marked(json!({"kind": "unsure", "text": "no such file\n"}));
        let (messages, ending) = published(&[unsure.clone(), marked(json!({"kind": "failure"}))]);
        assert_eq!((messages.len(), ending.failure.as_deref()), (0, Some("no such file\n")));
        let (messages, ending) = published(&[unsure]);
        assert_eq!(messages[0].1, json!({"name": "stderr", "text": "no such file\n"}));
        assert_eq!(ending, Ending::default());
    }

    #[test]
    fn a_panic_that_was_caught_inside_the_cell_is_not_its_end() {
        let panicking = marked(json!({"kind": "panicking", "message": "boom", "place": "cell:1"}));
        let (messages, ending) = published(std::slice::from_ref(&panicking));
        assert_eq!(ending.panic, None);
        assert_eq!(messages[0].1["text"], "panicked at cell:1: boom\n");
        let (_, ending) = published(&[panicking, marked(json!({"kind": "panic"}))]);
        assert_eq!(ending.panic.unwrap().message, "boom");
    }
}
