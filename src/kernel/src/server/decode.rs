//! Decodes the frames of a message, and adds the fields that some clients leave out.

use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use jupyter_zmq_client::RawMessage;
use serde_json::{Value, json};

/// Optional fields of requests, with their defaults: Jupyter's own client does not send them all.
fn defaults(msg_type: &str) -> Value {
    match msg_type {
        "history_request" => json!({
            "hist_access_type": "range", "output": false, "raw": true,
            "session": 0, "start": 0, "stop": 0, "n": 0, "pattern": "*", "unique": false,
        }),
        "execute_request" => json!({ "silent": false, "store_history": true }),
        _ => json!({}),
    }
}

/// Decodes frames whose signature has been checked; `None` if they hold no valid message.
pub fn decode(raw: RawMessage) -> Option<JupyterMessage> {
    let RawMessage { zmq_identities, mut jparts } = raw;
    let buffers = jparts.split_off(4.min(jparts.len()));
    let [header, parent, metadata, content] = jparts.as_slice() else { return None };
    let header: jupyter_protocol::Header = serde_json::from_slice(header).ok()?;
    let content = complete(&header.msg_type, serde_json::from_slice(content).ok()?);
    let content = JupyterMessageContent::from_type_and_content(&header.msg_type, content).ok()?;
    Some(JupyterMessage {
        zmq_identities,
        header,
        // Without a parent it is `{}`, which is no header.
        parent_header: serde_json::from_slice(parent).ok(),
        metadata: serde_json::from_slice(metadata).ok()?,
        content,
        buffers,
        channel: None,
    })
}

/// Fills in the defaults where a field is missing or `null`.
fn complete(msg_type: &str, mut content: Value) -> Value {
    if let (Some(given), Value::Object(defaults)) = (content.as_object_mut(), defaults(msg_type)) {
        for (name, default) in defaults {
            if given.get(&name).is_none_or(Value::is_null) {
                given.insert(name, default);
            }
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::HistoryRequest;

    fn raw(msg_type: &str, content: Value) -> RawMessage {
        let header = json!({
            "msg_id": "1", "username": "u", "session": "s", "date": "2026-01-01T00:00:00Z",
            "msg_type": msg_type, "version": "5.3",
        });
        let parts = [header, json!({}), json!({}), content];
        let jparts = parts.iter().map(|part| part.to_string().into_bytes().into()).collect();
        RawMessage { zmq_identities: vec![], jparts }
    }

    #[test]
    fn what_clients_leave_out_has_a_default() {
        let content =
            json!({ "hist_access_type": "search", "pattern": "let*", "output": false, "raw": true });
        let message = decode(raw("history_request", content)).unwrap();
        let JupyterMessageContent::HistoryRequest(HistoryRequest::Search { pattern, unique, n, .. }) =
            message.content
        else {
            panic!("{message:?}")
        };
        assert_eq!((pattern.as_str(), unique, n), ("let*", false, 0));
        assert!(message.parent_header.is_none());
    }

    #[test]
    fn what_is_no_message_is_none() {
        assert!(decode(raw("execute_request", json!({ "silent": false }))).is_none(), "no code");
        assert!(decode(raw("is_complete_request", json!(7))).is_none());
        let mut short = raw("kernel_info_request", json!({}));
        short.jparts.truncate(3);
        assert!(decode(short).is_none());
    }
}
