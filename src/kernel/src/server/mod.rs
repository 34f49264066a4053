//! The protocol: five sockets, and a queue to the engine.

mod control;
mod decode;
mod plain;
mod wire;

use std::path::Path;
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

use decode::decode;
use zeromq::{SocketRecv, SocketSend};

use crate::engine;
use crate::history::History;
use crate::home::{self, Home};
use crate::workspace::Workspace;
pub use plain::answer_plain;
pub use wire::Wire;

/// How long a socket rests after an error, which may be there again at once.
const PAUSE: Duration = Duration::from_millis(50);
/// How long messages have to leave before the process ends.
const FAREWELL: Duration = Duration::from_millis(150);

/// What the two halves of the kernel share.
pub struct Shared {
    /// To the sockets.
    pub wire: Wire,
    /// Cells that were run.
    pub history: Mutex<History>,
    /// What the engine is doing.
    pub progress: engine::Progress,
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new(wire: Wire) -> Self {
        Shared { wire, history: Mutex::default(), progress: engine::Progress::default() }
    }
}

/// Serves the notebook of a connection file until Jupyter says goodbye.
///
/// # Errors
/// If the file cannot be read, a socket cannot be bound, or nothing is installed.
pub fn run(connection_file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(connection_file)
        .with_context(|| format!("cannot read {}", connection_file.display()))?;
    let connection: ConnectionInfo = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a connection file", connection_file.display()))?;
    let home = Home::of_user()?;
    let workspace = Arc::new(Workspace::create(&home::running()?)?);
    engine::set_environment(&home, &workspace.cells());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(serve(&connection, home, &workspace));
    // The process ends here whatever the engine's thread is doing; the folder has to be gone before.
    workspace.remove();
    if let Err(error) = &result {
        eprintln!("rankscope-kernel: {error:#}");
    }
    std::process::exit(i32::from(result.is_err()))
}

async fn serve(connection: &ConnectionInfo, home: Home, workspace: &Arc<Workspace>) -> Result<()> {
    let session = format!("rankscope-{}-{}", std::process::id(), connection.shell_port);
    let mut heartbeat = create_kernel_heartbeat_connection(connection).await.context("heartbeat")?;
    let shell = create_kernel_shell_connection(connection, &session).await.context("shell")?;
    let control = create_kernel_control_connection(connection, &session).await.context("control")?;
    let stdin = create_kernel_stdin_connection(connection, &session).await.context("stdin")?;
    let iopub = create_kernel_iopub_xpub_connection(connection, &session).await.context("iopub")?;

    let (wire, ends) = Wire::new();
    let shared = Arc::new(Shared::new(wire));
    let (queue, jobs) = std::sync::mpsc::channel();
    let (typed, replies) = crossbeam_channel::unbounded();
    let (end, mut ended) = unbounded_channel();

    tokio::spawn(async move {
        loop {
            // A peer that is gone, or sends half a message, does not end it for the others.
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

    engine::start(home, shared.clone(), workspace.clone(), jobs, replies)?;
    let reason = wait_for_end(&mut ended).await;
    shared.progress.finish();
    tokio::time::sleep(FAREWELL).await;
    reason
}

/// Returns when Jupyter asked for it, when a signal did, or when Jupyter is gone.
async fn wait_for_end(ended: &mut UnboundedReceiver<()>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let parent = std::os::unix::process::parent_id();
    // Jupyter sets this for kernels that must not outlive it.
    let watched = std::env::var_os("JPY_PARENT_PID").is_some();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ended.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = tick.tick() => if watched && std::os::unix::process::parent_id() != parent { return Ok(()) },
        }
    }
}

/// Writes what comes out of a queue to a socket. A client that has gone is no error of ours.
async fn send(mut socket: RouterSendConnection, mut messages: UnboundedReceiver<JupyterMessage>) {
    while let Some(message) = messages.recv().await {
        let _ = socket.send(message).await;
    }
}

/// Reads a socket for ever. What is not signed with our key, or is no message, is dropped without an answer.
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
/// While the engine warms up, what does not need it is answered at once. Afterwards everything keeps its order, so
/// that a busy kernel is seen to be busy.
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
