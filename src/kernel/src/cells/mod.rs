//! The process that runs cells: what it does, and how the kernel talks to it.

mod frame;
mod link;
mod run;
#[cfg(target_os = "linux")]
mod stdin;
mod streams;

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::compile;
use crate::open;
use crate::spare;
use crate::surroundings::Surroundings;
pub use frame::Frame;
pub use link::Answer;
pub use streams::{Calls, Ours, pair, read_waiting};

/// Set by evcxr for the process that runs cells.
const IS_CHILD: &str = "EVCXR_IS_RUNTIME";

/// The variable that names the socket on which a spare's child learns whom it serves.
const HANDOVER: &str = "RANKSCOPE_KERNEL_HANDOVER";

/// How long the child may take to take over the surroundings.
const TAKING_OVER: Duration = Duration::from_secs(1);

/// Whether our process group holds only this process, its compilers and its cells.
static LEADS_GROUP: AtomicBool = AtomicBool::new(false);

/// Runs cells and does not return, if this process was started for that. It ignores our signals until the library has
/// installed its handlers, and it dies with the kernel.
pub fn run_if_asked() {
    if std::env::var_os(IS_CHILD).is_none() {
        return;
    }
    // SAFETY: plain calls, before there is a second thread.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    let given = streams::Given::take();
    let socket = std::env::var(HANDOVER).ok().and_then(|socket| socket.parse::<RawFd>().ok());
    if let Some(socket) = socket {
        // SAFETY: the spare left this end open for us.
        let socket = unsafe { UnixStream::from_raw_fd(socket) };
        let _ = keep_from_programs(&socket, true);
        std::thread::spawn(move || take_over(socket));
    }
    #[cfg(target_os = "linux")]
    stdin::ask();
    run::run(given)
}

/// Puts the kernel into a process group of its own: an interrupt is sent to the group, as by Ctrl-C in a terminal, and
/// reaches every compiler and all programs that cells started. The kernel itself has a handler that does nothing;
/// if it ignored the signal instead, all those programs would inherit that.
pub fn lead_group() {
    extern "C" fn pass(_: libc::c_int) {}
    // SAFETY: plain calls, before there is a second thread.
    unsafe {
        libc::signal(libc::SIGINT, pass as extern "C" fn(libc::c_int) as libc::sighandler_t);
        libc::setpgid(0, 0);
        LEADS_GROUP.store(libc::getpgrp() == libc::getpid(), Ordering::Relaxed);
    }
}

/// Interrupts the cells, their compilers and all programs that cells started, if our process group holds only those.
pub fn interrupt_programs() -> bool {
    let leads = LEADS_GROUP.load(Ordering::Relaxed);
    if leads {
        // SAFETY: a plain system call on a group that is ours.
        unsafe { libc::kill(0, libc::SIGINT) };
    }
    leads
}

/// A spare's link to its child, over which the child learns its folder and its variables.
pub struct Handover {
    ours: UnixStream,
    childs: UnixStream,
}

impl Handover {
    /// Makes the link; children that are started from now on inherit their end.
    ///
    /// # Errors
    /// If there can be no socket.
    pub fn new() -> io::Result<Self> {
        let (ours, childs) = UnixStream::pair()?;
        keep_from_programs(&childs, false)?;
        // SAFETY: there is no second thread yet.
        unsafe { std::env::set_var(HANDOVER, childs.as_raw_fd().to_string()) };
        Ok(Handover { ours, childs })
    }

    /// Gives the child these surroundings, and waits until it has them if it is already running (`is_there`); a child
    /// that is being started reads them before its first cell.
    ///
    /// # Errors
    /// If the child does not answer.
    pub fn pass(self, surroundings: &Surroundings, is_there: bool) -> io::Result<()> {
        let mut surroundings = surroundings.clone();
        surroundings.variables.extend([(IS_CHILD.into(), "1".into()), ("RUST_BACKTRACE".into(), "1".into())]);
        for (name, value) in compile::for_cells() {
            match value {
                Some(value) => surroundings.variables.insert(name.into(), value),
                None => surroundings.variables.remove(OsStr::new(name)),
            };
        }
        keep_from_programs(&self.childs, true)?;
        spare::send(&self.ours, &surroundings.to_fields())?;
        if is_there {
            self.ours.set_read_timeout(Some(TAKING_OVER))?;
            (&self.ours).read_exact(&mut [0])?;
        }
        // Open for the life of the process: the child may not have come to it yet.
        std::mem::forget(self);
        Ok(())
    }
}

/// Whether programs that are started from here inherit the socket.
fn keep_from_programs(socket: &UnixStream, keep: bool) -> io::Result<()> {
    let flags = if keep { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: a system call on a descriptor that is open.
    checked(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFD, flags) })
}

/// The result of a system call; the system's error where it is negative.
fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until some of the files can be read, at most for `millis` (-1: without end), and says which.
pub fn wait<const N: usize>(files: [RawFd; N], millis: libc::c_int) -> [bool; N] {
    let mut wanted = files.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: descriptors of ours, for the time of the call. A signal only makes one round more.
    unsafe { libc::poll(wanted.as_mut_ptr(), N as libc::nfds_t, millis) };
    wanted.map(|file| file.revents != 0)
}

/// The child's side: waits for the surroundings, takes them over, and answers.
fn take_over(mut socket: UnixStream) {
    let surroundings = spare::receive(&socket).ok().and_then(|fields| Surroundings::from_fields(&fields));
    if surroundings.is_some_and(|surroundings| surroundings.enter().is_ok()) {
        let _ = socket.write_all(&[1]);
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

    /// Raises the cancel flag of every `Run` in the process, and ends the compilers.
    pub fn ask_to_stop(&self) {
        if !interrupt_programs() {
            self.signal(libc::SIGINT);
        }
    }

    /// Whether the process is still there.
    pub fn live(&self) -> bool {
        is_there(&mut open(&self.0))
    }

    /// Lowers the cancel flag: a new cell begins.
    pub fn begin(&self) {
        self.signal(libc::SIGUSR1);
    }

    /// Ends the process, and everything in it is lost.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Ends the process and waits until it is gone.
    pub fn end(&self) {
        let mut child = open(&self.0);
        let _ = child.kill();
        let _ = child.wait();
    }

    fn signal(&self, signal: i32) {
        let mut child = open(&self.0);
        // Once it has been waited for, its number may belong to somebody else.
        if is_there(&mut child) {
            // SAFETY: a plain system call on a process that we own.
            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        }
    }
}

fn is_there(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}
