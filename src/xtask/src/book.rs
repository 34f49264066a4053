//! `cargo xtask book`: the book as pages, with every number and figure computed anew.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The options of `cargo xtask book`.
#[derive(clap::Args)]
pub struct Args {
    /// Open the book in a browser when it is built.
    #[arg(long)]
    open: bool,
    /// Fail if anything is wrong: a typed number, a broken link, a claim without a chapter, code that does not run.
    #[arg(long)]
    check: bool,
    /// Write one figure as SVG, light and dark, and build nothing.
    #[arg(long, value_name = "ID", conflicts_with_all = ["open", "check"])]
    figure: Option<String>,
}

/// Runs `cargo xtask book`.
pub fn run(args: &Args) -> Result<()> {
    let programs = process::build(&["--bin=rankscope-book", "--bin=rankscope"])?;
    let builder = programs.get("rankscope-book").context("cargo built no rankscope-book")?;
    let mut command = Command::new(builder);
    if let Some(id) = &args.figure {
        return process::run(command.args(["--figure", id]), "the figure was not written");
    }
    if args.check {
        command.arg("--check");
    }
    process::run(&mut command, "the book has faults")?;
    if args.check {
        let mut tests = process::cargo();
        tests.args(["test", "--workspace", "--doc", "--quiet", "--", "chapters::"]);
        process::run(&mut tests, "code of a chapter does not run")?;
    }
    if args.open {
        open(&process::target_folder()?.join("book/index.html"))?;
    }
    Ok(())
}

/// Opens a file with the desktop's program for it.
fn open(path: &Path) -> Result<()> {
    let (program, first): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    process::run(Command::new(program).args(first).arg(path), "the book could not be opened")
}
