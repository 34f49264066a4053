//! What the engine is doing, for other threads: whether it is warm, which cell runs, how to stop it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::cells::{self, Cells};
use crate::open;
use crate::workspace::built_cells;

/// How long a cell that runs may ignore an interrupt before its process is ended.
const GRACE: Duration = Duration::from_secs(3);
/// How often an interrupt is repeated: another compiler may have been started meanwhile.
const AGAIN: Duration = Duration::from_millis(100);
/// How long the end of the kernel waits for the engine's thread, which nobody can stop while it analyses a cell.
const ENDING: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    warm: bool,
    failed: bool,
    /// Whether the engine's thread may write into the kernel's folder, and whether the kernel ends.
    working: bool,
    finished: bool,
    cells: Option<Cells>,
    /// Where cells are compiled, and how many had been when the request began.
    folder: PathBuf,
    built: usize,
    /// The number of the request that runs; numbers never repeat.
    running: Option<u64>,
    started: u64,
    /// Whether the request that runs, or ran last, has been interrupted, and whether its process was killed.
    interrupted: bool,
    killed: bool,
}

/// Shared between the engine's thread and the control channel.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

impl Progress {
    /// The state before the engine is warm; it will compile cells in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Progress(Arc::new(Mutex::new(State { folder, ..State::default() })))
    }

    /// Whether the engine is not ready yet.
    pub fn is_warming(&self) -> bool {
        !self.state().warm
    }

    /// The engine is ready.
    pub fn warm(&self) {
        self.state().warm = true;
    }

    /// The engine will never be ready.
    pub fn fail(&self) {
        let mut state = self.state();
        (state.warm, state.failed) = (true, true);
    }

    /// Whether the engine is ready and has nothing to do.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.warm && !state.failed && state.running.is_none()
    }

    /// Whether the engine failed, or the process that runs cells has ended.
    pub fn is_broken(&self) -> bool {
        let state = self.state();
        state.failed || state.cells.as_ref().is_some_and(|cells| !cells.live())
    }

    /// Whether there is a process that runs cells.
    pub fn has_cells(&self) -> bool {
        self.state().cells.is_some()
    }

    /// The process that runs cells is there.
    pub fn set_cells(&self, cells: Cells) {
        self.state().cells = Some(cells);
    }

    /// The engine's thread wants to work, until it calls [`Progress::rest`]; `false` if it must not: the kernel ends.
    pub fn work(&self) -> bool {
        let mut state = self.state();
        state.working = !state.finished;
        state.working
    }

    /// The engine's thread writes nothing until it works again.
    pub fn rest(&self) {
        self.state().working = false;
    }

    /// Whether the kernel ends.
    pub fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// A request begins.
    pub fn begin(&self) {
        let mut state = self.state();
        state.started += 1;
        state.running = Some(state.started);
        (state.interrupted, state.killed) = (false, false);
        state.built = built_cells(&state.folder);
        if let Some(cells) = &state.cells {
            cells.begin();
        }
    }

    /// A call of the library begins, for which nothing is compiled.
    pub fn begin_call(&self) {
        self.begin();
        self.state().built = 0;
    }

    /// The request is done. Says whether it was interrupted, and whether its process was killed.
    pub fn end(&self) -> (bool, bool) {
        let mut state = self.state();
        state.running = None;
        (state.interrupted, state.killed)
    }

    /// The request that runs.
    pub fn running(&self) -> Option<u64> {
        self.state().running
    }

    /// Whether the request that runs has been interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.state().interrupted
    }

    /// Stops what runs by a signal; if a cell's own code ignores that, or on a second interrupt, its process is killed.
    /// While a cell is still being compiled, only its compiler ends.
    pub fn interrupt(&self) {
        let mut state = self.state();
        let Some(running) = state.running else { return };
        if std::mem::replace(&mut state.interrupted, true) {
            if state.is_compiled() {
                state.kill();
            }
            return;
        }
        state.ask_to_stop();
        drop(state);
        let watcher = self.clone();
        std::thread::spawn(move || watcher.insist(running));
    }

    /// Repeats the signal until the request is done.
    fn insist(&self, running: u64) {
        let mut ignored = None;
        loop {
            std::thread::sleep(AGAIN);
            let mut state = self.state();
            if state.running != Some(running) {
                return;
            }
            if state.is_compiled() && ignored.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                return state.kill();
            }
            state.ask_to_stop();
        }
    }

    /// Ends the process that runs cells and all compilers, as the kernel ends, and waits until the engine's thread is
    /// done: what it or a compiler writes now would bring back a folder that is being removed.
    pub fn finish(&self) {
        let started = Instant::now();
        loop {
            let mut state = self.state();
            (state.finished, state.killed) = (true, true);
            // Taken out: evcxr puts a new process in the place of one that died.
            if let Some(cells) = state.cells.take() {
                cells.end();
            }
            if !state.working || started.elapsed() >= ENDING {
                return;
            }
            drop(state);
            cells::interrupt_programs();
            std::thread::sleep(AGAIN / 5);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        open(&self.0)
    }
}

impl State {
    fn ask_to_stop(&self) {
        if let Some(cells) = &self.cells {
            cells.ask_to_stop();
        }
    }

    /// Whether it is the cell's own code that runs.
    fn is_compiled(&self) -> bool {
        built_cells(&self.folder) > self.built
    }

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

    struct Sleeper {
        progress: Progress,
        child: Arc<Mutex<Child>>,
        folder: tempfile::TempDir,
    }

    impl Sleeper {
        /// The compiler is done: the cell runs.
        fn compiled(&self) {
            let target = self.folder.path().join("target/any/debug");
            std::fs::create_dir_all(&target).unwrap();
            std::fs::write(target.join("libcode_7.so"), "").unwrap();
        }
    }

    fn sleeper(ignores: bool) -> Sleeper {
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
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress::new(folder.path().to_owned());
        progress.set_cells(Cells::new(child.clone()));
        Sleeper { progress, child, folder }
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
        let Sleeper { progress, child, folder: _folder } = sleeper(false);
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
    fn the_end_waits_for_the_engine_and_nothing_begins_after_it() {
        let Sleeper { progress, child, folder: _folder } = sleeper(false);
        assert!(progress.work());
        let engine = std::thread::spawn({
            let progress = progress.clone();
            move || {
                // As evcxr does: it notices that the process is gone, and then does something more.
                while child.lock().unwrap().try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(AGAIN);
                assert!(progress.is_finished());
                progress.rest();
            }
        });
        progress.finish();
        assert!(!progress.state().working);
        engine.join().unwrap();
        assert!(!progress.work());
        let hung = Progress::new(PathBuf::new());
        assert!(hung.work());
        let started = Instant::now();
        hung.finish();
        assert!((ENDING..ENDING * 3).contains(&started.elapsed()), "it does not wait for ever");
    }

    #[test]
    fn a_second_interrupt_is_not_polite() {
        let sleeper = sleeper(true);
        let Sleeper { progress, child, .. } = &sleeper;
        progress.begin();
        sleeper.compiled();
        progress.interrupt();
        assert_eq!(ended_by(child, Duration::from_millis(300)), None);
        progress.interrupt();
        assert_eq!(ended_by(child, GRACE / 2), Some(libc::SIGKILL));
        assert_eq!(progress.end(), (true, true));
    }

    #[test]
    fn whoever_ignores_an_interrupt_is_killed_after_a_while_but_not_for_its_compiler() {
        let sleeper = sleeper(true);
        let Sleeper { progress, child, .. } = &sleeper;
        sleeper.compiled(); // an earlier cell
        progress.begin();
        progress.interrupt();
        progress.interrupt();
        assert_eq!(ended_by(child, GRACE + AGAIN * 3), None);
        let target = sleeper.folder.path().join("target/any/debug");
        std::fs::rename(target.join("libcode_7.so"), target.join("libcode_6.so")).unwrap();
        sleeper.compiled();
        assert_eq!(ended_by(child, GRACE * 2), Some(libc::SIGKILL));
        assert_eq!(progress.end(), (true, true));
    }
}
