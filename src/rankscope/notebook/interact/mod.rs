//! [`interact`]: controls below a cell, and a closure that is called when one of them moves.
//!
//! The controls are one widget of Jupyter: a state that front ends and the kernel share, and a script that draws it
//! (`controls.js`). The kernel sends each move to this process, where the closure is registered; nothing is compiled
//! again.

mod controls;

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

pub use controls::{
    Button, Checkbox, Control, Controls, Dropdown, MaskPainter, Number, Slider, TextInput, button, checkbox,
    dropdown, mask_painter, slider, text_input,
};

use super::bundle;
use super::link::tell;
use crate::rich::{Rich, escape};

/// The script that draws the controls: a module for anywidget.
const SCRIPT: &str = include_str!("controls.js");
/// The text that is shown where the controls are not drawn.
const STATIC: &str =
    "The controls move in Jupyter with a running kernel and anywidget (pip install anywidget).";

/// A closure that takes the values of its controls: it returns the display, or an error message.
type Answer = Box<dyn FnMut(&[Value]) -> Result<Value, String> + Send>;

/// The closures by the names of their widgets.
static ANSWERS: LazyLock<Mutex<HashMap<String, Answer>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// The text of a panic, while a closure runs on this thread.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Shows controls, and what a closure returns for their values; when a control is moved, the closure is called again, and
/// its result replaces the earlier display.
///
/// The closure takes the value of the control, or a tuple where there are several. It is called while no cell runs; if
/// several moves arrive during a cell, only the last one counts. If it returns an error or panics, the error is shown
/// below the controls, and variables and controls stay. Running its cell again ends it. Without anywidget, and in a
/// saved notebook, the last display stays.
///
/// ```
/// use rankscope::{Mask, notebook::{checkbox, interact, slider}};
/// interact(slider("prefix", 0..=64), |p: i64| Mask::prefix(p as usize));
/// interact((slider("size", 1..=8), checkbox("two-sided", false)), |(size, both): (usize, bool)| {
///     if both { Mask::two_sided_window(size) } else { Mask::window(size) }
/// });
/// ```
#[track_caller]
pub fn interact<C, F, R>(controls: C, mut show: F)
where
    C: Controls + Send + 'static,
    F: FnMut(C::Values) -> R + Send + 'static,
    R: Rich,
{
    let drawn = controls.all_drawn();
    let answer = move |values: &[Value]| Ok(bundle(&show(controls.read_all(values)?)));
    place(&drawn, Box::new(answer));
}

/// Shows drawn controls and the first answer. Separate from the generic function, which is compiled again in every
/// cell.
#[track_caller]
fn place(drawn: &[Value], mut answer: Answer) {
    let values: Vec<Value> = drawn.iter().map(|control| control["value"].clone()).collect();
    // A panic here counts as a panic of the cell.
    let first = answer(&values);
    let id = fresh_name();
    let state = json!({
        "_model_module": "anywidget", "_model_name": "AnyModel", "_model_module_version": "*",
        "_view_module": "anywidget", "_view_name": "AnyView", "_view_module_version": "*",
        "_view_count": null, "_dom_classes": [], "layout": null, "tabbable": null, "tooltip": null,
        "_anywidget_id": "rankscope.Controls", "_esm": SCRIPT, "controls": drawn, "values": values, "asked": 0,
        "answered": 0, "error": "", "name": id, "shown": null, "is_reloaded": false,
    });
    tell(json!({ "kind": "widget", "do": "open", "id": id, "state": state }));
    open().insert(id.clone(), answer);
    let settings: Vec<String> = drawn
        .iter()
        .map(|control| format!("{} = {}", plain(&control["label"]), plain(&control["value"])))
        .collect();
    let text = format!("{}. {STATIC}", settings.join(", "));
    let html = format!("<p style=\"overflow-wrap:anywhere\"><small>{}</small></p>", escape(&text));
    let view = json!({ "version_major": 2, "version_minor": 1, "model_id": id });
    let data =
        json!({ "text/plain": text, "text/html": html, "application/vnd.jupyter.widget-view+json": view });
    tell(json!({ "kind": "display", "data": data }));
    tell_shown(&id, first, &Move::default());
}

/// The kernel's message about a move.
#[derive(Default, Deserialize)]
struct Move {
    /// The name of the widget.
    id: String,
    /// The values of all controls; `None` if the widget was closed.
    values: Option<Vec<Value>>,
    /// The number of the move: 0 for the display before the first move.
    #[serde(default)]
    asked: u64,
    /// Whether the page was reloaded: it no longer knows which output to update, so its script does the update.
    #[serde(default)]
    is_reloaded: bool,
}

/// Answers a message of the kernel: new values of a widget's controls, or none if the widget was closed.
pub fn call(message: &[u8]) {
    let Ok(moved) = serde_json::from_slice::<Move>(message) else { return };
    // Removed from the map during the call, because the closure may open widgets itself.
    let Some(mut answer) = open().remove(&moved.id) else { return };
    let Some(values) = &moved.values else { return };
    PANIC.set(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(|| answer(values)));
    let panic = PANIC.take().unwrap_or_default();
    let outcome = outcome.unwrap_or_else(|_| Err(format!("panicked: {panic}")));
    open().insert(moved.id.clone(), answer);
    tell_shown(&moved.id, outcome, &moved);
}

/// Keeps the text of a panic, if a closure of [`interact`] runs on this thread; returns whether one does.
pub(super) fn keeps_panic(message: &str, place: &str) -> bool {
    PANIC.with_borrow_mut(|panic| {
        let Some(text) = panic else { return false };
        *text = if place.is_empty() { message.to_owned() } else { format!("{message} ({place})") };
        true
    })
}

/// Shows an answer; or shows an error and keeps the last answer.
#[track_caller]
fn tell_shown(id: &str, outcome: Result<Value, String>, moved: &Move) {
    let mut state = json!({ "error": "", "answered": moved.asked });
    match outcome {
        Ok(mut data) => {
            if moved.is_reloaded {
                state["shown"] = data["text/html"].clone();
            }
            let html = data["text/html"].as_str().unwrap_or_default();
            data["text/html"] = format!("<div data-rankscope=\"{id}\">{html}</div>").into();
            let again = moved.asked > 0;
            tell(json!({ "kind": "display", "data": data, "id": format!("{id}-shown"), "update": again }));
        }
        Err(error) => state["error"] = error.into(),
    }
    tell(json!({ "kind": "widget", "do": "update", "id": id, "state": state }));
}

fn open() -> MutexGuard<'static, HashMap<String, Answer>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name that no other widget of this kernel has.
fn fresh_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("rankscope-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A value in words.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Mask;

    fn answer<C: Controls + Send + 'static, R: Rich>(
        controls: C,
        mut show: impl FnMut(C::Values) -> R + Send + 'static,
    ) -> Answer {
        Box::new(move |values| Ok(bundle(&show(controls.read_all(values)?))))
    }

    #[test]
    fn a_closure_gets_the_values_of_its_controls() {
        let controls = (slider("size", 1..=8), checkbox("both", true));
        let drawn = controls.all_drawn();
        assert_eq!(
            (&drawn[0]["value"], &drawn[0]["max"], &drawn[1]["value"]),
            (&json!(1), &json!(8), &json!(true))
        );
        let mut answer = answer(controls, |(size, both): (usize, bool)| format!("{size} {both}"));
        assert_eq!(answer(&[json!(3), json!(false)]).unwrap()["text/plain"], "3 false");
        let expected = "size is 9, expected a whole number from 1 to 8";
        assert_eq!(answer(&[json!(9), json!(false)]).unwrap_err(), expected);
        assert_eq!(answer(&[json!(3)]).unwrap_err(), "1 value came for 2 controls");
    }

    #[test]
    fn a_panic_is_kept_with_its_text_and_the_closure_lives_on() {
        let broken = answer(slider("prefix", 0..=4), |p: i64| {
            assert!(p < 4, "too far");
            Mask::prefix(p as usize)
        });
        open().insert("a".into(), broken);
        let call_with =
            |value: i64| call(json!({"id": "a", "values": [value], "asked": 1}).to_string().as_bytes());
        call_with(4);
        assert!(open().contains_key("a"), "it stays after a panic");
        call_with(2);
        assert!(!keeps_panic("elsewhere", ""), "no closure runs here");
        call(br#"{"id": "a"}"#);
        assert!(!open().contains_key("a"), "it was closed");
    }
}
