//! The process that waits for a kernel to serve.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jupyter_protocol::ConnectionInfo;

use super::message::{Request, receive, receive_outputs, send};
use super::relay::{GO, NO, YES};
use super::{END, IDLE, IDLE_SECONDS, Relay, folder, library_of, lock, socket};
use crate::cells::{self, Handover};
use crate::home::Home;
use crate::kernel::Kernel;
use crate::surroundings::{Surroundings, bounds};
use crate::workspace;

/// How often to check whether there is a reason to end.
const LOOK: Duration = Duration::from_secs(2);
/// How long a kernel that connects may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a signal has asked this process to end.
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

extern "C" fn end(_: libc::c_int) {
    ASKED_TO_END.store(true, Ordering::Relaxed);
}

/// `spare wait`: warms an engine and waits; then serves a kernel, or ends. Does nothing if there is a spare already.
///
/// # Errors
/// If nothing is installed, or a socket cannot be made.
pub fn wait() -> Result<()> {
    let folder = folder()?;
    let Some(lock) = lock(&folder)? else { return Ok(()) };
    cells::lead_group();
    // SAFETY: the handler only stores an atomic.
    unsafe { libc::signal(libc::SIGTERM, end as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let home = Home::of_user()?;
    let library = library_of(&home)?;
    let idle = std::env::var(IDLE).ok().map_or(Ok(IDLE_SECONDS), |seconds| seconds.parse());
    let idle = Duration::from_secs(idle.with_context(|| format!("{IDLE} is no number of seconds"))?);
    let surroundings = Surroundings::of_process()?;
    let listener = Listener::bind(socket(&folder))?;
    let handover = Handover::new()?;
    let mut kernel = Kernel::new(home)?;
    kernel.workspace.wait_as_spare(&kernel.home);
    kernel.start_engine()?;
    let spare = Spare { kernel, surroundings, library, handover, listener, lock };
    spare.wait(idle)
}

/// A socket that listens, and its file, which is removed with it.
struct Listener(UnixListener, PathBuf);

impl Listener {
    fn bind(path: PathBuf) -> Result<Self> {
        // We have the lock, so a socket that is there belonged to a process that has ended.
        let _ = fs::remove_file(&path);
        let listener =
            UnixListener::bind(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Listener(listener, path))
    }

    /// The next connection; `None` if there is none before the next check, or a signal comes.
    fn next(&self) -> Option<UnixStream> {
        cells::wait([self.0.as_raw_fd()], LOOK.as_millis() as libc::c_int);
        let (stream, _) = self.0.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.1);
    }
}

struct Spare {
    kernel: Kernel,
    surroundings: Surroundings,
    library: (Vec<u8>, Vec<u8>),
    handover: Handover,
    listener: Listener,
    lock: File,
}

impl Spare {
    fn wait(self, idle: Duration) -> ! {
        let mut needed = Instant::now();
        let reason = loop {
            if let Some(stream) = self.listener.next() {
                match self.hear(&stream) {
                    Ok(Heard::End) => break "it was told to end".to_owned(),
                    Ok(Heard::Request(request, outputs)) => match self.can_serve(&request) {
                        Ok(connection) => self.serve(stream, &request, outputs, &connection),
                        // The kernel that asks will start the next spare, with its own variables.
                        Err(why) => {
                            let why = format!("{why:#}");
                            let _ = send(&stream, &[NO, &why]);
                            break why;
                        }
                    },
                    Err(error) => eprintln!("rankscope-kernel: the spare does not understand: {error:#}"),
                }
            }
            if let Some(reason) = self.reason_to_end() {
                break reason;
            }
            if workspace::states(self.kernel.workspace.among()).iter().any(|state| state["spare"] != true) {
                needed = Instant::now();
            } else if needed.elapsed() >= idle {
                break format!("no kernel has been there for {} s", idle.as_secs());
            }
        };
        eprintln!("rankscope-kernel: the spare ends: {reason}");
        drop(self.listener);
        // Released before the process ends, which takes a moment: a `spare on` in that moment must find no spare.
        drop(self.lock);
        self.kernel.end(0)
    }

    fn hear(&self, stream: &UnixStream) -> Result<Heard> {
        let outputs = receive_outputs(stream)?;
        let fields = receive(stream)?;
        if fields == [END.as_bytes()] {
            return Ok(Heard::End);
        }
        Ok(Heard::Request(Request::from_fields(&fields).context("not a request of this kernel")?, outputs))
    }

    /// Checks that this spare can serve the kernel that asks; returns the connection that it would serve.
    fn can_serve(&self, request: &Request) -> Result<ConnectionInfo> {
        if (&request.home, &request.stamp) != (&self.library.0, &self.library.1) {
            bail!("it has another library");
        }
        if let Some(name) = self.surroundings.set_apart_by(&request.surroundings) {
            bail!("it was started with another {name}");
        }
        if request.bounds != bounds() {
            bail!("it has other limits or another umask, or is in another control group");
        }
        if let Some(reason) = self.reason_to_end() {
            bail!(reason);
        }
        serde_json::from_slice(&request.connection).context("the connection file")
    }

    fn reason_to_end(&self) -> Option<String> {
        if ASKED_TO_END.load(Ordering::Relaxed) {
            return Some("a signal said so".into());
        }
        if library_of(&self.kernel.home).ok().as_ref() != Some(&self.library) {
            return Some("the library was replaced or removed".into());
        }
        if self.kernel.shared.progress.is_broken() {
            return Some("its engine did not start, or its cells' process has ended".into());
        }
        None
    }

    /// From now on this is the kernel of `request`.
    fn serve(
        self,
        stream: UnixStream,
        request: &Request,
        outputs: [File; 2],
        connection: &ConnectionInfo,
    ) -> ! {
        let Spare { mut kernel, handover, listener, lock, .. } = self;
        drop(listener);
        if let Err(error) = take_over(&kernel, &request.surroundings, handover, &stream) {
            eprintln!("rankscope-kernel: the spare could not take over: {error:#}");
            let _ = send(&stream, &[NO, &format!("{error:#}")]);
            drop(lock);
            kernel.end(1);
        }
        outputs.iter().zip([libc::STDOUT_FILENO, libc::STDERR_FILENO]).for_each(|(output, standard)| {
            // SAFETY: both are open; from now on we write where the kernel would have.
            unsafe { libc::dup2(output.as_raw_fd(), standard) };
        });
        drop(outputs);
        kernel.workspace.serve_for(request.kernel);
        // Another spare may be started from here on.
        drop(lock);
        kernel.surroundings = Some(request.surroundings.clone());
        kernel.serve(connection, Some(Relay(stream)))
    }
}

enum Heard {
    End,
    Request(Request, [File; 2]),
}

/// Takes over the folder and the variables that Jupyter gave the kernel, here and in the cells' process, and waits
/// until the kernel sends [`GO`].
fn take_over(
    kernel: &Kernel,
    surroundings: &Surroundings,
    handover: Handover,
    stream: &UnixStream,
) -> Result<()> {
    surroundings.enter().with_context(|| format!("cannot go to {}", surroundings.folder.display()))?;
    kernel.set_environment();
    handover.pass(&Surroundings::of_process()?, kernel.shared.progress.has_cells())?;
    send(stream, &[YES])?;
    let answer = receive(stream).context("the kernel did not wait")?;
    if answer != [GO.as_bytes()] {
        bail!("the kernel sent something else");
    }
    Ok(())
}
