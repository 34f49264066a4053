//! What the engine is doing, as other threads may know it: whether it is warm, which cell runs, how to stop it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::child::Cells;

/// How long a cell may ignore an interrupt before its process is ended.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Default)]
struct State {
    warm: bool,
    cells: Option<Cells>,
    /// The number of the request that runs; numbers never repeat.
    running: Option<u64>,
    started: u64,
    /// Whether the request that runs, or ran last, has been interrupted, and whether it took killing.
    interrupted: bool,
    killed: bool,
}

/// Shared between the engine's thread and the control channel.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

impl Progress {
    /// Whether the engine is not ready yet.
    pub fn is_warming(&self) -> bool {
        !self.state().warm
    }

    /// The engine is ready, or will never be.
    pub fn warm(&self) {
        self.state().warm = true;
    }

    /// The process that runs cells is there.
    pub fn set_cells(&self, cells: Cells) {
        self.state().cells = Some(cells);
    }

    /// A request begins.
    pub fn begin(&self) {
        let mut state = self.state();
        state.started += 1;
        state.running = Some(state.started);
        (state.interrupted, state.killed) = (false, false);
        if let Some(cells) = &state.cells {
            cells.begin();
        }
    }

    /// The request is done. Says whether it was interrupted, and whether it took killing.
    pub fn end(&self) -> (bool, bool) {
        let mut state = self.state();
        state.running = None;
        (state.interrupted, state.killed)
    }

    /// Whether the request that runs has been interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.state().interrupted
    }

    /// Stops what runs: politely, and by force if that does not help or is asked for twice.
    pub fn interrupt(&self) {
        let mut state = self.state();
        let Some(running) = state.running else { return };
        if std::mem::replace(&mut state.interrupted, true) {
            state.kill();
            return;
        }
        if let Some(cells) = &state.cells {
            cells.ask_to_stop();
        }
        drop(state);
        let watcher = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            let mut state = watcher.state();
            if state.running == Some(running) {
                state.kill();
            }
        });
    }

    /// Ends the process that runs cells: the kernel is going.
    pub fn finish(&self) {
        let mut state = self.state();
        state.killed = true;
        // Taken out: evcxr puts a new process in the place of one that died.
        if let Some(cells) = state.cells.take() {
            cells.end();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn kill(&mut self) {
        self.killed = true;
        if let Some(cells) = &self.cells {
            cells.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};

    fn sleeper(ignores: bool) -> (Progress, Arc<Mutex<Child>>) {
        let trap = if ignores { "trap '' INT; " } else { "" };
        // Says when it is ready: a signal before the trap is set would end it.
        let script = format!("{trap}trap '' USR1; echo; exec sleep 100");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdout(std::process::Stdio::piped());
        // Whoever runs the tests in the background may have them ignore it, and that is inherited.
        // SAFETY: a plain system call.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            })
        };
        let mut child = command.spawn().unwrap();
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let child = Arc::new(Mutex::new(child));
        let progress = Progress::default();
        progress.set_cells(Cells::new(child.clone()));
        (progress, child)
    }

    fn ended_by(child: &Arc<Mutex<Child>>, within: Duration) -> Option<i32> {
        let started = std::time::Instant::now();
        while started.elapsed() < within {
            if let Some(status) = child.lock().unwrap().try_wait().unwrap() {
                return status.signal();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    #[test]
    fn an_interrupt_is_polite_first_and_goes_to_nobody_while_nothing_runs() {
        let (progress, child) = sleeper(false);
        progress.interrupt();
        assert_eq!(ended_by(&child, Duration::from_millis(300)), None);
        progress.begin();
        progress.interrupt();
        assert_eq!(ended_by(&child, GRACE), Some(libc::SIGINT));
        assert_eq!(progress.end(), (true, false));
        progress.begin();
        assert_eq!(progress.end(), (false, false), "the next request starts anew");
    }

    #[test]
    fn a_second_interrupt_is_not_polite() {
        let (progress, child) = sleeper(true);
        progress.begin();
        progress.interrupt();
        assert_eq!(ended_by(&child, Duration::from_millis(300)), None);
        progress.interrupt();
        assert_eq!(ended_by(&child, GRACE / 2), Some(libc::SIGKILL));
        assert_eq!(progress.end(), (true, true));
    }

    #[test]
    fn whoever_ignores_an_interrupt_is_killed_after_a_while() {
        let (progress, child) = sleeper(true);
        progress.begin();
        progress.interrupt();
        assert_eq!(ended_by(&child, GRACE * 2), Some(libc::SIGKILL));
        assert_eq!(progress.end(), (true, true));
    }
}
