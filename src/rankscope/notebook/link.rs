//! The link from the process of the cells to its kernel: functions that the kernel's program passes to the library.
//!
//! The output of cells is text and goes to the standard streams; messages use another channel, so that text cannot be
//! mistaken for a message.

use std::ffi::{c_int, c_void};
use std::io::{self, Write};
use std::panic::Location;
use std::sync::OnceLock;

use serde_json::Value;

/// The functions of the kernel's program for the library, as C functions on bytes of UTF-8.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Link {
    /// Sends one message, a JSON object, to the kernel; returns when all earlier output, and then the message, is
    /// shown.
    pub tell: extern "C" fn(text: *const u8, length: usize),
    /// Asks the user of the notebook for a line: returns 0 after a call of `take` with the line, 1 if nobody answers, 2
    /// if the cell was interrupted.
    pub ask: extern "C" fn(prompt: *const u8, length: usize, take: Take, taker: *mut c_void) -> c_int,
    /// Writes one line to the engine that runs the cells.
    pub engine: extern "C" fn(line: *const u8, length: usize),
    /// The code that the engine added at this line, counted from 1, of the running cell.
    pub at: extern "C" fn(line: u32) -> c_int,
    /// The number of the cell whose code or constants are at an address; 0 if that cell is the running one, or if the
    /// address is in no cell.
    pub earlier_cell: extern "C" fn(address: *const c_void) -> u32,
}

/// The code that the engine added at a line of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// None: the line is the cell's own code.
    Own,
    /// The code that runs after a panic.
    Panicked,
    /// The code that formats the value of the cell.
    Value,
}

/// Receives a line for `taker`.
pub type Take = extern "C" fn(taker: *mut c_void, text: *const u8, length: usize);

static LINK: OnceLock<Link> = OnceLock::new();

/// Links this process to its kernel; only the first call counts.
pub fn link(link: Link) {
    let _ = LINK.set(link);
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A line without its end.
    Line(String),
    /// There is nobody to ask.
    End,
    /// The cell was interrupted while it waited.
    Interrupted,
}

/// Sends the kernel a message about the calling cell. Without a kernel, a message that can be shown as text is printed.
#[track_caller]
pub(super) fn tell(mut message: Value) {
    match LINK.get() {
        Some(link) => {
            if let Some(cell) = earlier_cell(Location::caller()) {
                message["cell"] = cell.into();
            }
            // Buffered text was printed before this message, so it is written first.
            flush();
            let text = message.to_string();
            (link.tell)(text.as_ptr(), text.len());
        }
        None => {
            if let Some(text) = message["data"]["text/plain"].as_str() {
                println!("{text}");
            }
        }
    }
}

/// Asks the user of the notebook for a line; without a kernel, a line is read from the standard input.
pub(super) fn ask(prompt: &str) -> Answer {
    extern "C" fn take(taker: *mut c_void, text: *const u8, length: usize) {
        // SAFETY: the kernel's program calls this while `ask` waits, with its `taker` and with valid bytes.
        let (line, text) =
            unsafe { (&mut *taker.cast::<String>(), std::slice::from_raw_parts(text, length)) };
        *line = String::from_utf8_lossy(text).into_owned();
    }
    let mut line = String::new();
    flush();
    let Some(link) = LINK.get() else {
        print!("{prompt}");
        flush();
        let read = io::stdin().read_line(&mut line);
        let is_there = read.is_ok_and(|count| count > 0);
        return if is_there { Answer::Line(line.trim_end_matches(['\r', '\n']).into()) } else { Answer::End };
    };
    match (link.ask)(prompt.as_ptr(), prompt.len(), take, (&raw mut line).cast()) {
        0 => Answer::Line(line),
        1 => Answer::End,
        _ => Answer::Interrupted,
    }
}

/// Writes one line to the engine.
pub(super) fn engine(line: &str) {
    if let Some(link) = LINK.get() {
        (link.engine)(line.as_ptr(), line.len());
    }
}

/// The code that the engine added at a line of the running cell.
pub(super) fn at(line: u32) -> Place {
    match LINK.get().map(|link| (link.at)(line)) {
        Some(1) => Place::Panicked,
        Some(2) => Place::Value,
        _ => Place::Own,
    }
}

/// The number of the calling cell, if it is not the running one: a thread may outlive its cell.
pub(super) fn earlier_cell(place: &'static Location<'static>) -> Option<u32> {
    let number = LINK.get().map(|link| (link.earlier_cell)(std::ptr::from_ref(place).cast()))?;
    (number > 0).then_some(number)
}

/// Flushes the standard output.
pub fn flush() {
    let _ = io::stdout().flush();
}
