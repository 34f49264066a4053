//! Questions to the person at the notebook.

use std::time::Duration;

use crossbeam_channel::Receiver;
use jupyter_protocol::{InputRequest, JupyterMessage};

use crate::cells::Answer;
use crate::server::Shared;

/// How often to check whether the answer is still needed.
const LOOK: Duration = Duration::from_millis(50);

/// Asks on behalf of the cell of `parent`, until there is an answer, an interrupt, or the end of the cell. Without a
/// parent nobody can be asked.
pub fn answer(
    shared: &Shared,
    replies: &Receiver<String>,
    parent: Option<JupyterMessage>,
    prompt: &[u8],
) -> Answer {
    let running = shared.progress.running();
    let Some(parent) = parent.filter(|_| running.is_some()) else { return Answer::End };
    // Drops answers that came after their cell was interrupted.
    while replies.try_recv().is_ok() {}
    let prompt = String::from_utf8_lossy(prompt).into_owned();
    shared.wire.ask(InputRequest { prompt, password: false }, &parent);
    loop {
        match replies.recv_timeout(LOOK) {
            Ok(line) => return Answer::Line(line.replace(['\n', '\r'], " ").into_bytes()),
            Err(error) if error.is_disconnected() => return Answer::End,
            Err(_) if shared.progress.is_interrupted() => return Answer::Interrupted,
            Err(_) if shared.progress.running() != running => return Answer::End,
            Err(_) => {}
        }
    }
}
