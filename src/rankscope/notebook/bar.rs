//! The progress of every [`Run`](crate::Run) in a cell, as one bar that is updated, and removed when the work is done.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use super::link::tell;
use super::signal;
use crate::label::escape;
use crate::run::Progress;

/// The time before a bar is shown: shorter work shows no bar.
const PATIENCE: Duration = Duration::from_millis(300);
/// The shortest time between two updates.
const PAUSE: Duration = Duration::from_millis(100);

struct Bar {
    cell: usize,
    began: Instant,
    drawn: Option<Instant>,
}

static BAR: Mutex<Option<Bar>> = Mutex::new(None);

/// Draws a step if the bar is due.
pub fn step(progress: Progress) {
    let cell = signal::cell();
    let is_done = progress.done >= progress.total;
    let Some(again) = due(cell, is_done) else { return };
    let id = format!("progress-{cell}");
    let Progress { stage, done, total } = progress;
    let shown = escape(&stage);
    let (text, html) = match is_done {
        // At the end the bar is removed, because it would stay in the output.
        true => (String::new(), String::new()),
        false => (
            format!("{stage} {done}/{total}"),
            format!(
                "<progress value=\"{done}\" max=\"{total}\" aria-label=\"{shown}\"></progress> {shown} {done}/{total}"
            ),
        ),
    };
    let data = json!({ "text/plain": text, "text/html": html });
    tell(json!({ "kind": "display", "data": data, "id": id, "update": again }));
}

/// Whether to draw now, and if so, whether it is an update: `false` the first time, then `true`.
fn due(cell: usize, is_last: bool) -> Option<bool> {
    let mut bar = BAR.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let now = Instant::now();
    if bar.as_ref().is_none_or(|bar| bar.cell != cell) {
        *bar = Some(Bar { cell, began: now, drawn: None });
    }
    let bar = bar.as_mut()?;
    let is_due = match bar.drawn {
        None => now - bar.began >= PATIENCE && !is_last,
        Some(drawn) => is_last || now - drawn >= PAUSE,
    };
    let again = bar.drawn.is_some();
    is_due.then(|| {
        bar.drawn = Some(now);
        again
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_comes_late_is_updated_seldom_and_ends_full() {
        // No cell has this number, so other tests do not draw in it.
        let cell = usize::MAX;
        assert_eq!(due(cell, false), None);
        std::thread::sleep(PATIENCE);
        assert_eq!(due(cell, false), Some(false), "the first time");
        assert_eq!(due(cell, false), None, "too soon");
        assert_eq!(due(cell, true), Some(true), "the last step is always drawn");
        assert_eq!(due(cell - 1, true), None, "a new cell that is over at once");
    }
}
