//! The control channel: requests that are answered while a cell runs.

use std::sync::Arc;

use jupyter_protocol::{
    InterruptReply, JupyterMessage, JupyterMessageContent, ReplyStatus, ShutdownReply, Status,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{Shared, plain};

/// Answers one message.
pub fn answer(
    message: &JupyterMessage,
    shared: &Arc<Shared>,
    out: &UnboundedSender<JupyterMessage>,
    end: &UnboundedSender<()>,
) {
    let reply = |content: JupyterMessageContent| {
        let _ = out.send(JupyterMessage::new(content, Some(message)));
    };
    shared.wire.publish(Status::busy(), message);
    match &message.content {
        JupyterMessageContent::InterruptRequest(_) => {
            shared.progress.interrupt();
            reply(InterruptReply::new().into());
        }
        JupyterMessageContent::ShutdownRequest(_) => {
            shared.wire.publish(farewell(message), message);
            reply(farewell(message));
            let _ = end.send(());
        }
        JupyterMessageContent::KernelInfoRequest(_) => reply(plain::kernel_info().into()),
        _ => {}
    }
    shared.wire.publish(Status::idle(), message);
}

/// The reply to a shutdown, which tells whether a new kernel will come.
pub fn farewell(message: &JupyterMessage) -> JupyterMessageContent {
    let restart =
        matches!(&message.content, JupyterMessageContent::ShutdownRequest(request) if request.restart);
    ShutdownReply { restart, status: ReplyStatus::Ok, error: None }.into()
}
