//! Runs programs in the foreground; their exit code becomes ours.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// A program ran and did not succeed; carries the code that we exit with.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong, in words.
    message: String,
    /// The program's exit code; `None` if a signal ended it.
    code: Option<i32>,
}

impl Failed {
    /// A failure of the program that ended with `status`.
    pub fn new(message: impl Into<String>, status: ExitStatus) -> Self {
        Failed { message: format!("{} ({status})", message.into()), code: status.code() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failed {}

/// The exit code for `error`: that of the program that failed, otherwise 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = error.downcast_ref::<Failed>().and_then(|failed| failed.code).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Lets the system end this process when the reader of its output is gone, as in `| head`, instead of a panic.
pub fn end_without_a_reader() {
    // SAFETY: no other thread has been started yet, and the default action runs no code of ours.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// The cargo that started us, so that a toolchain chosen with `+name` stays chosen.
///
/// The variables with which `cargo run` describes our own package are removed: build scripts look at them, and would
/// build half of the dependencies again whenever the same target folder is used with and without us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with our standard streams; fails with `message` unless it succeeds.
pub fn run(command: &mut Command, message: &str) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if status.success() { Ok(()) } else { Err(Failed::new(message, status).into()) }
}

/// Makes a Python environment in `folder`, or completes it with `packages`; fails with `message` if pip does.
pub fn install_python(
    python: Option<PathBuf>,
    folder: &Path,
    packages: &[&str],
    message: &str,
) -> Result<()> {
    let python = python.context("Python 3 is missing")?;
    run(Command::new(python).args(["-m", "venv"]).arg(folder), "no Python environment could be made")?;
    let pip = ["-m", "pip", "install", "--quiet"];
    run(Command::new(folder.join("bin/python")).args(pip).args(packages), message)
}

/// The target folder that this program was built into, whatever variable or configuration chose it.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().and_then(Path::parent);
    Ok(folder.with_context(|| format!("{} is in no target folder", program.display()))?.to_owned())
}

/// The message for a program that could not even be started.
pub fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", command.get_program().to_string_lossy())
}

/// Builds `targets`, such as `--bin=rankscope`; returns the programs' paths by name, as cargo reports them.
///
/// The whole workspace is selected, so that dependencies have the same features in every build and are built once.
pub fn build(targets: &[&str]) -> Result<HashMap<String, PathBuf>> {
    let mut command = cargo();
    command.args(["build", "--workspace"]).args(targets);
    executables(command)
}

/// Runs a cargo command that builds; returns the programs (not the tests) by name, as cargo reports them.
pub fn executables(mut command: Command) -> Result<HashMap<String, PathBuf>> {
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().with_context(|| cannot_start(&command))?;
    if !output.status.success() {
        return Err(Failed::new("the build failed", output.status).into());
    }
    Ok(executables_in(&String::from_utf8_lossy(&output.stdout)))
}

/// The executables among cargo's messages, one JSON object a line.
fn executables_in(messages: &str) -> HashMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let named = |message: serde_json::Value| {
        if message["profile"]["test"] == true {
            return None;
        }
        Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.into()))
    };
    messages.filter_map(named).collect()
}

/// Waits for `child` to end; returns its status and its largest resident memory, in MiB.
#[cfg(unix)]
pub fn wait_with_peak_memory(child: Child) -> Result<(ExitStatus, f64)> {
    use std::os::unix::process::ExitStatusExt;
    let mut status = 0;
    // SAFETY: the call fills in plain integers; `child` is ours, and nothing else waits for it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let waited = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage) };
    if waited < 0 {
        return Err(std::io::Error::last_os_error()).context("cannot wait for a child");
    }
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1.0 / 1024.0 / 1024.0 } else { 1.0 / 1024.0 };
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss as f64 * unit))
}

/// Waits for `child` to end; memory is only measured on Unix.
#[cfg(not(unix))]
pub fn wait_with_peak_memory(_child: Child) -> Result<(ExitStatus, f64)> {
    anyhow::bail!("the benchmark measures memory, which it can only do on Linux and macOS")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn executables_are_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"rankscope"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"rankscope"},"profile":{"test":false},"executable":"/t/x/debug/rankscope"}
{"reason":"compiler-artifact","target":{"name":"rankscope"},"profile":{"test":true},"executable":"/t/x/debug/deps/rankscope-01"}
not a message
{"reason":"build-finished","success":true}"#;
        let executables = executables_in(messages);
        assert_eq!(executables.len(), 1);
        assert_eq!(executables["rankscope"], std::path::Path::new("/t/x/debug/rankscope"));
    }

    #[test]
    fn peak_memory_is_that_of_the_child() {
        let child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let (status, mib) = wait_with_peak_memory(child).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(mib > 0.1 && mib < 100.0, "{mib}");
    }

    fn shell(script: &str) -> Result<()> {
        run(Command::new("sh").args(["-c", script]), "the script failed")
    }

    #[test]
    fn the_exit_code_of_a_program_becomes_ours() {
        assert!(shell("exit 0").is_ok());
        let error = shell("exit 42").unwrap_err();
        assert_eq!(exit_code(&error), ExitCode::from(42));
        assert_eq!(error.to_string(), "the script failed (exit status: 42)");
    }

    #[test]
    fn a_signal_or_a_program_that_is_not_there_gives_one() {
        assert_eq!(exit_code(&shell("kill -9 $$").unwrap_err()), ExitCode::from(1));
        let error = run(&mut Command::new("/no/such/program"), "unused").unwrap_err();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
        assert_eq!(exit_code(&error), ExitCode::from(1));
    }
}
