//! A kernel: its folder, its engine, and the queues between the engine and the server.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result};
use jupyter_protocol::{ConnectionInfo, JupyterMessage};

use crate::home::{self, Home};
use crate::server::{self, Life, Queues, Shared, Wire};
use crate::spare::{self, Relay};
use crate::surroundings::Surroundings;
use crate::workspace::Workspace;
use crate::{cells, engine};

/// A kernel; its engine may start before the kernel knows which notebook it serves.
pub struct Kernel {
    /// The library.
    pub home: Home,
    /// Its private folder.
    pub workspace: Arc<Workspace>,
    /// What the engine and the server share.
    pub shared: Arc<Shared>,
    /// The folder and the variables that Jupyter gave it, once it serves.
    pub surroundings: Option<Surroundings>,
    queues: Queues,
    waiting: Option<(Receiver<JupyterMessage>, crossbeam_channel::Receiver<String>)>,
}

/// Serves the notebook of a connection file until Jupyter asks for the end: on the spare, or by itself.
///
/// # Errors
/// If the file cannot be read, a socket cannot be bound, or nothing is installed.
pub fn run(connection_file: &Path) -> Result<()> {
    let shown = connection_file.display();
    let text = std::fs::read_to_string(connection_file).with_context(|| format!("cannot read {shown}"))?;
    let connection =
        serde_json::from_str(&text).with_context(|| format!("{shown} is not a connection file"))?;
    let home = Home::of_user()?;
    let surroundings = Surroundings::of_process()?;
    cells::lead_group();
    if spare::is_on() {
        match spare::serve_by_spare(&home, &text, &surroundings) {
            Ok(Some(code)) => std::process::exit(code.into()),
            Ok(None) => {}
            Err(error) => eprintln!("rankscope-kernel: starts by itself: {error:#}"),
        }
    }
    let mut kernel = Kernel::new(home)?;
    kernel.surroundings = Some(surroundings);
    kernel.serve(&connection, None)
}

impl Kernel {
    /// Makes the folder, and tells evcxr where it is: called before there is a second thread.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(home: Home) -> Result<Self> {
        let workspace = Arc::new(Workspace::create(&home::running()?)?);
        let (wire, ends) = Wire::new();
        let (jobs, waiting) = channel();
        let (typed, replies) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared::new(wire, workspace.cells()));
        let (queues, waiting) = (Queues { ends, jobs, typed }, Some((waiting, replies)));
        let kernel = Kernel { home, workspace, shared, surroundings: None, queues, waiting };
        kernel.set_environment();
        Ok(kernel)
    }

    /// Sets the variables that evcxr and cells need.
    pub fn set_environment(&self) {
        engine::set_environment(&self.home, &self.workspace.cells());
    }

    /// Starts the engine, which warms up; further calls do nothing.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start_engine(&mut self) -> Result<()> {
        let Some((jobs, replies)) = self.waiting.take() else { return Ok(()) };
        engine::start(self.home.clone(), self.shared.clone(), self.workspace.clone(), jobs, replies)
    }

    /// Binds the sockets and serves until the end of the process; with a relay, if there is one.
    pub fn serve(self, connection: &ConnectionInfo, relay: Option<Relay>) -> ! {
        let (shared, workspace) = (self.shared.clone(), self.workspace.clone());
        // The sockets close with the runtime, so a kernel that replaces this one finds the ports free.
        let result = self.serve_sockets(connection, relay.as_ref());
        if let Err(error) = &result {
            eprintln!("rankscope-kernel: {error:#}");
        }
        leave(&shared, &workspace, u8::from(result.is_err()), relay.as_ref())
    }

    fn serve_sockets(self, connection: &ConnectionInfo, relay: Option<&Relay>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let life = Life::new(relay, self.next_spare())?;
        let Kernel { home, workspace, shared, queues, waiting, .. } = self;
        let engine_shared = shared.clone();
        let begin = || match waiting {
            Some((jobs, replies)) => engine::start(home, engine_shared, workspace, jobs, replies),
            None => Ok(()),
        };
        runtime.block_on(server::serve(connection, queues, shared, begin, life))
    }

    /// The work of a kernel that has been idle for a moment: it starts the next spare.
    fn next_spare(&self) -> Box<dyn FnOnce() + Send> {
        let (home, surroundings) = (self.home.clone(), self.surroundings.clone());
        Box::new(move || {
            let Some(surroundings) = surroundings.filter(|_| spare::is_on()) else { return };
            if let Err(error) = spare::start(&home, &surroundings.variables) {
                eprintln!("rankscope-kernel: no spare: {error:#}");
            }
        })
    }

    /// Ends a kernel that has served no notebook.
    pub fn end(self, code: u8) -> ! {
        leave(&self.shared, &self.workspace, code, None)
    }
}

/// Ends the process, whatever the engine's thread is doing, after the cells' process and the folder are gone.
fn leave(shared: &Shared, workspace: &Workspace, code: u8, relay: Option<&Relay>) -> ! {
    shared.progress.finish();
    workspace.remove();
    if let Some(relay) = relay {
        relay.end(code);
    }
    std::process::exit(code.into())
}
