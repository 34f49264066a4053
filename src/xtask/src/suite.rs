//! `cargo xtask test`: set-up, then every test of the workspace, then one line that sums them up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::machine::Here;
use crate::{library_sources, process, setup};

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Install the missing packages without asking.
    #[arg(long)]
    yes: bool,
    /// Further arguments of `cargo test`, for example `-- -p rankscope-cli`.
    #[arg(last = true)]
    cargo_args: Vec<String>,
}

/// The model that is pulled for the tests: with it they compare a trained encoder with its reference.
const MODEL: &str = "minilm-l6";

/// Runs `cargo xtask test`.
pub fn run(args: &Args) -> Result<()> {
    setup::before_the_rest(args.yes)?;
    if std::env::var_os("RANKSCOPE_SKIP_JUPYTER").is_none_or(|value| value != "1") {
        library_sources::bring(&Here)?;
    }
    if args.cargo_args.is_empty() {
        pull_model()?;
    }
    let start = Instant::now();
    // Every test that skips something adds a line to this file.
    let skipped = process::target_folder()?.join("skipped.txt");
    std::fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;
    let mut command = process::cargo();
    // All tests run and are counted, even after one has failed.
    command.args(["test", "--workspace", "--no-fail-fast"]).args(&args.cargo_args).stdout(Stdio::piped());
    command.env("RANKSCOPE_SKIPPED", &skipped);
    let mut child = command.spawn().with_context(|| process::cannot_start(&command))?;
    let lines = BufReader::new(child.stdout.take().context("cargo test has no output")?);
    let mut tally = pass_on(lines, &mut std::io::stdout())?;
    let status = child.wait()?;
    tally.skipped = Skipped::read(&std::fs::read_to_string(&skipped)?);
    eprintln!("{} ({:.0} s)", tally.summary(), start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(process::Failed::new("the tests failed", status).into()) }
}

/// Installs the model; offline, says that its tests will be skipped, and the other tests run.
fn pull_model() -> Result<()> {
    // The same build as the tests', so that nothing extra is built.
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

/// The numbers of tests that passed, failed and were ignored.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
    skipped: Skipped,
}

/// The tests that skipped something, by reason; they are among those that passed.
#[derive(Debug, Default, PartialEq)]
struct Skipped(BTreeMap<String, BTreeSet<String>>);

impl Skipped {
    /// Reads lines of program, test and reason, with tabs between them. A test that gives a reason twice counts once.
    fn read(lines: &str) -> Self {
        let mut reasons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (test, why) in lines.lines().filter_map(|line| line.rsplit_once('\t')) {
            reasons.entry(why.to_owned()).or_default().insert(test.to_owned());
        }
        Skipped(reasons)
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests: BTreeSet<_> = self.0.values().flatten().collect();
        write!(f, "{} skipped", tests.len())?;
        let reasons: Vec<_> = self.0.iter().map(|(why, tests)| format!("{} {why}", tests.len())).collect();
        if reasons.is_empty() { Ok(()) } else { write!(f, " in whole or in part: {}", reasons.join("; ")) }
    }
}

impl Tally {
    fn summary(&self) -> String {
        let Tally { passed, failed, ignored, skipped } = self;
        format!("Tests: {passed} passed, {failed} failed, {ignored} ignored, {skipped}")
    }

    /// Counts a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines are ignored.
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

/// Copies lines as they come, and counts the results in them. Tests may print bytes that are no text.
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
        assert_eq!(tally, Tally { passed: 13, failed: 5, ignored: 1, ..Tally::default() });
        assert_eq!(tally.summary(), "Tests: 13 passed, 5 failed, 1 ignored, 0 skipped");
    }

    #[test]
    fn what_was_left_out_is_counted_by_its_reason() {
        let lines =
            "zoo-1f\ta::b\tno GPU\nzoo-1f\ta::b\tno GPU\nmodels-2e\ta::b\tno GPU\nzoo-1f\ta::b\tno torch\n";
        let skipped = Skipped::read(lines);
        assert_eq!(skipped.to_string(), "2 skipped in whole or in part: 2 no GPU; 1 no torch");
    }
}
