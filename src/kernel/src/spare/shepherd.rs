//! The two ends of a kernel on a spare: the process that Jupyter started, and the one that serves.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::message::{receive, send, send_outputs};
use super::{folder, socket, wish};
use crate::home::Home;
use crate::server::Parent;
use crate::surroundings::Surroundings;

/// What a spare answers.
pub const YES: &str = "yes";
pub const NO: &str = "no";
/// What it waits for then: who has not the patience must not be served twice.
pub const GO: &str = "go";

/// How long a spare may take to answer; it needs a hundredth of that.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has a spare serve the kernel of a connection file, until that ends; its exit code.
///
/// # Errors
/// If there is no spare that can. Then nothing has happened, and this process may serve.
pub fn serve_by_spare(home: &Home, connection: &str, surroundings: &Surroundings) -> Result<u8> {
    let socket = UnixStream::connect(socket(&folder()?)).context("there is no spare")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    send_outputs(&socket)?;
    send(&socket, &wish(home, connection, surroundings)?.to_fields())?;
    let answer = receive(&socket).context("the spare does not answer")?;
    match answer.first().map(Vec::as_slice) {
        Some(yes) if yes == YES.as_bytes() => {}
        _ => bail!(
            "the spare cannot serve: {}",
            answer.get(1).map_or("".into(), |why| String::from_utf8_lossy(why))
        ),
    }
    send(&socket, &[GO]).context("the spare is gone")?;
    Ok(shepherd(&socket))
}

/// The socket that a signal closes.
static FLOCK: AtomicI32 = AtomicI32::new(-1);

extern "C" fn let_go(_: libc::c_int) {
    // SAFETY: a system call that signal handlers may make; on what is no socket it does nothing.
    unsafe { libc::shutdown(FLOCK.load(Ordering::Relaxed), libc::SHUT_WR) };
}

/// Stays until the serving process ends; a signal, or the end of Jupyter, asks it to.
fn shepherd(socket: &UnixStream) -> u8 {
    FLOCK.store(socket.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: the handler only makes a system call.
    unsafe { libc::signal(libc::SIGTERM, let_go as extern "C" fn(libc::c_int) as libc::sighandler_t) };
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
    // It has said goodbye; once its end is closed it has ended.
    while receive(socket).is_err_and(|error| is_silence(&error)) {}
    code
}

fn is_silence(error: &std::io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}

/// The shepherd, seen from the process that serves.
pub struct Flock(pub UnixStream);

impl Flock {
    /// Calls `gone` when the shepherd is, or wants an end.
    ///
    /// # Errors
    /// If the socket cannot be read by two.
    pub fn watch(&self, gone: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let socket = self.0.try_clone()?;
        socket.set_read_timeout(None)?;
        std::thread::spawn(move || {
            // It says nothing more, so whatever comes is the end.
            let _ = receive(&socket);
            gone();
        });
        Ok(())
    }

    /// The last word: the exit code.
    pub fn end(&self, code: u8) {
        let _ = send(&self.0, &[[code]]);
    }
}
