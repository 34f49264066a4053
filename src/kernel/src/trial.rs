//! Runs a test cell in the environment of a Jupyter that was started from a desktop, without cargo's variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::home::{self, Home};
use crate::workspace::Workspace;
use crate::{engine, spec, toolchain};

/// Variables of a desktop session, beside PATH and those of the kernelspec.
const HANDED_ON: [&str; 9] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TMPDIR",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    home::RUNNING,
];

/// How long the test may take, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The variables that such a Jupyter gives to a kernel.
fn variables(home: &Home) -> BTreeMap<OsString, OsString> {
    let handed_on = HANDED_ON.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let own = [
        ("PATH".into(), toolchain::path_without_rust()),
        (home::HOME.into(), home.path().into()),
        (spec::SOURCES.into(), home.standard().into()),
    ];
    handed_on.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}

/// Has `program` run a cell in `folder`, which also builds there what later cells need.
///
/// # Errors
/// If no cell runs, with the reason.
pub fn run(program: &Path, home: &Home, folder: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("try").arg(folder).env_clear().envs(variables(home)).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let mut said = child.stderr.take().context("no output")?;
    let listener = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = said.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            bail!("no cell ran in {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if status.success() {
        return Ok(());
    }
    let said = listener.join().unwrap_or_default();
    let reason = said.split_once("rankscope-kernel: ").map_or(said.as_str(), |(_, reason)| reason).trim();
    bail!("no cell runs in an environment like a Jupyter's: {reason} ({status})")
}

/// Runs the test cell by the installed kernel, in a temporary folder like a kernel's.
///
/// # Errors
/// If no cell runs, with the reason.
pub fn of_installed(home: &Home) -> Result<()> {
    let workspace = Workspace::create(&home::running()?)?;
    workspace.fill(home)?;
    run(&home.program(), home, &workspace.cells())
}

/// Runs the test cell in this process.
///
/// # Errors
/// If it does not show what it should.
pub fn try_cell(folder: &Path) -> Result<()> {
    engine::try_cell(&Home::of_user()?, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_not_cargos() {
        let variables = variables(&Home::under(Path::new("/p")));
        assert_eq!(variables[&OsString::from(home::HOME)], "/p/share/rankscope/kernel");
        let is_cargos = |name: &&OsString| {
            ["CARGO", "RUSTUP", "LD_", "DYLD_"].iter().any(|start| name.to_string_lossy().starts_with(start))
        };
        assert_eq!(variables.keys().find(is_cargos), None);
        let path = &variables[&OsString::from("PATH")];
        let folders: Vec<_> = std::env::split_paths(path).collect();
        assert!(folders.iter().any(|folder| folder.join("sh").exists()), "{path:?}");
        assert!(!folders.iter().any(|folder| folder.ends_with(".cargo/bin")), "{path:?}");
    }

    #[test]
    fn a_program_that_runs_no_cell_is_an_error_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        let program = folder.path().join("program");
        std::fs::write(&program, "#!/bin/sh\necho noise >&2; echo 'rankscope-kernel: why' >&2; exit 3\n")
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let error = run(&program, &home, folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(": why (exit status: 3)"), "{error}");
    }
}
