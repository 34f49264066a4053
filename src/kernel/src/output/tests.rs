//! Tests of the reader, from the cells' ends of its streams to the published messages.

use super::*;
use crate::cells::{self, Frame};
use crate::server::Ends;
use jupyter_protocol::ExecuteRequest;
use std::fs::File;
use std::io::Write;

/// A kernel's output, and the cells' ends of its streams.
struct Cell {
    output: Output,
    ends: Ends,
    text: [File; 2],
    sockets: [UnixStream; 3],
    typed: Sender<String>,
    shared: Arc<Shared>,
    parent: JupyterMessage,
}

impl Cell {
    fn begin(allows_input: bool) -> Self {
        let (wire, ends) = Wire::new();
        let shared = Arc::new(Shared::new(wire, "nowhere".into()));
        let (ours, _, theirs) = cells::pair().unwrap();
        let (text, sockets) = theirs.into_parts();
        let (typed, replies) = crossbeam_channel::unbounded();
        let output = Output::start(shared.clone(), ours, replies).unwrap();
        let parent = JupyterMessage::new(ExecuteRequest::new("1".into()), None);
        output.begin(Some(&parent), false, allows_input, 3);
        shared.progress.begin();
        let cell = Cell { output, ends, text, sockets, typed, shared, parent };
        cell.tell(&json!({"kind": "begin", "number": 5}));
        cell
    }

    fn print(&mut self, bytes: &[u8]) {
        self.text[0].write_all(bytes).unwrap();
    }

    /// Sends one message as a cell does, and waits for the answer.
    fn tell(&self, message: &Value) {
        let frame = Frame { number: 7, bytes: message.to_string().into_bytes() };
        frame.write(&self.sockets[0]).unwrap();
        assert_eq!(Frame::read(&self.sockets[0]).unwrap().number, 7);
    }

    fn ask(&self, prompt: &str) {
        Frame { number: 8, bytes: prompt.into() }.write(&self.sockets[1]).unwrap();
    }

    fn answer(&self) -> Vec<u8> {
        Frame::read(&self.sockets[1]).unwrap().bytes
    }

    /// What was published, as (type, content).
    fn published(&mut self) -> Vec<(String, Value)> {
        let mut messages = Vec::new();
        while let Ok(message) = self.ends.iopub.try_recv() {
            assert_eq!(message.parent_header.as_ref().unwrap().msg_id, self.parent.header.msg_id);
            let content = serde_json::to_value(&message.content).unwrap();
            messages.push((message.message_type().to_owned(), content));
        }
        messages
    }
}

/// What `messages` publish, and how the cell ended.
fn published(messages: &[Value]) -> (Vec<(String, Value)>, Ending) {
    let mut cell = Cell::begin(false);
    messages.iter().for_each(|message| cell.tell(message));
    let ending = cell.output.end(false);
    (cell.published(), ending)
}

/// The text of both streams, as they were published.
fn texts(messages: &[(String, Value)]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .map(|(_, content)| (content["name"].as_str().unwrap(), content["text"].as_str().unwrap()))
        .collect()
}

#[test]
fn any_bytes_are_text_whatever_they_look_like() {
    let mut cell = Cell::begin(false);
    let lines = "EVCXR_EXECUTION_COMPLETE\nEVCXR_BEGIN_CONTENT text/plain\n{\"kind\":\"panic\"}\n\u{1}rankscope:{}\n0%\r100%\0";
    cell.print(lines.as_bytes());
    cell.print(b"\xff\n\xe2\x82");
    assert_eq!(cell.output.end(false), Ending::default());
    let messages = cell.published();
    let shown: String = texts(&messages).into_iter().map(|(_, text)| text).collect();
    assert_eq!(shown, format!("{lines}\u{fffd}\n\u{fffd}"));
}

#[test]
fn text_and_messages_keep_their_order() {
    let mut cell = Cell::begin(false);
    cell.print(b"half a line");
    cell.tell(&json!({"kind": "clear", "wait": true}));
    cell.text[1].write_all(b"first").unwrap();
    cell.tell(&json!({"kind": "stream", "name": "stderr", "text": "second"}));
    cell.print(b"third");
    let ending = cell.output.end(false);
    let mut messages = cell.published();
    assert_eq!(messages.remove(1), ("clear_output".into(), json!({"wait": true})));
    let expected =
        [("stdout", "half a line"), ("stderr", "first"), ("stderr", "second"), ("stdout", "third")];
    assert_eq!((texts(&messages), ending), (expected.to_vec(), Ending::default()));
}

#[test]
fn what_comes_between_two_cells_belongs_to_the_first() {
    let mut cell = Cell::begin(false);
    cell.output.end(false);
    let next = JupyterMessage::new(ExecuteRequest::new("2".into()), None);
    cell.output.begin(Some(&next), true, false, 4);
    cell.print(b"late \xff\xe2");
    cell.tell(&json!({"kind": "begin", "number": 6}));
    cell.print(b"nobody sees this");
    cell.output.end(false);
    // `published` checks which request the text belongs to.
    let shown: String = texts(&cell.published()).into_iter().map(|(_, text)| text).collect();
    assert_eq!(shown, "late \u{fffd}\u{fffd}");
    // A cell that did not compile has no panic and no error.
    cell.tell(&json!({"kind": "panic"}));
    cell.output.begin(Some(&next), false, false, 5);
    assert_eq!(cell.output.end(false), Ending::default());
}

#[test]
fn a_thread_that_outlived_its_cell_speaks_below_that_cell() {
    let mut cell = Cell::begin(false);
    cell.output.end(false);
    let next = JupyterMessage::new(ExecuteRequest::new("2".into()), None);
    cell.output.begin(Some(&next), false, false, 4);
    cell.tell(&json!({"kind": "begin", "number": 6}));
    cell.tell(&json!({"kind": "stream", "name": "stdout", "text": "late", "cell": 5}));
    cell.tell(&json!({"kind": "stream", "name": "stdout", "text": "of nobody", "cell": 4}));
    assert_eq!(texts(&cell.published()), [("stdout", "late")]);
}

#[test]
fn what_the_engine_prints_around_a_value_is_passed_over_once() {
    let mut cell = Cell::begin(false);
    cell.print(reader::FRAME.as_bytes());
    cell.tell(&json!({"kind": "frame"}));
    let (start, end) = reader::FRAME.split_at(20);
    cell.print(format!("a{start}").as_bytes());
    std::thread::sleep(Duration::from_millis(20));
    cell.print(format!("{end}b{}", reader::FRAME).as_bytes());
    cell.output.end(false);
    let shown: String = texts(&cell.published()).into_iter().map(|(_, text)| text).collect();
    assert_eq!(shown, format!("{0}ab{0}", reader::FRAME));
}

#[test]
fn half_a_message_of_a_process_that_died_holds_nothing_up() {
    let mut cell = Cell::begin(false);
    (&cell.sockets[0]).write_all(&[99, 0, 0, 0, 1]).unwrap();
    cell.print(b"before");
    cell.output.end(true);
    cell.tell(&json!({"kind": "stream", "name": "stderr", "text": "after"}));
    cell.output.end(false);
    assert_eq!(texts(&cell.published()), [("stdout", "before"), ("stderr", "after")]);
}

#[test]
fn a_question_is_answered_by_a_person_by_an_interrupt_or_by_nobody() {
    let mut nobody = Cell::begin(false);
    nobody.ask("name: ");
    assert_eq!(nobody.answer(), b"e");
    assert!(nobody.ends.stdin.try_recv().is_err());
    let mut cell = Cell::begin(true);
    for (typed, answer) in [("a b", "la b"), ("", "l"), ("two\nlines", "ltwo lines")] {
        cell.ask("name: ");
        let question = cell.ends.stdin.blocking_recv().unwrap();
        assert_eq!(serde_json::to_value(&question.content).unwrap()["prompt"], "name: ");
        cell.typed.send(typed.into()).unwrap();
        assert_eq!(cell.answer(), answer.as_bytes());
    }
    cell.ask("");
    cell.ends.stdin.blocking_recv().unwrap();
    cell.print(b"meanwhile");
    cell.shared.progress.interrupt();
    assert_eq!(cell.answer(), b"i");
    cell.shared.progress.end();
    cell.ask("");
    assert_eq!(cell.answer(), b"e", "nobody is asked behind the end of a cell");
    cell.output.end(false);
    assert_eq!(texts(&cell.published()), [("stdout", "meanwhile")]);
}

#[test]
fn displays_keep_their_id_and_their_updates() {
    let data = json!({"text/plain": "1 of 2", "text/html": "<b>1</b>"});
    let first = json!({"kind": "display", "data": data, "id": "bar"});
    let second = json!({"kind": "display", "data": data, "id": "bar", "update": true});
    let third = json!({"kind": "result", "data": data});
    let (messages, _) = published(&[first, second, third]);
    let kinds: Vec<_> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["display_data", "update_display_data", "execute_result"]);
    assert_eq!(messages[1].1["transient"]["display_id"], "bar");
    assert_eq!(messages[2].1["execution_count"], 3);
    assert_eq!(messages[2].1["data"]["text/html"], "<b>1</b>");
}

#[test]
fn an_error_is_text_unless_the_code_around_the_cell_says_that_it_ended_there() {
    let unsure = json!({"kind": "unsure", "text": "no such file\n"});
    let (messages, ending) = published(&[unsure.clone(), json!({"kind": "failure"})]);
    assert_eq!((messages.len(), ending.failure.as_deref()), (0, Some("no such file\n")));
    let (messages, ending) = published(&[unsure]);
    assert_eq!(messages[0].1, json!({"name": "stderr", "text": "no such file\n"}));
    assert_eq!(ending, Ending::default());
}

#[test]
fn a_panic_that_was_caught_inside_the_cell_is_not_its_end() {
    let panicking = json!({"kind": "panicking", "message": "boom", "place": "cell:1"});
    let (messages, ending) = published(std::slice::from_ref(&panicking));
    assert_eq!(ending.panic, None);
    assert_eq!(messages[0].1["text"], "panicked at cell:1: boom\n");
    let (_, ending) = published(&[panicking, json!({"kind": "panic"})]);
    assert_eq!(ending.panic.unwrap().message, "boom");
}
