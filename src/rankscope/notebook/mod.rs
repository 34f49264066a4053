//! What cells of a notebook use: displays, input, and the link to the kernel that runs them.
//!
//! A cell's process tells its kernel everything on stdout, one line of JSON with [`MARK`] in front for each thing.
//! Cells call [`display()`], [`update`], [`clear`] and [`input`]; the rest is called by the code that the kernel
//! puts around them.

mod bar;
mod show;
mod signal;

use std::fmt;
use std::io::Write;
use std::sync::Once;

use serde_json::{Value, json};

use crate::rich::Rich;
use crate::run::Run;
pub use show::Show;

/// Stands before a line that is a message to the kernel and not text.
pub const MARK: &str = "\u{1}rankscope:";

/// How evcxr's own lines begin.
const EVCXR: &str = "EVCXR_";
/// A panic ended the cell.
const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
/// `?` ended the cell.
const FAILURE: &str = "EVCXR_ERROR_OCCURRED";

/// evcxr, which runs the cells, cuts a prompt at its first colon; the kernel puts it back.
const COLON: &str = "\u{2}";

/// Shows a value now, below what the cell has shown before.
///
/// ```
/// use rankscope::{Mask, notebook::display};
/// display(&Mask::causal());
/// ```
pub fn display(value: &impl Rich) {
    tell(&json!({ "kind": "display", "data": bundle(value) }));
}

/// Shows a value under a name, or in the place of what was shown under that name before (with `again`).
pub fn update(name: &str, value: &impl Rich, again: bool) {
    tell(&json!({ "kind": "display", "data": bundle(value), "id": name, "update": again }));
}

/// Takes away what the cell has shown; with `wait`, when the next thing comes.
pub fn clear(wait: bool) {
    tell(&json!({ "kind": "clear", "wait": wait }));
}

/// Asks the person at the notebook for a line of text.
pub fn input(prompt: &str) -> String {
    tell_line(&format!("EVCXR_INPUT_REQUEST:{}", prompt.replace(':', COLON).replace('\n', " ")));
    let mut line = String::new();
    // At the end of input there is nobody to ask: the answer is empty.
    let _ = std::io::stdin().read_line(&mut line);
    line.trim_end_matches(['\r', '\n']).to_owned()
}

/// Links this process to its kernel: an interrupt raises the cancel flag of every [`Run`], and every `Run` shows
/// its progress. Called once, before the first cell.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        Run::new(0).with_cancel(signal::listen()).with_progress(bar::step).share();
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("a value that is no text");
            // Lines of the file into which a cell is wrapped mean nothing to who wrote the cell.
            let place = panic.location().filter(|place| !place.file().ends_with("src/lib.rs"));
            let place = place.map_or_else(String::new, ToString::to_string);
            tell(&json!({ "kind": "panicking", "message": message, "place": place }));
        }));
    });
}

/// `print!` and its siblings in a cell: text arrives at once and in order, with or without a newline.
///
/// The code that evcxr puts around a cell prints as well, and what it says there goes to evcxr as it is.
pub fn write(name: &str, text: fmt::Arguments<'_>, newline: bool) {
    let end = if newline { "\n" } else { "" };
    let text = format!("{text}{end}");
    match text.strip_suffix('\n').filter(|line| line.starts_with(EVCXR)) {
        None => tell(&json!({ "kind": "stream", "name": name, "text": text })),
        Some(line) => {
            match line {
                PANIC => tell(&json!({ "kind": "panic" })),
                FAILURE => tell(&json!({ "kind": "failure" })),
                _ => {}
            }
            tell_line(line);
        }
    }
}

/// The text of an error, if evcxr says next that `?` ended the cell; otherwise text on stderr like any other.
pub fn unsure(text: fmt::Arguments<'_>) {
    tell(&json!({ "kind": "unsure", "text": text.to_string() }));
}

/// The value of a cell.
fn result(data: &Value) {
    tell(&json!({ "kind": "result", "data": data }));
}

fn bundle(value: &(impl Rich + ?Sized)) -> Value {
    json!({ "text/plain": value.text(), "text/html": value.html() })
}

fn tell(message: &Value) {
    tell_line(&format!("{MARK}{message}"));
}

/// One write, so that lines of several threads do not mix; without a kernel to read it, nothing is lost.
fn tell_line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush());
}
