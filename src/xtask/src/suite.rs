//! `cargo xtask test`: set-up, then every test of the workspace, then one line that sums them up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::machine::Here;
use crate::{library_sources, process, setup};

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// What `cargo test` should get besides, for example `-- -p rankscope-cli`.
    #[arg(last = true)]
    cargo_args: Vec<String>,
}

/// The model that is pulled for the tests: with it they compare a trained encoder with its reference.
const MODEL: &str = "minilm-l6";

/// Runs `cargo xtask test`.
pub fn run(args: &Args) -> Result<()> {
    setup::before_the_rest(args.yes)?;
    if std::env::var_os("RANKSCOPE_SKIP_JUPYTER").is_none() {
        library_sources::bring(&Here)?;
    }
    if args.cargo_args.is_empty() {
        pull_model()?;
    }
    let start = Instant::now();
    let mut command = process::cargo();
    // Every test is run and counted, also after a first failure.
    command.args(["test", "--workspace", "--no-fail-fast"]).args(&args.cargo_args).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| process::cannot_start(&command))?;
    let lines = BufReader::new(child.stdout.take().context("cargo test has no output")?);
    let tally = pass_on(lines, &mut std::io::stdout())?;
    let status = child.wait()?;
    eprintln!("{} in {:.0} s", tally.summary(), start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(process::Failed::new("the tests failed", status).into()) }
}

/// Installs the model, or says that its tests will be skipped; offline, the others run all the same.
fn pull_model() -> Result<()> {
    // The build that the tests run from: nothing is built for this alone.
    let mut command = process::cargo();
    command.args(["test", "--workspace", "--no-run"]);
    let programs = process::executables(command)?;
    let cli = programs.get("rankscope").context("cargo built no rankscope")?;
    let pulled = Command::new(cli).args(["models", "pull", MODEL]).stdout(Stdio::null()).status();
    if !pulled.is_ok_and(|status| status.success()) {
        eprintln!("{MODEL} could not be pulled: its tests are skipped, and say so.");
    }
    Ok(())
}

/// How many tests ended how.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Tally {
    fn summary(&self) -> String {
        format!("Tests: {} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Copies lines as they come, and counts on the way. Tests may print bytes that are no text.
fn pass_on(mut lines: impl BufRead, out: &mut impl Write) -> Result<Tally> {
    let (mut tally, mut line) = (Tally::default(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        tally.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_and_every_byte_is_passed_on() {
        let output: &[u8] = b"running 3 tests\n\
            test a ... ok\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s\n\
            \xff 7 passed; no result\n\
            test result: FAILED. 11 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2s";
        let mut copy = Vec::new();
        let tally = pass_on(output, &mut copy).unwrap();
        assert_eq!(copy, output);
        assert_eq!(tally, Tally { passed: 13, failed: 5, ignored: 1 });
        assert_eq!(tally.summary(), "Tests: 13 passed, 5 failed, 1 ignored");
    }
}
