//! The protocol: five sockets, and a queue to the engine.

mod control;
mod decode;
mod life;
mod plain;
mod wire;

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use jupyter_protocol::{ConnectionInfo, JupyterMessage, JupyterMessageContent, Status};
use jupyter_zmq_client::{
    RawMessage, RouterRecvConnection, RouterSendConnection, create_kernel_control_connection,
    create_kernel_heartbeat_connection, create_kernel_iopub_xpub_connection, create_kernel_shell_connection,
    create_kernel_stdin_connection,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeromq::{SocketRecv, SocketSend};

use decode::decode;

use crate::engine;
use crate::history::History;
use crate::widgets::Widgets;
pub use life::{Life, Parent};
pub use plain::answer_plain;
pub use wire::{Ends, Wire};

/// How long to wait after an error of a socket, which may come again at once.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the last messages have to be sent before the process ends.
const FAREWELL: Duration = Duration::from_millis(150);

/// What the two halves of the kernel share.
pub struct Shared {
    /// To the sockets.
    pub wire: Wire,
    /// Cells that were run.
    pub history: Mutex<History>,
    /// What the engine is doing.
    pub progress: engine::Progress,
    /// Widgets of the notebook.
    pub widgets: Widgets,
}

impl Shared {
    /// The state of a new kernel; `cells` is the folder in which cells are compiled.
    pub fn new(wire: Wire, cells: PathBuf) -> Self {
        let progress = engine::Progress::new(cells);
        Shared { wire, history: Mutex::default(), progress, widgets: Widgets::default() }
    }
}

/// The server's ends of the queues.
pub struct Queues {
    /// Outgoing messages.
    pub ends: Ends,
    /// To the engine: requests, and the lines typed for cells that asked.
    pub jobs: Sender<JupyterMessage>,
    pub typed: crossbeam_channel::Sender<String>,
}

/// Binds the sockets, then starts the engine by `begin`, if it is not running yet: no client waits for the engine.
/// Serves until Jupyter asks for the end.
///
/// # Errors
/// If a socket cannot be bound, or a thread cannot be started.
pub async fn serve(
    connection: &ConnectionInfo,
    queues: Queues,
    shared: Arc<Shared>,
    begin: impl FnOnce() -> Result<()>,
    life: Life,
) -> Result<()> {
    let session = format!("rankscope-{}-{}", std::process::id(), connection.shell_port);
    let mut heartbeat = create_kernel_heartbeat_connection(connection).await.context("heartbeat")?;
    let shell = create_kernel_shell_connection(connection, &session).await.context("shell")?;
    let control = create_kernel_control_connection(connection, &session).await.context("control")?;
    let stdin = create_kernel_stdin_connection(connection, &session).await.context("stdin")?;
    let iopub = create_kernel_iopub_xpub_connection(connection, &session).await.context("iopub")?;

    let Queues { ends, jobs: queue, typed } = queues;
    let (end, ended) = unbounded_channel();

    tokio::spawn(async move {
        loop {
            // A peer that is gone, or sends half a message, does not end the heartbeat for the others.
            match heartbeat.socket.recv().await {
                Ok(beat) => drop(heartbeat.socket.send(beat).await),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    });
    tokio::spawn(wire::broadcast(iopub, ends.iopub));
    let (shell_out, shell_in) = shell.split();
    let (control_out, control_in) = control.split();
    let (stdin_out, stdin_in) = stdin.split();
    tokio::spawn(send(shell_out, ends.shell));
    tokio::spawn(send(stdin_out, ends.stdin));
    let (control_queue, control_messages) = unbounded_channel();
    tokio::spawn(send(control_out, control_messages));

    let shell_shared = shared.clone();
    let shell_end = end.clone();
    tokio::spawn(receive(shell_in, move |message| enqueue(message, &shell_shared, &queue, &shell_end)));
    let control_shared = shared.clone();
    tokio::spawn(receive(control_in, move |message| {
        control::answer(&message, &control_shared, &control_queue, &end)
    }));
    tokio::spawn(receive(stdin_in, move |message| {
        if let JupyterMessageContent::InputReply(reply) = message.content {
            let _ = typed.send(reply.value);
        }
    }));

    begin()?;
    let reason = life.wait(ended, &shared).await;
    shared.progress.finish();
    tokio::time::sleep(FAREWELL).await;
    reason
}

/// Writes the messages of a queue to a socket. A client that has gone is not an error.
async fn send(mut socket: RouterSendConnection, mut messages: UnboundedReceiver<JupyterMessage>) {
    while let Some(message) = messages.recv().await {
        let _ = socket.send(message).await;
    }
}

/// Reads a socket for ever. Messages that are damaged or not signed with our key are dropped without an answer.
async fn receive(mut connection: RouterRecvConnection, mut take: impl FnMut(JupyterMessage)) {
    loop {
        match connection.socket.recv().await {
            Ok(parts) => {
                let raw = RawMessage::from_multipart(parts, &connection.mac).ok();
                raw.and_then(decode).into_iter().for_each(&mut take);
            }
            Err(error) => {
                eprintln!("rankscope-kernel: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers a message of the shell channel, or queues it for the engine.
///
/// While the engine warms up, requests that do not need it are answered at once. Afterwards all requests are answered
/// in their order, so that clients see when the kernel is busy.
fn enqueue(
    message: JupyterMessage,
    shared: &Arc<Shared>,
    queue: &Sender<JupyterMessage>,
    end: &UnboundedSender<()>,
) {
    if let JupyterMessageContent::ShutdownRequest(_) = &message.content {
        shared.wire.publish(Status::busy(), &message);
        shared.wire.reply(control::farewell(&message), &message);
        shared.wire.publish(Status::idle(), &message);
        let _ = end.send(());
        return;
    }
    if shared.progress.is_warming() && answer_plain(&message, shared) {
        return;
    }
    if queue.send(message).is_err() {
        let _ = end.send(());
    }
}
