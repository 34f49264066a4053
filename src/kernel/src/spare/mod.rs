//! The warm spare: an engine that waits, ready, for the next kernel that starts.
//!
//! A spare is this program, in a session of its own: it warms its engine as a kernel does and listens on a socket that
//! only its user can open. A kernel that starts hands the spare the connection file, the folder and the variables that
//! Jupyter gave, and its own outputs. This kernel stays as a *relay*, the process that Jupyter knows, and ends with the
//! spare. A spare that is still warming takes over as well: the rest of its warming is shorter than a new one.
//!
//! A kernel starts by itself where there is no spare. It does so too, and says why on its stderr, where the spare does
//! not answer, has another library, or differs in what a running process cannot change: variables that are read only
//! once ([`Surroundings::set_apart_by`]), limits and control group ([`crate::surroundings::bounds`]). Such a spare
//! ends, and that kernel starts the next one with its own variables.
//!
//! A user has at most one spare (a lock ensures it). It is started when a kernel has had nothing to do for two seconds;
//! at ordinary priority, since only root could raise a lowered priority again. It ends by itself when no kernel has run
//! for [`IDLE_SECONDS`], when the library is replaced or removed, and when the setting is switched off.
//!
//! Where the user has not decided, there is a spare if [`ROOM`] of memory is available.

mod message;
mod relay;
mod wait;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::home::{self, Home};
use crate::surroundings::Surroundings;
use crate::{library, spec, workspace};
pub use message::{receive, send};
pub use relay::{Relay, serve_by_spare};
pub use wait::wait;

/// How long a spare waits while there is no kernel, unless this variable says otherwise, in seconds.
pub const IDLE: &str = "RANKSCOPE_KERNEL_SPARE_SECONDS";
/// Half an hour.
pub const IDLE_SECONDS: u64 = 1800;

/// How long a spare may take to end when it is told to.
const ENDING: Duration = Duration::from_secs(15);

/// The only field of a message that tells a spare to end.
const END: &str = "end";

/// Without a user's decision, there is a spare while this much memory is available: eight times what a spare takes.
const ROOM: u64 = 2 << 30;

/// The setting, `on` or `off`, in a file of the user's, even if the library is installed for all users; without the
/// file, memory decides.
fn setting() -> Result<PathBuf> {
    Ok(home::preferences()?.join("kernel-spare"))
}

/// What the user has decided.
fn decided() -> Option<bool> {
    let text = fs::read_to_string(setting().ok()?).ok()?;
    Some(text.trim() != "off")
}

/// Whether kernels of this user keep a spare.
pub fn is_on() -> bool {
    decided().unwrap_or_else(|| available().is_some_and(|bytes| bytes >= ROOM))
}

/// The memory that is available to this process, in bytes; `None` where the system does not say.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = 1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?;
    // In a container, there may be a limit.
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
    };
    let limit = number("memory.max").map(|most| most.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

fn decide(word: &str) -> Result<()> {
    let setting = setting()?;
    let cannot = || format!("cannot write {}", setting.display());
    fs::create_dir_all(setting.parent().context("no folder")?).with_context(cannot)?;
    fs::write(&setting, format!("{word}\n")).with_context(cannot)
}

/// Where the spare has its lock, its socket and its log.
fn folder() -> Result<PathBuf> {
    Ok(home::running()?.join("spare"))
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// The lock, or `None` if there is a spare that has it. It ends with the process.
fn lock(folder: &Path) -> Result<Option<File>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Nobody else may connect, whoever made the folder. Only the owner can set the permissions, so the folder is ours.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .with_context(|| format!("{} is somebody else's", folder.display()))?;
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("the spare's lock"),
    }
}

/// `spare on`: keeps a spare from now on, and warms the first.
///
/// # Errors
/// If nothing is installed, or the setting cannot be written.
pub fn on(home: &Home) -> Result<()> {
    library::check(home, &home.program())?;
    decide("on")?;
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    // The variables that the kernelspec sets.
    variables.insert(home::HOME.into(), home.path().into());
    variables.insert(spec::SOURCES.into(), home.standard().into());
    let is_new = start(home, &variables)?;
    println!("spare     on: {}", if is_new { "one is warming" } else { "there is one" });
    Ok(())
}

/// `spare off`: keeps no spare from now on, and ends the one that runs.
///
/// # Errors
/// If the setting cannot be changed, or the spare does not end.
pub fn off() -> Result<()> {
    decide("off")?;
    end()?;
    println!("spare     off");
    Ok(())
}

/// Ends the spare of a library that is replaced or removed.
///
/// # Errors
/// If it does not end.
pub fn end_of(home: &Home) -> Result<()> {
    let serves = |state: &serde_json::Value| state["home"] == home.path().to_string_lossy().as_ref();
    if state().is_some_and(|state| serves(&state)) { end() } else { Ok(()) }
}

/// Ends the spare, waits until it is gone, and takes its folder away.
fn end() -> Result<()> {
    let folder = folder()?;
    if !folder.exists() {
        return Ok(());
    }
    let process = state().and_then(|state| state["process"].as_u64());
    let is_gone = || process.is_none_or(|process| !workspace::lives(process as u32));
    let started = Instant::now();
    while started.elapsed() < ENDING {
        // A spare that has only just been started may not listen yet.
        if let Ok(socket) = UnixStream::connect(socket(&folder)) {
            let _ = message::send_outputs(&socket).and_then(|()| message::send(&socket, &[END]));
        }
        if let Some(_lock) = lock(&folder)?
            && is_gone()
        {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the spare (process {}) does not end", process.unwrap_or_default())
}

/// Starts a spare with these variables, unless there is one; says whether it did.
///
/// # Errors
/// If it cannot be started.
pub fn start(home: &Home, variables: &BTreeMap<OsString, OsString>) -> Result<bool> {
    let folder = folder()?;
    if lock(&folder)?.is_none() {
        return Ok(false);
    }
    let log = File::create(folder.join("log")).context("the spare's log")?;
    let mut command = Command::new(home.program());
    command.args(["spare", "wait"]).env_clear().envs(variables).current_dir("/");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // The spare gets no signal that is meant for this process's terminal or group.
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    };
    let mut spare = command.spawn().with_context(|| format!("cannot start {}", home.program().display()))?;
    // If the spare ends before this process, the system keeps its entry until it is waited for.
    std::thread::spawn(move || spare.wait());
    Ok(true)
}

/// The state that the spare wrote, if there is one.
fn state() -> Option<serde_json::Value> {
    let running = home::running().ok()?;
    workspace::states(&running).into_iter().find(|state| state["spare"] == true)
}

/// The line of `status` about the spare.
pub fn in_words() -> String {
    let setting = match (decided(), is_on()) {
        (Some(_), true) => "on".to_owned(),
        (Some(_), false) => "off".to_owned(),
        (None, true) => format!("on, as {} GiB of memory are available", ROOM >> 30),
        (None, false) => format!("off, as less than {} GiB of memory are available", ROOM >> 30),
    };
    let Some(state) = state() else { return format!("{setting}, none is there") };
    let [process, child, doing] = ["process", "child", "state"].map(|name| &state[name]);
    format!("{setting}, process {process}, cells {child}: {doing}{}", workspace::memory(&state))
}

/// The home and the stamp of a library: a kernel and a spare compare them.
fn library_of(home: &Home) -> Result<(Vec<u8>, Vec<u8>)> {
    let stamp = fs::read(home.stamp())
        .with_context(|| format!("nothing is installed in {}", home.path().display()))?;
    Ok((home.path().as_os_str().as_encoded_bytes().to_vec(), stamp))
}

/// The request of a kernel that starts.
fn request(home: &Home, connection: &str, surroundings: &Surroundings) -> Result<message::Request> {
    let (home, stamp) = library_of(home)?;
    Ok(message::Request {
        home,
        stamp,
        bounds: crate::surroundings::bounds(),
        kernel: std::process::id(),
        connection: connection.as_bytes().to_vec(),
        surroundings: surroundings.clone(),
    })
}
