//! The engine: one thread around evcxr's `CommandContext`, one request at a time.

mod ask;
mod cell;
mod failure;
pub mod prelude;
mod progress;
mod report;
mod widget;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use evcxr::{CommandContext, Error, EvalContext};
use jupyter_protocol::{
    ExecuteReply, ExecuteRequest, JupyterMessage, JupyterMessageContent, ReplyStatus, Status,
};

use crate::cells::{self, Calls, Cells};
use crate::compile;
use crate::home::Home;
use crate::library;
use crate::output::Output;
use crate::server::{Shared, answer_plain};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
pub use progress::Progress;

/// rust-analyzer recurses deeply; memory is only taken for the part that is used.
const STACK_BYTES: usize = 64 << 20;

/// After how long without a request the engine gives memory back.
const IDLE: Duration = Duration::from_secs(1);

/// How long to look for cells that were sent together with one that failed.
const ABORT_WINDOW: Duration = Duration::from_millis(10);

/// Tells evcxr where to work, before there is a second thread that could read the environment.
pub fn set_environment(home: &Home, cells: &Path) {
    let mut variables =
        vec![("EVCXR_TMPDIR", cells.as_os_str().to_owned()), ("EVCXR_CONFIG_DIR", home.settings().into())];
    // Where nothing is installed the engine will say so.
    if let Ok(toolchain) = Toolchain::of(home) {
        match compile::make_tools(cells) {
            Ok(tools) => toolchain.enter(Some(tools)),
            Err(error) => {
                eprintln!("rankscope-kernel: cells compile slowly: {error:#}");
                toolchain.enter(None);
            }
        }
    }
    // Without it the Vulkan loader complains on stderr in every process.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        variables.push(("XDG_RUNTIME_DIR", cells.into()));
    }
    for (name, value) in variables {
        // SAFETY: called from `main` before any thread is started.
        unsafe { std::env::set_var(name, value) };
    }
}

/// An engine that is ready for cells.
pub struct Engine {
    context: CommandContext,
    output: Output,
    shared: Arc<Shared>,
    calls: Calls,
    count: usize,
    /// Whether an interrupt may have left the analysis with an old manifest.
    is_stale: bool,
}

impl Engine {
    /// Starts evcxr in the folder that [`set_environment`] named, and loads the library.
    ///
    /// # Errors
    /// If something is missing or does not compile.
    pub fn warm(
        home: &Home,
        shared: Arc<Shared>,
        replies: crossbeam_channel::Receiver<String>,
    ) -> Result<Self> {
        let (ours, calls, theirs) = cells::pair()?;
        let mut command = Command::new(std::env::current_exe()?);
        // A cell knows where they are only relative to a folder that it is moved out of.
        let folders = [home.library(), Toolchain::of(home)?.libraries];
        theirs.pass(&mut command, &library::file(home), &folders)?;
        // First: evcxr has a cell run at once, which waits until the kernel has heard of it.
        let output = Output::start(shared.clone(), ours, replies)?;
        let (context, _) =
            EvalContext::with_subprocess_command(command).map_err(|error| anyhow!("{error}"))?;
        let context = CommandContext::with_eval_context(context);
        shared.progress.set_cells(Cells::new(context.process_handle()));
        let mut engine = Engine { context, output, shared, calls, count: 0, is_stale: false };
        engine.run_hidden(&prelude::load(&home.facade())).context("cannot load the library")?;
        Ok(engine)
    }

    /// Runs a cell of our own, whose output is not shown.
    fn run_hidden(&mut self, code: &str) -> Result<()> {
        self.output.begin(None, true, false, 0);
        let result = self.context.execute(code);
        let ending = self.output.end(matches!(result, Err(Error::SubprocessTerminated(_))));
        result.map_err(|error| anyhow!("{error}"))?;
        ending.panic.map_or(Ok(()), |panic| Err(anyhow!("{}", panic.message)))
    }

    /// Answers one message; returns the next one if it had to be taken out of the queue.
    fn handle(
        &mut self,
        message: &JupyterMessage,
        queued: &Receiver<JupyterMessage>,
    ) -> Option<JupyterMessage> {
        match &message.content {
            JupyterMessageContent::ExecuteRequest(request) => self.cell(message, request, queued),
            JupyterMessageContent::CompleteRequest(request) => self.complete(message, request),
            JupyterMessageContent::InspectRequest(request) => self.inspect(message, request),
            JupyterMessageContent::CommMsg(_) => return self.comm(message, queued),
            JupyterMessageContent::CommClose(close) => self.closed(&close.comm_id.0, message),
            _ => {
                answer_plain(message, &self.shared);
            }
        }
        None
    }
}

/// Starts the engine's thread, which answers what comes out of `jobs`.
///
/// # Errors
/// If there can be no thread.
pub fn start(
    home: Home,
    shared: Arc<Shared>,
    workspace: Arc<Workspace>,
    jobs: Receiver<JupyterMessage>,
    replies: crossbeam_channel::Receiver<String>,
) -> Result<()> {
    let body = move || {
        if !shared.progress.work() {
            return;
        }
        // Behind the sockets, which are bound by now: a client need not wait for any of it.
        let prepared = check(&home).and_then(|()| workspace.fill(&home));
        let engine = prepared.and_then(|()| Engine::warm(&home, shared.clone(), replies));
        match engine {
            Ok(engine) => serve(engine, &workspace, &jobs),
            Err(error) => {
                shared.progress.fail();
                eprintln!("rankscope-kernel: {error:#}");
                workspace.write_state("failed", None);
                shared.progress.rest();
                refuse(&shared, &jobs, &format!("{error:#}"));
            }
        }
    };
    std::thread::Builder::new().name("engine".into()).stack_size(STACK_BYTES).spawn(body)?;
    Ok(())
}

fn serve(mut engine: Engine, workspace: &Workspace, jobs: &Receiver<JupyterMessage>) {
    let child = |engine: &Engine| Some(engine.context.process_handle().lock().ok()?.id());
    // Whoever waits already does not wait for these.
    let mut waiting = None;
    for code in prelude::WARM_UP {
        waiting = jobs.try_recv().ok();
        if waiting.is_some() {
            break;
        }
        if let Err(error) = engine.run_hidden(code) {
            eprintln!("rankscope-kernel: `{code}` does not run: {error:#}");
        }
    }
    workspace.write_state("ready", child(&engine));
    let progress = engine.shared.progress.clone();
    progress.warm();
    progress.rest();
    let mut is_trimmed = false;
    while let Some(message) = waiting.take().or_else(|| next(jobs, &mut is_trimmed)) {
        if !progress.work() {
            return;
        }
        let is_cell = matches!(message.content, JupyterMessageContent::ExecuteRequest(_));
        if is_cell {
            workspace.write_state("running", child(&engine));
        }
        waiting = engine.handle(&message, jobs);
        if is_cell {
            workspace.write_state("ready", child(&engine));
        }
        progress.rest();
    }
}

/// Waits for a message; once, after a second without one, gives the memory back to the system that warming freed.
fn next(jobs: &Receiver<JupyterMessage>, is_trimmed: &mut bool) -> Option<JupyterMessage> {
    if !*is_trimmed {
        match jobs.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Timeout) => {}
            message => return message.ok(),
        }
        *is_trimmed = true;
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: a plain call.
        unsafe {
            libc::malloc_trim(0)
        };
    }
    jobs.recv().ok()
}

/// Answers every cell with the reason why the engine did not start.
fn refuse(shared: &Shared, jobs: &Receiver<JupyterMessage>, reason: &str) {
    while let Ok(message) = jobs.recv() {
        if answer_plain(&message, shared) {
            continue;
        }
        shared.wire.publish(Status::busy(), &message);
        if let JupyterMessageContent::ExecuteRequest(_) = &message.content {
            let advice =
                "`rankscope-kernel status` says what is installed; `install --force` builds it anew.";
            let error = failure::error("EngineError", reason, vec![advice.into()]);
            cell::publish_error(shared, &message, &error);
            let error = Some(Box::new(error));
            let status = ReplyStatus::Error;
            shared.wire.reply(ExecuteReply { status, error, ..ExecuteReply::default() }, &message);
        }
        shared.wire.publish(Status::idle(), &message);
    }
}

/// Checks that the installed library was made by this program.
fn check(home: &Home) -> Result<()> {
    library::check(home, &std::env::current_exe()?)
}

/// A cell that prints, and has a value.
const CELL: &str = "print!(\"a cell\"); 6 * 7";

/// Runs the engine once in `folder`, so that everything a kernel needs is built there, and a cell as a notebook does.
///
/// # Errors
/// If the library does not load, or the cell does not show what it should.
pub fn try_cell(home: &Home, folder: &Path) -> Result<()> {
    set_environment(home, folder);
    let (wire, mut ends) = crate::server::Wire::new();
    let shared = Arc::new(Shared::new(wire, folder.to_owned()));
    let (_typed, replies) = crossbeam_channel::unbounded();
    let home = home.clone();
    let body = move || {
        let mut engine = Engine::warm(&home, shared, replies)?;
        // What a check needs is built apart from what a cell needs.
        engine.context.check("1").map(drop).map_err(|error| anyhow!("a check does not run: {error}"))?;
        let request = ExecuteRequest::new(CELL.into());
        let (_jobs, queued) = std::sync::mpsc::channel();
        engine.cell(&JupyterMessage::new(request.clone(), None), &request, &queued);
        anyhow::Ok(())
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(body)?;
    thread.join().map_err(|_| anyhow!("the engine panicked"))??;
    let mut shown = String::new();
    while let Ok(message) = ends.iopub.try_recv() {
        shown += &serde_json::to_string(&message.content)?;
    }
    let is_shown = ["\"a cell\"", "\"42\""].iter().all(|part| shown.contains(part));
    if is_shown { Ok(()) } else { bail!("the cell `{CELL}` shows {shown}") }
}
