//! Moves of a widget's controls: passed to the library while no cell runs.

use std::sync::mpsc::Receiver;

use jupyter_protocol::{JupyterMessage, JupyterMessageContent, Status};
use serde_json::{Value, json};

use super::Engine;
use crate::widgets::Moved;

impl Engine {
    /// Answers a message on a comm. Of the moves of one widget that wait in the queue, the library hears of the last one;
    /// returns what came behind them.
    pub(super) fn comm(
        &mut self,
        message: &JupyterMessage,
        queued: &Receiver<JupyterMessage>,
    ) -> Option<JupyterMessage> {
        let (mut behind, mut moved) = (None, self.hear(message));
        while let Some(Moved { id, .. }) = &moved {
            match queued.try_recv() {
                Ok(next) if is_move_of(&next, id) => {
                    moved = self.hear(&next).or(moved);
                    self.shared.wire.publish(Status::idle(), &next);
                }
                next => {
                    behind = next.ok();
                    break;
                }
            }
        }
        if let Some(Moved { id, state }) = moved {
            let field = |name: &str| state.get(name).cloned().unwrap_or_default();
            let call = json!({ "id": id, "values": field("values"), "asked": field("asked"), "is_reloaded": field("is_reloaded") });
            let cell = self.output.hand_to(Some(message.clone()));
            self.shared.progress.begin_call();
            let was_done = self.call(&call);
            self.shared.progress.end();
            self.output.settle(!was_done);
            self.output.hand_to(cell);
            if !was_done {
                let error = "The process of the cells has ended. Run the cell again.";
                let state = json!({ "error": error, "answered": field("asked") });
                let told = json!({ "do": "update", "id": id, "state": state });
                self.shared.widgets.tell(&self.shared.wire, message, &told);
            }
        }
        self.shared.wire.publish(Status::idle(), message);
        behind
    }

    /// Has the widgets keep a move.
    fn hear(&self, message: &JupyterMessage) -> Option<Moved> {
        let wire = &self.shared.wire;
        wire.publish(Status::busy(), message);
        self.shared.widgets.hear(wire, message)
    }

    /// A front end has closed a widget: nobody moves it any more.
    pub(super) fn closed(&mut self, id: &str, message: &JupyterMessage) {
        self.shared.wire.publish(Status::busy(), message);
        if self.shared.widgets.close(id) {
            self.call(&json!({ "id": id }));
        }
        self.shared.wire.publish(Status::idle(), message);
    }

    /// Closes the widgets of a cell that is run again, and drops their closures.
    pub(super) fn forget_widgets(&mut self, message: &JupyterMessage) {
        for id in self.shared.widgets.close_those_of(&self.shared.wire, message) {
            self.call(&json!({ "id": id }));
        }
    }

    fn call(&mut self, message: &Value) -> bool {
        let progress = self.shared.progress.clone();
        self.calls.call(message.to_string().as_bytes(), || !progress.is_broken())
    }
}

fn is_move_of(message: &JupyterMessage, id: &str) -> bool {
    matches!(&message.content, JupyterMessageContent::CommMsg(said)
        if said.comm_id.0 == id && said.data.get("method").and_then(Value::as_str) == Some("update"))
}
