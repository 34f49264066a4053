//! How a cell is compiled: the first one by cargo, the ones after it by rustc alone.
//!
//! evcxr runs `cargo build` for every cell, though from one cell to the next only `src/lib.rs` changes. So the kernel
//! puts three stand-ins first in the PATH of its engine, symbolic links to this program:
//! - [`RUSTUP`] tells evcxr to use [`CARGO`] as its cargo.
//! - [`CARGO`] runs the real cargo the first time, which starts rustc through [`RUSTC`]. When it is asked for the same
//!   build again, and neither the manifest nor the settings, the compiler or the library have changed, it starts rustc
//!   itself: with the arguments that cargo used ([`plan`]), a shorter source ([`source`]), and its own call of the
//!   linker ([`linker`]).
//! - [`RUSTC`] notes the arguments that cargo gives rustc.
//!
//! A cell that cannot be compiled this way is compiled again by cargo, so all errors are cargo's own. A variable whose
//! type a cell defines anew is lost ([`types`]).

mod cargo;
mod linker;
mod plan;
mod rustc;
mod source;
mod types;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::home::Home;
use crate::toolchain::{self, Toolchain};

/// The names of the three programs.
const CARGO: &str = "cargo";
const RUSTUP: &str = "rustup";
const RUSTC: &str = "rustc-of-cells";

/// The name of their folder.
const FOLDER: &str = "engine-tools";

/// Does the work of one of the three programs and does not return, if this process was started by its name.
pub fn run_if_asked() {
    let name = std::env::args_os().next().map(PathBuf::from);
    let done = match name.as_ref().and_then(|name| name.file_name()?.to_str()) {
        Some(CARGO) => cargo::run(),
        Some(RUSTC) => rustc::note_and_become().map(|never| match never {}),
        Some(RUSTUP) => rustup(),
        _ => return,
    };
    std::process::exit(done.unwrap_or_else(|error| {
        eprintln!("rankscope-kernel: {error:#}");
        1
    }))
}

/// Makes the folder of the three programs, beside the one in which cells are compiled.
///
/// # Errors
/// If it cannot be made; then evcxr finds the real programs.
pub fn make_tools(cells: &Path) -> Result<PathBuf> {
    let folder = cells.with_file_name(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let program = std::env::current_exe()?;
    for name in [CARGO, RUSTUP, RUSTC] {
        let tool = folder.join(name);
        if std::fs::read_link(&tool).ok().as_ref() != Some(&program) {
            let _ = std::fs::remove_file(&tool);
            symlink(&program, &tool).with_context(|| format!("cannot make {}", tool.display()))?;
        }
    }
    Ok(folder)
}

/// Takes that folder away again.
pub fn remove_tools(cells: &Path) {
    let _ = std::fs::remove_dir_all(cells.with_file_name(FOLDER));
}

/// PATH without the folder of the three programs.
fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.ends_with(FOLDER));
    std::env::join_paths(folders).unwrap_or_default()
}

/// Those of the engine's variables that have other values for cells: cells do not see the three programs, nor the
/// compiler that is named for rust-analyzer ([`Toolchain::enter`]).
pub fn for_cells() -> [(&'static str, Option<OsString>); 3] {
    [("PATH", Some(path())), (toolchain::CARGO, None), (toolchain::RUSTC, None)]
}

/// Answers evcxr's `rustup which`; anything else is for the real rustup.
fn rustup() -> Result<i32> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let tool = match arguments.iter().filter_map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        ["which", "cargo"] => this_program(CARGO)?,
        ["which", "rustc"] => own_toolchain()?.program("rustc").context("there is no rustc")?,
        _ => {
            let path = path();
            let rustup = std::env::split_paths(&path).map(|folder| folder.join(RUSTUP));
            match rustup.into_iter().find(|path| path.is_file()) {
                Some(rustup) => {
                    match become_program(Command::new(rustup).args(arguments).env("PATH", path))? {}
                }
                None => bail!("there is no rustup"),
            }
        }
    };
    println!("{}", tool.display());
    Ok(0)
}

/// The compiler of the library that the variables name.
fn own_toolchain() -> Result<Toolchain> {
    Toolchain::of(&Home::of_user()?)
}

/// One of the three programs, from another.
fn this_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folder = std::env::split_paths(&path).find(|folder| folder.ends_with(FOLDER));
    Ok(folder.with_context(|| format!("no {FOLDER} in PATH"))?.join(name))
}

/// Turns this process into another program.
fn become_program(command: &mut Command) -> Result<Infallible> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", command.get_program().display()))
}
