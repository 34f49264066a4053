//! Requests that can be answered without the engine.

use jupyter_protocol::{
    CodeMirrorMode, HelpLink, HistoryReply, JupyterMessage, JupyterMessageContent, KernelInfoReply,
    LanguageInfo, ReplyStatus, Status,
};

use super::Shared;
use crate::{code, open};

/// Answers `message` if it needs no engine; says whether it did.
pub fn answer_plain(message: &JupyterMessage, shared: &Shared) -> bool {
    let wire = &shared.wire;
    let reply: Option<JupyterMessageContent> = match &message.content {
        JupyterMessageContent::KernelInfoRequest(_) => Some(kernel_info().into()),
        JupyterMessageContent::IsCompleteRequest(request) => Some(code::completeness(&request.code).into()),
        JupyterMessageContent::HistoryRequest(request) => {
            Some(HistoryReply::new(open(&shared.history).answer(request)).into())
        }
        JupyterMessageContent::CommInfoRequest(request) => {
            Some(shared.widgets.info(request.target_name.as_deref()).into())
        }
        // Messages on comms are answered below; only a moved widget needs the engine.
        JupyterMessageContent::CommOpen(_)
        | JupyterMessageContent::CommMsg(_)
        | JupyterMessageContent::CommClose(_)
        | JupyterMessageContent::UnknownMessage(_) => None,
        _ => return false,
    };
    wire.publish(Status::busy(), message);
    shared.widgets.hear(wire, message);
    if let Some(reply) = reply {
        wire.reply(reply, message);
    }
    wire.publish(Status::idle(), message);
    true
}

/// What `kernel_info` answers.
pub fn kernel_info() -> KernelInfoReply {
    let version = env!("CARGO_PKG_VERSION");
    let docs =
        HelpLink { text: "Rust's standard library".into(), url: "https://doc.rust-lang.org/std/".into() };
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".into(),
        implementation: "rankscope-kernel".into(),
        implementation_version: version.into(),
        language_info: LanguageInfo {
            name: "rust".into(),
            version: env!("CARGO_PKG_RUST_VERSION").into(),
            mimetype: Some("text/x-rust".into()),
            file_extension: Some(".rs".into()),
            pygments_lexer: Some("rust".into()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".into())),
            nbconvert_exporter: None,
        },
        banner: format!("rankscope {version}: Rust cells; `use rankscope::prelude::*` is already there"),
        help_links: vec![docs],
        debugger: false,
        error: None,
    }
}
