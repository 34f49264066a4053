//! The streams between a kernel and the processes that run its cells, which live as long as the kernel.
//!
//! evcxr talks to a process of cells over its standard input and output. Cells, and programs that
//! they start, print on these as well. So that printed text is never taken for a message, the process replaces evcxr's
//! pipes before its first cell: by two pipes for text, two sockets for the library's messages and questions, and one for
//! the kernel's calls of the library.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::frame::{Frame, Frames};
use super::{checked, wait};
use crate::compile;

/// The variable that names the cells' ends; the process of the cells removes it at once.
const GIVEN: &str = "RANKSCOPE_KERNEL_CELLS";
/// Where the system looks for shared libraries first.
const SEARCH: &str = if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// The kernel's ends.
pub struct Ours {
    /// What was printed.
    pub stdout: PipeReader,
    pub stderr: PipeReader,
    /// Messages, one at a time: each waits until it is answered.
    pub tell: Frames,
    /// Questions to the person at the notebook.
    pub ask: Frames,
}

/// The kernel's end of the socket over which it calls the library, and waits until that is done.
pub struct Calls {
    socket: Frames,
    made: u64,
}

/// The cells' ends. The kernel keeps them open for a new process after a crash.
pub struct Theirs {
    text: [OwnedFd; 2],
    sockets: [UnixStream; 3],
}

/// Both ends; no program inherits any of them.
///
/// # Errors
/// If the system has no descriptors left.
pub fn pair() -> io::Result<(Ours, Calls, Theirs)> {
    let ((stdout, out), (stderr, err)) = (io::pipe()?, io::pipe()?);
    let [(tell, told), (ask, asked), (call, called)] =
        [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
    let ours = Ours { stdout, stderr, tell: Frames::new(tell)?, ask: Frames::new(ask)? };
    let calls = Calls { socket: Frames::new(call)?, made: 0 };
    Ok((ours, calls, Theirs { text: [out.into(), err.into()], sockets: [told, asked, called] }))
}

impl Calls {
    /// Has the library handle `message`, and waits for that; `false` if `lives` says that the process has ended before.
    pub fn call(&mut self, message: &[u8], lives: impl Fn() -> bool) -> bool {
        /// How often to look whether the process is still there, in milliseconds.
        const LOOK: libc::c_int = 50;
        self.made += 1;
        let number = self.made;
        let sent =
            self.socket.answers().and_then(|socket| Frame { number, bytes: message.to_vec() }.write(&socket));
        while sent.is_ok() {
            while let Some(answer) = self.socket.next() {
                if answer.number == number {
                    return true;
                }
            }
            if !lives() {
                // Drops answers of the process that has ended: the next process must not be taken for their sender.
                self.socket.forget();
                return false;
            }
            wait([self.socket.as_raw_fd()], LOOK);
        }
        false
    }
}

impl Theirs {
    /// Gives `command`, whenever it is started, these ends, the shared library for cells, and the folders of the
    /// libraries that this and the cells depend on.
    pub fn pass(self, command: &mut Command, library: &Path, folders: &[PathBuf]) -> Result<()> {
        let before = std::env::var_os(SEARCH).filter(|folders| !folders.is_empty());
        let all = before.iter().flat_map(std::env::split_paths);
        let all = std::env::join_paths(folders.iter().cloned().chain(all))
            .context("a folder's name has a colon")?;
        let before = before.map(|folders| folders.to_string_lossy().into_owned());
        let given = json!({ "files": self.numbers(), "library": library, "search": before });
        command.env(SEARCH, all).env(GIVEN, given.to_string());
        for (name, value) in compile::for_cells() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let inherit = move || {
            self.numbers().into_iter().try_for_each(|file| {
                // SAFETY: a system call on a descriptor that is open, in the process that is about to be a program.
                checked(unsafe { libc::fcntl(file, libc::F_SETFD, 0) })
            })
        };
        // SAFETY: it makes four system calls and allocates nothing.
        unsafe { command.pre_exec(inherit) };
        Ok(())
    }

    fn numbers(&self) -> [RawFd; 5] {
        let [out, err] = &self.text;
        let [tell, ask, call] = &self.sockets;
        [out.as_raw_fd(), err.as_raw_fd(), tell.as_raw_fd(), ask.as_raw_fd(), call.as_raw_fd()]
    }

    /// Ends of a test that plays the cells: the two for text, and the three sockets.
    #[cfg(test)]
    pub fn into_parts(self) -> ([std::fs::File; 2], [UnixStream; 3]) {
        (self.text.map(Into::into), self.sockets)
    }
}

/// The streams and the library that a process of cells is given.
pub struct Given {
    /// Descriptors: text on stdout and on stderr.
    pub text: [OwnedFd; 2],
    /// Messages, questions, and calls of the kernel.
    pub tell: UnixStream,
    pub ask: UnixStream,
    pub call: UnixStream,
    /// The shared library for cells.
    pub library: String,
}

impl Given {
    /// Takes the streams and the library out of the environment, which then equals the kernel's.
    ///
    /// # Errors
    /// If the variable that names them is missing or damaged.
    pub fn take() -> Result<Self> {
        let text = std::env::var(GIVEN).with_context(|| format!("{GIVEN} is not set"))?;
        let given: Value = serde_json::from_str(&text).context(GIVEN)?;
        let number = |at: usize| given["files"][at].as_i64().map(|number| number as RawFd).context(GIVEN);
        let numbers = [number(0)?, number(1)?, number(2)?, number(3)?, number(4)?];
        // SAFETY: called before there is a second thread; the descriptors were left open for us and for nobody else.
        let [out, err, tell, ask, call] = unsafe {
            std::env::remove_var(GIVEN);
            match given["search"].as_str().map(OsString::from) {
                Some(search) => std::env::set_var(SEARCH, search),
                None => std::env::remove_var(SEARCH),
            }
            numbers.map(|number| {
                libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
                OwnedFd::from_raw_fd(number)
            })
        };
        let library = given["library"].as_str().context(GIVEN)?.to_owned();
        Ok(Given { text: [out, err], tell: tell.into(), ask: ask.into(), call: call.into(), library })
    }
}

/// How many bytes can be read at once.
pub fn waiting(pipe: &PipeReader) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the call fills in one integer.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) };
    if result < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}

/// Reads what has arrived, without waiting.
pub fn read_waiting(pipe: &mut PipeReader) -> Vec<u8> {
    let mut bytes = vec![0; waiting(pipe)];
    let read = if bytes.is_empty() { Ok(0) } else { pipe.read(&mut bytes) };
    bytes.truncate(read.unwrap_or(0));
    bytes
}
