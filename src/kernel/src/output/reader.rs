//! The thread that reads the cells' text, messages and questions.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender};
use serde_json::Value;

use super::text::Text;
use super::{Current, Fence, ask};
use crate::cells::{Frame, Ours, read_waiting, wait};
use crate::open;
use crate::server::Shared;

/// The reader, with all that it reads.
pub struct Reader {
    pub current: Arc<Mutex<Current>>,
    pub shared: Arc<Shared>,
    /// The lines typed for cells that asked.
    pub replies: Receiver<String>,
    pub ours: Ours,
    pub fences: Receiver<Fence>,
    /// A byte arrives with every fence.
    pub wake: UnixStream,
    pub texts: [Text; 2],
    /// Text that may have a frame in it, once one was announced.
    pub framed: Option<String>,
}

/// The text that evcxr prints on stdout around a value that the library has shown.
pub const FRAME: &str = "EVCXR_BEGIN_CONTENT text/plain\n\nEVCXR_END_CONTENT\n";

/// The names of the streams, in the order of their pipes.
const NAMES: [&str; 2] = ["stdout", "stderr"];

impl Reader {
    /// Reads until the engine is gone.
    pub fn run(mut self) {
        loop {
            let Ours { stdout, stderr, tell, ask, .. } = &self.ours;
            let [out, err] = [stdout, stderr].map(AsRawFd::as_raw_fd);
            let files = [out, err, tell.as_raw_fd(), ask.as_raw_fd(), self.wake.as_raw_fd()];
            let [.., is_woken] = wait(files, -1);
            self.read_text();
            self.read_messages();
            self.read_questions();
            if is_woken && !self.pass_fence() {
                return;
            }
        }
    }

    /// Publishes the text that has arrived.
    fn read_text(&mut self) {
        let pipes = [&mut self.ours.stdout, &mut self.ours.stderr];
        for ((pipe, text), name) in pipes.into_iter().zip(&mut self.texts).zip(NAMES) {
            let mut shown = text.push(&read_waiting(pipe));
            if name == NAMES[0] {
                shown = without_frame(&mut self.framed, shown);
            }
            open(&self.current).stream(&self.shared.wire, name, &shown);
        }
    }

    /// Publishes incomplete text: nothing more will come.
    fn finish_text(&mut self) {
        let mut current = open(&self.current);
        if let Some(rest) = self.framed.take() {
            current.stream(&self.shared.wire, NAMES[0], &rest);
        }
        for (text, name) in self.texts.iter_mut().zip(NAMES) {
            current.stream(&self.shared.wire, name, &text.finish());
        }
    }

    /// Handles messages, each after the text that was printed before it, and answers them.
    fn read_messages(&mut self) {
        while let Some(Frame { number, bytes }) = self.ours.tell.next() {
            self.read_text();
            let message: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            match message["kind"].as_str() {
                Some("frame") => _ = self.framed.get_or_insert_default(),
                Some("begin") => self.finish_text(),
                _ => {}
            }
            if message["kind"] == "widget" {
                if let Some(parent) = open(&self.current).of_widget(&message) {
                    self.shared.widgets.tell(&self.shared.wire, &parent, &message);
                }
            } else {
                open(&self.current).handle(&self.shared.wire, &message);
            }
            let answer = Frame { number, bytes: Vec::new() };
            // The process that sent the message may have died meanwhile.
            let _ = self.ours.tell.answers().and_then(|socket| answer.write(&socket));
        }
    }

    /// Each question waits for its answer on a thread of its own, so that output is shown meanwhile.
    fn read_questions(&mut self) {
        while let Some(question) = self.ours.ask.next() {
            self.read_text();
            let Ok(socket) = self.ours.ask.answers() else { return };
            let (shared, replies) = (self.shared.clone(), self.replies.clone());
            let asker = open(&self.current).asker();
            std::thread::spawn(move || {
                let answer = ask::answer(&shared, &replies, asker, &question.bytes);
                let _ = Frame { bytes: answer.to_bytes(), ..question }.write(&socket);
            });
        }
    }

    /// Publishes everything that was printed before the fence; `false` if the engine has ended.
    fn pass_fence(&mut self) -> bool {
        let mut woken = [0];
        if !matches!(self.wake.read(&mut woken), Ok(1)) {
            return false;
        }
        let Ok(Fence { has_died, done }) = self.fences.recv() else { return false };
        self.read_text();
        self.read_messages();
        if has_died {
            self.ours.tell.forget();
            self.ours.ask.forget();
        }
        self.finish_text();
        let mut current = open(&self.current);
        current.settle(&self.shared.wire);
        current.mention_caught_panic(&self.shared.wire);
        drop(current);
        let _ = done.send(());
        true
    }
}

/// Text without the frame that was announced; text is held back until the frame has arrived.
fn without_frame(framed: &mut Option<String>, text: String) -> String {
    let Some(waiting) = framed else { return text };
    waiting.push_str(&text);
    let Some((before, after)) = waiting.split_once(FRAME) else { return String::new() };
    let rest = format!("{before}{after}");
    *framed = None;
    rest
}

/// Wakes the reader for a fence.
pub fn wake(mut socket: &UnixStream, fences: &Sender<Fence>, fence: Fence) -> bool {
    fences.send(fence).is_ok() && socket.write_all(&[1]).is_ok()
}
