//! Widgets: states that front ends and cells share, each over a comm of Jupyter.
//!
//! The library defines what a widget looks like and what it does (`rankscope::notebook::interact`). The kernel keeps
//! its state, sends it to every front end that asks, and tells the library what a person moved.
//!
//! **Source**: the messages of `@jupyter-widgets/base`, protocol 2.1 (`packages/schema/messages.md` of ipywidgets).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jupyter_protocol::{
    CommClose, CommId, CommInfo, CommInfoReply, CommMsg, CommOpen, JupyterMessage, JupyterMessageContent,
};
use serde_json::{Map, Value, json};

use crate::open;
use crate::server::Wire;

/// The target of a widget's comm.
const WIDGET: &str = "jupyter.widget";
/// The target of the comm over which a front end asks for all states at once.
const CONTROL: &str = "jupyter.widget.control";
/// The version of the messages.
const VERSION: &str = "2.1.0";

/// The widgets that are open.
#[derive(Default)]
pub struct Widgets(Mutex<BTreeMap<String, Widget>>);

struct Widget {
    state: Map<String, Value>,
    /// The cell that opened it.
    cell: String,
}

impl Widget {
    /// Only a page that did not see the widget open asks for its state.
    fn is_asked_for(&mut self) {
        self.state.insert("is_reloaded".into(), true.into());
    }
}

/// A widget that a person moved, and its new state.
pub struct Moved {
    pub id: String,
    pub state: Map<String, Value>,
}

impl Widgets {
    /// Handles a message of the library about a widget, on behalf of the cell of `parent`.
    pub fn tell(&self, wire: &Wire, parent: &JupyterMessage, message: &Value) {
        let Some(id) = message["id"].as_str() else { return };
        let state = message["state"].as_object().cloned().unwrap_or_default();
        match message["do"].as_str() {
            Some("open") => {
                let data = object(json!({ "state": state, "buffer_paths": [] }));
                let open =
                    CommOpen { comm_id: comm(id), target_name: WIDGET.into(), data, target_module: None };
                self.all().insert(id.to_owned(), Widget { state, cell: cell(parent) });
                let mut message = JupyterMessage::new(open, Some(parent));
                message.metadata = json!({ "version": VERSION });
                wire.publish_message(message);
            }
            Some("update") => {
                if let Some(widget) = self.all().get_mut(id) {
                    widget.state.extend(state.clone());
                    wire.publish(update(id, "update", &state), parent);
                }
            }
            _ => {}
        }
    }

    /// Answers a message of a front end on a comm; returns the widget that it moved, for the library.
    pub fn hear(&self, wire: &Wire, message: &JupyterMessage) -> Option<Moved> {
        match &message.content {
            JupyterMessageContent::CommOpen(open) if open.target_name == CONTROL => None,
            // The kernel serves no other comm.
            JupyterMessageContent::CommOpen(open) => {
                wire.publish(CommClose { comm_id: open.comm_id.clone(), data: Map::new() }, message);
                None
            }
            JupyterMessageContent::CommMsg(said) => self.answer(wire, message, said),
            _ => None,
        }
    }

    fn answer(&self, wire: &Wire, message: &JupyterMessage, said: &CommMsg) -> Option<Moved> {
        let id = &said.comm_id.0;
        let mut all = self.all();
        match said.data.get("method").and_then(Value::as_str) {
            Some("request_states") => {
                all.values_mut().for_each(Widget::is_asked_for);
                let state = |widget: &Widget| {
                    let field = |name: &str| widget.state.get(name).cloned().unwrap_or_default();
                    json!({
                        "model_name": field("_model_name"), "model_module": field("_model_module"),
                        "model_module_version": field("_model_module_version"), "state": widget.state,
                    })
                };
                let states: Map<String, Value> =
                    all.iter().map(|(id, widget)| (id.clone(), state(widget))).collect();
                let data = json!({ "method": "update_states", "states": states, "buffer_paths": [] });
                wire.publish(CommMsg { comm_id: comm(id), data: object(data) }, message);
                None
            }
            Some("request_state") => {
                let widget = all.get_mut(id)?;
                widget.is_asked_for();
                wire.publish(update(id, "update", &widget.state), message);
                None
            }
            Some("update") => {
                let changed = said.data.get("state").and_then(Value::as_object)?;
                let widget = all.get_mut(id)?;
                widget.state.extend(changed.clone());
                // All front ends, also the one that moved the widget, learn that the change is accepted.
                wire.publish(update(id, "echo_update", changed), message);
                Some(Moved { id: id.clone(), state: widget.state.clone() })
            }
            _ => None,
        }
    }

    /// The open comms, for a front end that has just connected.
    pub fn info(&self, target: Option<&str>) -> CommInfoReply {
        let wanted = target.is_none_or(|target| target == WIDGET);
        let all = self.all();
        let names = all.keys().filter(|_| wanted);
        let info = |id: &String| (comm(id), CommInfo { target_name: WIDGET.into() });
        CommInfoReply { comms: names.map(info).collect(), ..CommInfoReply::default() }
    }

    /// Forgets a widget that a front end has closed; whether there was one.
    pub fn close(&self, id: &str) -> bool {
        self.all().remove(id).is_some()
    }

    /// Closes the widgets that a cell opened when it ran before; returns their names.
    pub fn close_those_of(&self, wire: &Wire, parent: &JupyterMessage) -> Vec<String> {
        let cell = cell(parent);
        self.close_where(wire, parent, |widget| widget.cell == cell)
    }

    /// Closes all: the process with their closures has ended.
    pub fn close_all(&self, wire: &Wire, parent: &JupyterMessage) {
        self.close_where(wire, parent, |_| true);
    }

    fn close_where(
        &self,
        wire: &Wire,
        parent: &JupyterMessage,
        is_old: impl Fn(&Widget) -> bool,
    ) -> Vec<String> {
        let mut all = self.all();
        let old: Vec<String> =
            all.iter().filter(|(_, widget)| is_old(widget)).map(|(id, _)| id.clone()).collect();
        for id in &old {
            all.remove(id);
            wire.publish(CommClose { comm_id: comm(id), data: Map::new() }, parent);
        }
        old
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Widget>> {
        open(&self.0)
    }
}

fn comm(id: &str) -> CommId {
    CommId(id.to_owned())
}

fn update(id: &str, method: &str, state: &Map<String, Value>) -> CommMsg {
    let data = object(json!({ "method": method, "state": state, "buffer_paths": [] }));
    CommMsg { comm_id: comm(id), data }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The name that the front end gives to the cell of a request; a client that gives none is known by the code.
fn cell(request: &JupyterMessage) -> String {
    match (request.metadata["cellId"].as_str(), &request.content) {
        (Some(id), _) => id.to_owned(),
        (None, JupyterMessageContent::ExecuteRequest(request)) => request.code.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::ExecuteRequest;

    struct Desk {
        widgets: Widgets,
        wire: Wire,
        ends: crate::server::Ends,
        cell: JupyterMessage,
    }

    impl Desk {
        /// With one open widget, "a", whose value is 1.
        fn new() -> Self {
            let (wire, ends) = Wire::new();
            let cell = JupyterMessage::new(ExecuteRequest::new("interact(…)".into()), None);
            let mut desk = Desk { widgets: Widgets::default(), wire, ends, cell };
            let state = json!({"_model_name": "AnyModel", "_model_module": "anywidget", "values": [1]});
            desk.widgets.tell(&desk.wire, &desk.cell, &json!({"do": "open", "id": "a", "state": state}));
            let open = desk.said().remove(0);
            assert_eq!(open.metadata, json!({"version": "2.1.0"}));
            assert_eq!(content(&open)["target_name"], "jupyter.widget");
            assert_eq!(content(&open)["data"]["state"], state);
            desk
        }

        fn said(&mut self) -> Vec<JupyterMessage> {
            std::iter::from_fn(|| self.ends.iopub.try_recv().ok()).collect()
        }

        fn hear(&self, id: &str, data: Value) -> Option<Moved> {
            let said = CommMsg { comm_id: comm(id), data: object(data) };
            self.widgets.hear(&self.wire, &JupyterMessage::new(said, None))
        }
    }

    fn content(message: &JupyterMessage) -> Value {
        serde_json::to_value(&message.content).unwrap()
    }

    #[test]
    fn a_move_is_echoed_and_becomes_the_state() {
        let mut desk = Desk::new();
        let moved = desk.hear("a", json!({"method": "update", "state": {"values": [2]}, "buffer_paths": []}));
        let moved = moved.unwrap();
        assert_eq!((moved.id.as_str(), &moved.state["values"]), ("a", &json!([2])));
        let echo = content(&desk.said()[0]);
        let expected = json!({"method": "echo_update", "state": {"values": [2]}, "buffer_paths": []});
        assert_eq!(echo["data"], expected);
        assert!(desk.hear("a", json!({"method": "request_state"})).is_none());
        assert_eq!(content(&desk.said()[0])["data"]["state"]["values"], json!([2]));
    }

    #[test]
    fn a_front_end_that_comes_later_learns_all_states() {
        let mut desk = Desk::new();
        let open = CommOpen { comm_id: comm("c"), target_name: CONTROL.into(), ..CommOpen::default() };
        desk.widgets.hear(&desk.wire, &JupyterMessage::new(open, None));
        assert!(desk.said().is_empty(), "the control comm stays open");
        desk.hear("c", json!({"method": "request_states"}));
        let states = content(&desk.said()[0]);
        assert_eq!((&states["comm_id"], &states["data"]["method"]), (&json!("c"), &json!("update_states")));
        let state = &states["data"]["states"]["a"];
        assert_eq!((&state["model_name"], &state["state"]["values"]), (&json!("AnyModel"), &json!([1])));
        assert_eq!(desk.widgets.info(None).comms[&comm("a")].target_name, WIDGET);
        assert!(desk.widgets.info(Some("other")).comms.is_empty());
    }

    #[test]
    fn a_cell_that_runs_again_closes_its_widgets_and_no_others() {
        let mut desk = Desk::new();
        let other = JupyterMessage::new(ExecuteRequest::new("other".into()), None);
        assert!(desk.widgets.close_those_of(&desk.wire, &other).is_empty());
        assert_eq!(desk.widgets.close_those_of(&desk.wire, &desk.cell), ["a"]);
        assert_eq!(content(&desk.said()[0])["comm_id"], "a");
        assert!(desk.hear("a", json!({"method": "update", "state": {"values": [3]}})).is_none());
        assert!(desk.said().is_empty() && !desk.widgets.close("a"));
    }
}
