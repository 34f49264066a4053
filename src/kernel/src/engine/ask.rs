//! Completion and inspection, which rust-analyzer answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use evcxr::CommandContext;
use jupyter_protocol::{
    CompleteReply, CompleteRequest, InspectReply, InspectRequest, JupyterMessage, Media, MediaType, Payload,
    ReplyStatus, Status,
};
use serde_json::{Value, json};

use super::Engine;
use crate::code::{bytes_from_characters, characters_from_bytes, end_of_word};

/// The key under which front ends look for the kind of a match.
const KINDS: &str = "_jupyter_types_experimental";

/// evcxr's answer where there is no documentation.
const NOTHING: &str = "No documentation found";

impl Engine {
    /// What evcxr answers; `None` if it cannot, or if rust-analyzer panics.
    pub(super) fn ask<T, E>(
        &mut self,
        question: impl FnOnce(&mut CommandContext) -> Result<T, E>,
    ) -> Option<T> {
        catch_unwind(AssertUnwindSafe(|| question(&mut self.context).ok())).ok().flatten()
    }

    pub(super) fn complete(&mut self, message: &JupyterMessage, request: &CompleteRequest) {
        self.shared.wire.publish(Status::busy(), message);
        let code = request.code.as_str();
        let position = bytes_from_characters(code, request.cursor_pos);
        let found = self.ask(|context| context.completions(code, position));
        let mut reply = CompleteReply {
            matches: Vec::new(),
            cursor_start: request.cursor_pos,
            cursor_end: request.cursor_pos,
            metadata: Default::default(),
            status: ReplyStatus::Ok,
            error: None,
        };
        if let Some(found) = found {
            reply.cursor_start = characters_from_bytes(code, found.start_offset);
            reply.cursor_end = characters_from_bytes(code, found.end_offset);
            let (start, end) = (reply.cursor_start, reply.cursor_end);
            let kinds = found.completions.iter().map(|completion| {
                json!({ "text": completion.code, "type": completion.kind, "start": start, "end": end })
            });
            let kinds = Value::Array(kinds.collect());
            reply.metadata.insert(KINDS.into(), kinds);
            reply.matches = found.completions.into_iter().map(|completion| completion.code).collect();
        }
        self.shared.wire.reply(reply, message);
        self.shared.wire.publish(Status::idle(), message);
    }

    pub(super) fn inspect(&mut self, message: &JupyterMessage, request: &InspectRequest) {
        self.shared.wire.publish(Status::busy(), message);
        let code = request.code.as_str();
        let found = self.explain(code, bytes_from_characters(code, request.cursor_pos));
        let reply = InspectReply {
            found: found.is_some(),
            data: found.unwrap_or_default(),
            metadata: Default::default(),
            status: ReplyStatus::Ok,
            error: None,
        };
        self.shared.wire.reply(reply, message);
        self.shared.wire.publish(Status::idle(), message);
    }

    /// The pager's content for a cell `?name`.
    pub(super) fn page(&mut self, name: &str) -> Vec<Payload> {
        let nothing = || Media::new(vec![MediaType::Plain(format!("nothing is known about `{name}`"))]);
        let data = self.explain(name, name.len()).unwrap_or_else(nothing);
        vec![Payload::Page { data, start: 0 }]
    }

    /// The documentation of the name around a position in bytes.
    fn explain(&mut self, code: &str, position: usize) -> Option<Media> {
        let end = end_of_word(code, position);
        let found = self.ask(|context| context.hover_at(code, end));
        let (plain, html) = found.filter(|(plain, _)| plain != NOTHING)?;
        Some(Media::new(vec![MediaType::Plain(plain), MediaType::Html(html)]))
    }
}
