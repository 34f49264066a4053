//! Functions for the cells of a notebook: displays, input, and the link to the kernel that runs them.
//!
//! Cells call [`display()`], [`update`], [`clear`], [`input`] and [`interact`]; the other functions are called by the
//! code that the kernel adds around them. The output of cells is text on the standard streams; everything else goes
//! over a [`Link`].

mod bar;
mod interact;
mod link;
mod show;
mod signal;

use std::fmt::{self, Debug};
use std::io::Write;
use std::panic::Location;
use std::sync::Once;

use serde_json::{Value, json};

use crate::rich::{Rich, standalone};
use crate::run::Run;
pub use interact::{
    Button, Checkbox, Control, Controls, Dropdown, MaskPainter, Number, Slider, TextInput, button, call,
    checkbox, dropdown, interact, mask_painter, slider, text_input,
};
use link::{Answer, Place, tell};
pub use link::{Link, Take, flush, link};
pub use show::{Show, ShowPlain};

/// The text that evcxr prints after a panic ended the cell.
const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
/// The text that evcxr prints after `?` ended the cell.
const FAILURE: &str = "EVCXR_ERROR_OCCURRED";
/// evcxr's own module in every cell; its output is meant for evcxr.
const ENGINE: &str = "::evcxr_internal_runtime";

/// Shows a value now, below the earlier output of the cell.
///
/// ```
/// use rankscope::{Mask, notebook::display};
/// display(&Mask::causal());
/// ```
#[track_caller]
pub fn display(value: &dyn Rich) {
    tell(json!({ "kind": "display", "data": bundle(value) }));
}

/// Shows a value under a name; with `again`, it replaces the value that is shown under that name.
#[track_caller]
pub fn update(name: &str, value: &dyn Rich, again: bool) {
    tell(json!({ "kind": "display", "data": bundle(value), "id": name, "update": again }));
}

/// Clears the output of the cell; with `wait`, only when the next output comes.
#[track_caller]
pub fn clear(wait: bool) {
    tell(json!({ "kind": "clear", "wait": wait }));
}

/// Asks the user of the notebook for a line of text; empty if nobody answers.
///
/// # Panics
/// If the cell is interrupted while it waits: that ends the cell, and keeps its variables.
pub fn input(prompt: &str) -> String {
    match link::ask(prompt) {
        Answer::Line(line) => line,
        Answer::End => String::new(),
        Answer::Interrupted => panic!("interrupted"),
    }
}

/// Prepares this process for cells: an interrupt raises the cancel flag of every [`Run`], and every `Run` shows its
/// progress. Called once, before the first cell.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        Run::new(0).with_cancel(signal::listen()).with_progress(bar::step).share();
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("a value that is no text");
            // The file that wraps a cell means nothing to the cell's author, so it is not named.
            let place = panic.location().filter(|place| !place.file().ends_with("src/lib.rs"));
            let place = place.map_or_else(String::new, ToString::to_string);
            if interact::keeps_panic(message, &place) {
                return;
            }
            tell(json!({ "kind": "panicking", "message": message, "place": place }));
        }));
    });
}

/// `print!` and `println!` in a cell: text arrives at once, with or without a newline. `module` is the module of the
/// call.
#[track_caller]
pub fn print(text: fmt::Arguments<'_>, newline: bool, module: &str) {
    if module.ends_with(ENGINE) {
        return link::engine(&text.to_string());
    }
    let text = format!("{text}{}", if newline { "\n" } else { "" });
    // This is a thread that outlived its cell; the kernel knows the cell.
    if link::earlier_cell(Location::caller()).is_some() {
        return tell(json!({ "kind": "stream", "name": "stdout", "text": text }));
    }
    // One write, so that lines of several threads do not mix.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// `eprint!` and `eprintln!` in a cell: text on stderr, in order with everything else.
#[track_caller]
pub fn eprint(text: fmt::Arguments<'_>, newline: bool) {
    let end = if newline { "\n" } else { "" };
    tell(json!({ "kind": "stream", "name": "stderr", "text": format!("{text}{end}") }));
}

/// evcxr's notice of a panic. On a `line` that evcxr wrote, a panic ended the cell; on any other line, the notice is
/// text that the cell prints.
pub fn panicked(line: u32) {
    if link::at(line) != Place::Panicked {
        return print(format_args!("{PANIC}"), true, "");
    }
    tell(json!({ "kind": "panic" }));
    link::engine(PANIC);
}

/// `format!("{:?}", &(value))` in a cell. On the `line` where evcxr formats the value of the cell, `show` shows it, and
/// the markers that evcxr prints around it are left out.
pub fn debug<T: Debug + ?Sized>(line: u32, value: &T, show: impl FnOnce(&T)) -> String {
    if link::at(line) != Place::Value {
        return format!("{value:?}");
    }
    show(value);
    frame();
    String::new()
}

/// The next output of evcxr is a pair of markers without content.
#[inline(never)]
fn frame() {
    tell(json!({ "kind": "frame" }));
}

/// `?` ended the cell.
pub fn failed() {
    tell(json!({ "kind": "failure" }));
    link::engine(FAILURE);
}

/// Text on stderr, or the text of an error if evcxr says next that `?` ended the cell.
#[track_caller]
pub fn unsure(text: fmt::Arguments<'_>) {
    tell(json!({ "kind": "unsure", "text": text.to_string() }));
}

/// The value of a cell.
fn result(data: &Value) {
    tell(json!({ "kind": "result", "data": data }));
}

fn bundle(value: &dyn Rich) -> Value {
    json!({ "text/plain": value.text(), "text/html": standalone(&value.html()) })
}
