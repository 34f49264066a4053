//! `cargo xtask start`: from a fresh clone to the app on a sentence, or to its pictures without a display.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::machine::{Here, Machine, Os};
use crate::{process, setup};

/// A model that reads causally, one that reads in both directions, and an encoder-decoder, trained on the same text.
const MODELS: [&str; 3] = ["english-gpt", "english-bert", "english-t5"];
/// The input of the last model's decoder: its start token and "The principal said that".
const TARGET: &str = "513,51,257,290,81,259,66,497,334,434,328";
const TEXT: &str = "Alice was beginning to get very tired of sitting by her sister";

/// The options of `cargo xtask start`.
#[derive(clap::Args)]
pub struct Args {
    /// Install the missing packages without asking.
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

/// The programs that the build made.
struct Programs {
    app: PathBuf,
    cli: PathBuf,
}

/// Builds both programs.
fn build() -> Result<Programs> {
    eprintln!("Building rankscope.");
    let mut executables = process::build(&["--bin=rankscope", "--bin=rankscope-app"])?;
    let mut take = |name: &str| executables.remove(name).with_context(|| format!("cargo built no {name}"));
    Ok(Programs { app: take("rankscope-app")?, cli: take("rankscope")? })
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
    process::run(Command::new(&programs.app).args(["--model", MODELS[0], "--text", TEXT]), "the app failed")
        .inspect_err(|_| eprintln!("Without a window, this does the same: cargo xtask start --headless"))
}

/// The rank tables on standard output; figures and the app's first view as files.
fn first_light(programs: &Programs) -> Result<()> {
    let folder = folder_beside(&programs.cli);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for model in MODELS {
        let figure = folder.join(format!("ranks-{model}.svg"));
        let mut rank = Command::new(&programs.cli);
        rank.args(["rank", "--model", model, "--text", TEXT, "--svg"]).arg(&figure);
        if model == MODELS[2] {
            rank.args(["--target-ids", TARGET]);
        }
        process::run(&mut rank, "`rankscope rank` failed")?;
        eprintln!("figure of the ranks   {}", figure.display());
    }
    let view = folder.join("app.png");
    let mut app = Command::new(&programs.app);
    app.arg("--screenshot").arg(&view).args(["--model", MODELS[0], "--text", TEXT]);
    process::run(&mut app, "the app could not draw its first view")?;
    eprintln!("the app's first view  {}", view.display());
    Ok(())
}

/// `…/target/debug/rankscope` → `…/target/first-light`.
fn folder_beside(program: &Path) -> PathBuf {
    program.ancestors().nth(2).unwrap_or(Path::new("")).join("first-light")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    #[test]
    fn pictures_lie_beside_the_build() {
        assert_eq!(folder_beside(Path::new("/t/x/debug/rankscope")), Path::new("/t/x/first-light"));
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
