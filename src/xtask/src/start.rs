//! `cargo xtask start`: from a fresh clone to the app on a sentence, or to its pictures without a display.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::machine::{Here, Machine, Os};
use crate::{process, setup};

const MODEL: &str = "glass-en";
const TEXT: &str = "Alice was beginning to get very tired of sitting by her sister";

/// What `cargo xtask start` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Open no window: print the rank table and write pictures.
    #[arg(long)]
    headless: bool,
}

/// Runs `cargo xtask start`.
pub fn run(args: &Args) -> Result<()> {
    setup::before_the_rest(args.yes)?;
    let programs = build()?;
    match why_headless(&Here, args.headless) {
        None => open_window(&programs),
        Some(reason) => {
            eprintln!("{reason}: printing the rank table and writing pictures instead of opening a window.");
            first_light(&programs)
        }
    }
}

/// The programs that a build made.
#[derive(Debug, PartialEq)]
struct Programs {
    app: PathBuf,
    cli: PathBuf,
}

/// Builds both programs in release, and learns from cargo itself where they are.
fn build() -> Result<Programs> {
    eprintln!("Building rankscope in release.");
    let mut command = process::cargo();
    command.args(["build", "--release", "-p", "rankscope-cli", "-p", "rankscope-app"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().with_context(|| process::cannot_start(&command))?;
    if !output.status.success() {
        return Err(process::Failed::new("the build failed", output.status).into());
    }
    programs_in(&String::from_utf8_lossy(&output.stdout))
        .context("cargo did not say where it put the programs")
}

/// The executables among cargo's messages, one JSON object a line.
fn programs_in(messages: &str) -> Option<Programs> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let (mut app, mut cli) = (None, None);
    for message in messages {
        let Some(file) = message["executable"].as_str() else { continue };
        match message["target"]["name"].as_str() {
            Some("rankscope-app") => app = Some(file.into()),
            Some("rankscope") => cli = Some(file.into()),
            _ => {}
        }
    }
    Some(Programs { app: app?, cli: cli? })
}

/// Why no window should be opened; `None` if one can be tried.
fn why_headless(machine: &dyn Machine, asked_for: bool) -> Option<&'static str> {
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| machine.var(name).is_some());
    match (asked_for, machine.os(), display) {
        (true, ..) => Some("Headless"),
        (false, Os::Linux, false) => Some("No display (neither DISPLAY nor WAYLAND_DISPLAY is set)"),
        _ => None,
    }
}

fn open_window(programs: &Programs) -> Result<()> {
    eprintln!("Opening rankscope on a sentence; close its window to end.");
    process::run(Command::new(&programs.app).args(["--model", MODEL, "--text", TEXT]), "the app failed")
        .inspect_err(|_| eprintln!("Without a window, this does the same: cargo xtask start --headless"))
}

/// The rank table on standard output; a figure and the app's first view as files.
fn first_light(programs: &Programs) -> Result<()> {
    let folder = folder_beside(&programs.cli);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (figure, view) = (folder.join("ranks.svg"), folder.join("app.png"));

    let mut rank = Command::new(&programs.cli);
    rank.args(["rank", "--model", MODEL, "--text", TEXT, "--svg"]).arg(&figure);
    process::run(&mut rank, "`rankscope rank` failed")?;

    let mut app = Command::new(&programs.app);
    app.arg("--screenshot").arg(&view).args(["--model", MODEL, "--text", TEXT]);
    process::run(&mut app, "the app could not draw its first view")?;

    eprintln!("figure of the ranks   {}", figure.display());
    eprintln!("the app's first view  {}", view.display());
    Ok(())
}

/// `…/target/release/rankscope` → `…/target/first-light`.
fn folder_beside(program: &Path) -> PathBuf {
    program.ancestors().nth(2).unwrap_or(Path::new("")).join("first-light")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    #[test]
    fn the_programs_are_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"rankscope"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"rankscope"},"executable":"/t/x/release/rankscope"}
not a message
{"reason":"compiler-artifact","target":{"name":"rankscope-app"},"executable":"/t/x/release/rankscope-app"}
{"reason":"build-finished","success":true}"#;
        let programs = programs_in(messages).unwrap();
        assert_eq!(programs.app, Path::new("/t/x/release/rankscope-app"));
        assert_eq!(programs.cli, Path::new("/t/x/release/rankscope"));
        assert_eq!(folder_beside(&programs.cli), Path::new("/t/x/first-light"));
        assert_eq!(programs_in(messages.lines().next().unwrap()), None);
    }

    #[test]
    fn a_window_is_tried_only_where_a_display_is_and_nobody_declined() {
        let linux = || Fake::new(Os::Linux);
        assert!(why_headless(&linux(), false).unwrap().starts_with("No display"));
        assert_eq!(why_headless(&linux().with_var("DISPLAY", ":0"), false), None);
        assert_eq!(why_headless(&linux().with_var("WAYLAND_DISPLAY", "wayland-0"), false), None);
        assert_eq!(why_headless(&linux().with_var("DISPLAY", ":0"), true), Some("Headless"));
        assert_eq!(why_headless(&Fake::new(Os::Mac), false), None);
        assert_eq!(why_headless(&Fake::new(Os::Windows), true), Some("Headless"));
    }
}
