//! The process that runs cells: what it does before evcxr takes over, and how the kernel talks to it.

use std::process::Child;
use std::sync::{Arc, Mutex};

/// Set by evcxr for the process that runs cells.
const IS_CHILD: &str = "EVCXR_IS_RUNTIME";

/// In the child: no signal of ours may kill it before the library has its handlers, and it dies with the kernel.
/// In the kernel: Ctrl-C in the terminal of Jupyter goes to the whole group and is not for us.
pub fn before_cells() {
    #[cfg(unix)]
    // SAFETY: plain calls, before there is a second thread.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        if std::env::var_os(IS_CHILD).is_some() {
            libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
    }
}

/// The process that runs cells; evcxr puts a new one in its place after a crash.
#[derive(Clone)]
pub struct Cells(Arc<Mutex<Child>>);

impl Cells {
    /// From evcxr's handle.
    pub fn new(handle: Arc<Mutex<Child>>) -> Self {
        Cells(handle)
    }

    /// Raises the cancel flag of every `Run` in the process.
    pub fn ask_to_stop(&self) {
        self.signal(libc::SIGINT);
    }

    /// Lowers the cancel flag: a new cell begins.
    pub fn begin(&self) {
        self.signal(libc::SIGUSR1);
    }

    /// Ends the process, and everything in it is lost.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Ends the process and waits until it is gone: a kernel leaves nothing behind, not even for a moment.
    pub fn end(&self) {
        let mut child = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = child.kill();
        let _ = child.wait();
    }

    fn signal(&self, signal: i32) {
        let mut child = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Once it has been waited for, its number may belong to somebody else.
        if matches!(child.try_wait(), Ok(None)) {
            // SAFETY: a plain system call on a process that we own.
            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        }
    }
}
