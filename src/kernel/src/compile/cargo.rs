//! The stand-in for cargo that evcxr runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::plan::{Compiled, Key, Plan, SOURCE};
use super::rustc::{NOTES, WRAPPER};
use super::types::Definitions;
use super::{RUSTC, become_program, own_toolchain, path, this_program};
use crate::home::Home;
use crate::times;

/// evcxr sets this for every cargo that it starts.
const EVCXRS: &str = "EVCXR_CORE_EXTERN";
/// The variable that names a file: evcxr first looks there for the path of the cell's library.
const ANSWER: &str = "EVCXR_EXECUTION_SO_PATH";

/// Does what the arguments ask of cargo; returns the exit code.
///
/// # Errors
/// If there is no cargo, or a folder cannot be read.
pub fn run() -> Result<i32> {
    times::begins("cargo");
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let cargo = own_toolchain()?.program("cargo").context("there is no cargo")?;
    let mut command = Command::new(cargo);
    command.args(&arguments).env("PATH", path());
    if std::env::var_os(EVCXRS).is_none() {
        match become_program(&mut command)? {}
    }
    command.env(WRAPPER, this_program(RUSTC)?);
    let cells = std::env::current_dir()?;
    let key = if is_build(&arguments) { Key::of(&cells, &Home::of_user()?) } else { None };
    match (key, std::env::var_os(ANSWER)) {
        (Some(key), Some(answer)) => build(&mut command, &cells, &key, Path::new(&answer)),
        _ => match become_program(&mut command)? {},
    }
}

/// Whether these are the arguments by which evcxr has a cell built.
fn is_build(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    matches!(words[..], ["build", "--target", _, "--message-format=json"])
}

/// Builds by the plan, if there is one that works; otherwise has cargo build, and learns a plan from that.
fn build(cargo: &mut Command, cells: &Path, key: &Key, answer: &Path) -> Result<i32> {
    if let Some(plan) = Plan::read(cells, key) {
        // If this fails, cargo builds the cell below, or reports the error.
        match plan.compile(cells) {
            Ok(Compiled::To(file)) => {
                fs::write(answer, file.as_os_str().as_encoded_bytes())?;
                times::begins("load");
                return Ok(0);
            }
            Ok(Compiled::Stopped(signal)) => return Ok(128 + signal),
            Ok(Compiled::Refused) | Err(_) => {}
        }
    }
    let notes = cells.join("target/rustc.json");
    let _ = fs::remove_file(&notes);
    let status = cargo.env(NOTES, &notes).status().context("cargo does not run")?;
    if status.success() {
        Definitions::of(&fs::read_to_string(cells.join(SOURCE))?).keep(cells)?;
        // Without a plan the next cell takes as long as this one.
        if notes.exists()
            && let Err(error) = Plan::learn(cells, key, &notes)
        {
            eprintln!("rankscope-kernel: {error:#}");
        }
    }
    let _ = fs::remove_file(&notes);
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}
