//! The queues of outgoing messages: one for each socket; the engine, the output and the server send into them.

use jupyter_protocol::{IoPubWelcome, JupyterMessage, JupyterMessageContent, Status};
use jupyter_zmq_client::{KernelIoPubXPubConnection, SubscriptionEvent};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Sends from any thread, without waiting.
#[derive(Clone)]
pub struct Wire {
    iopub: UnboundedSender<JupyterMessage>,
    shell: UnboundedSender<JupyterMessage>,
    stdin: UnboundedSender<JupyterMessage>,
}

/// The other ends of a [`Wire`].
pub struct Ends {
    /// For all clients.
    pub iopub: UnboundedReceiver<JupyterMessage>,
    /// Replies on the shell channel.
    pub shell: UnboundedReceiver<JupyterMessage>,
    /// Questions to the person at the notebook.
    pub stdin: UnboundedReceiver<JupyterMessage>,
}

impl Wire {
    /// A wire and its ends.
    pub fn new() -> (Self, Ends) {
        let (iopub, iopub_end) = unbounded_channel();
        let (shell, shell_end) = unbounded_channel();
        let (stdin, stdin_end) = unbounded_channel();
        (Wire { iopub, shell, stdin }, Ends { iopub: iopub_end, shell: shell_end, stdin: stdin_end })
    }

    /// To all clients, about `parent`.
    pub fn publish(&self, content: impl Into<JupyterMessageContent>, parent: &JupyterMessage) {
        self.publish_message(JupyterMessage::new(content, Some(parent)));
    }

    /// To all clients, with metadata.
    pub fn publish_message(&self, message: JupyterMessage) {
        let _ = self.iopub.send(message);
    }

    /// To the client that sent `parent`.
    pub fn reply(&self, content: impl Into<JupyterMessageContent>, parent: &JupyterMessage) {
        let _ = self.shell.send(JupyterMessage::new(content, Some(parent)));
    }

    /// A question to the client that sent `parent`.
    pub fn ask(&self, content: impl Into<JupyterMessageContent>, parent: &JupyterMessage) {
        let _ = self.stdin.send(JupyterMessage::new(content, Some(parent)));
    }
}

/// Publishes the messages of the queue, and greets clients that subscribe.
pub async fn broadcast(
    mut iopub: KernelIoPubXPubConnection,
    mut messages: UnboundedReceiver<JupyterMessage>,
) {
    let _ = iopub.send(Status::starting().into()).await;
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => drop(iopub.send(message).await),
                None => return,
            },
            event = iopub.recv_subscription() => {
                if let Ok(SubscriptionEvent::Subscribe(topic)) = event {
                    let _ = iopub.send(IoPubWelcome::new(topic).into()).await;
                }
            }
        }
    }
}
