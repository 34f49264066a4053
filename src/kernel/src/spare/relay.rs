//! The two processes of a kernel on a spare: the one that Jupyter started, the relay, and the one that serves.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::message::{receive, send, send_outputs};
use super::{folder, request, socket};
use crate::home::Home;
use crate::server::Parent;
use crate::surroundings::Surroundings;

/// The answers of a spare.
pub const YES: &str = "yes";
pub const NO: &str = "no";
/// The spare waits for this message after its answer; a kernel that gave up waiting serves itself and sends nothing.
pub const GO: &str = "go";

/// How long a spare may take to answer; it needs a hundredth of that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has a spare serve the kernel of a connection file, until that ends; its exit code. `None` if there is no spare.
///
/// # Errors
/// If the spare cannot serve it. Then nothing has happened, and this process may serve.
pub fn serve_by_spare(home: &Home, connection: &str, surroundings: &Surroundings) -> Result<Option<u8>> {
    let path = socket(&folder()?);
    if !path.exists() {
        return Ok(None);
    }
    let socket = UnixStream::connect(path).context("the spare does not listen")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    send_outputs(&socket)?;
    send(&socket, &request(home, connection, surroundings)?.to_fields())?;
    let answer = receive(&socket).context("the spare does not answer")?;
    if answer.first().map(Vec::as_slice) != Some(YES.as_bytes()) {
        let why = answer.get(1).map(|why| String::from_utf8_lossy(why)).unwrap_or_default();
        bail!("the spare cannot serve: {why}");
    }
    send(&socket, &[GO]).context("the spare is gone")?;
    Ok(Some(relay(&socket)))
}

/// The socket that a signal closes.
static SOCKET: AtomicI32 = AtomicI32::new(-1);

extern "C" fn close(_: libc::c_int) {
    // SAFETY: a system call that signal handlers may make; without a socket it does nothing.
    unsafe { libc::shutdown(SOCKET.load(Ordering::Relaxed), libc::SHUT_WR) };
}

/// Waits until the serving process ends; asks it to end on a signal and when Jupyter is gone. Returns the exit code.
fn relay(socket: &UnixStream) -> u8 {
    SOCKET.store(socket.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: the handler only makes a system call.
    unsafe { libc::signal(libc::SIGTERM, close as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let parent = Parent::watch();
    let _ = socket.set_read_timeout(Some(Duration::from_secs(1)));
    let code = loop {
        match receive(socket) {
            Ok(code) => break code.first().and_then(|code| code.first().copied()).unwrap_or(1),
            Err(error) if is_silence(&error) => {
                if parent.is_gone() {
                    let _ = socket.shutdown(Shutdown::Write);
                }
            }
            Err(_) => {
                eprintln!("rankscope-kernel: the process that served this kernel is gone");
                return 1;
            }
        }
    };
    // The serving process has sent its exit code; it has ended once its end of the socket is closed.
    while receive(socket).is_err_and(|error| is_silence(&error)) {}
    code
}

fn is_silence(error: &std::io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}

/// The relay, seen from the process that serves.
pub struct Relay(pub UnixStream);

impl Relay {
    /// Calls `gone` when the relay has ended or asks for an end.
    ///
    /// # Errors
    /// If the socket cannot be read by a second thread.
    pub fn watch(&self, gone: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let socket = self.0.try_clone()?;
        socket.set_read_timeout(None)?;
        std::thread::spawn(move || {
            // The relay sends nothing more, so whatever arrives is its end.
            let _ = receive(&socket);
            gone();
        });
        Ok(())
    }

    /// Sends the exit code.
    pub fn end(&self, code: u8) {
        let _ = send(&self.0, &[[code]]);
    }
}
