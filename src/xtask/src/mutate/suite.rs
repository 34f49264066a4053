//! Runs some tests in the copy, and reads which of them failed.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::process::Output;

use anyhow::{Context, Result, bail};

use super::list::Mutation;
use super::tree::Tree;
use crate::process;

/// The result of a mutation.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// These tests failed.
    Caught(Vec<String>),
    /// Every test passed.
    Survived,
    /// It does not apply or does not compile, or its test is gone.
    Stale(String),
    /// The test program ended without naming a failed test.
    Died(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Caught(tests) if tests.len() > 1 => {
                write!(f, "{} and {} more", tests[0], tests.len() - 1)
            }
            Outcome::Caught(tests) => f.write_str(&tests[0]),
            Outcome::Survived => f.write_str("SURVIVED"),
            Outcome::Stale(problem) => write!(f, "STALE: {problem}"),
            Outcome::Died(problem) => write!(f, "DIED: {problem}"),
        }
    }
}

/// The names of the tests that match `tests`; an error if one of them fails in the unchanged copy.
pub fn passing(tree: &Tree, suite: &str, tests: &BTreeSet<&String>) -> Result<Vec<String>> {
    build(tree, suite)?.map_err(anyhow::Error::msg).context("the unchanged tree does not compile")?;
    let results = results(&test(tree, suite, tests.iter().copied(), "unchanged", true)?);
    if let Some((name, _)) = results.iter().find(|(_, passed)| !passed) {
        bail!("{suite}: {name} fails in the unchanged tree");
    }
    Ok(results.into_iter().map(|(name, _)| name).collect())
}

/// Runs the tests of `mutation` in the copy as it is now.
pub fn run(tree: &Tree, mutation: &Mutation) -> Result<Outcome> {
    if let Err(problem) = build(tree, &mutation.suite)? {
        return Ok(Outcome::Stale(format!("does not compile: {problem}")));
    }
    let output = test(tree, &mutation.suite, &mutation.tests, &mutation.name, mutation.is_on_gpu())?;
    let results = results(&output).into_iter();
    let failed: Vec<_> = results.filter_map(|(name, passed)| (!passed).then_some(name)).collect();
    Ok(match (failed.is_empty(), output.status.success()) {
        (false, _) => Outcome::Caught(failed),
        (true, true) => Outcome::Survived,
        (true, false) => Outcome::Died(output.status.to_string()),
    })
}

/// Cargo's arguments to test the program `suite`: of the whole workspace, so that dependencies keep their features.
fn args(suite: &str) -> Vec<&str> {
    match suite {
        "lib" => vec!["test", "--workspace", "--lib"],
        "kernel" => vec!["test", "--workspace", "--bin", "rankscope-kernel"],
        name => vec!["test", "--workspace", "--test", name],
    }
}

/// Compiles; the first error, if there is one.
fn build(tree: &Tree, suite: &str) -> Result<Result<(), String>> {
    let mut cargo = tree.cargo();
    let output = cargo.args(args(suite)).args(["--no-run", "--color=never"]).output();
    let output = output.with_context(|| process::cannot_start(&cargo))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = messages.lines().find(|line| line.starts_with("error")).unwrap_or("cargo says nothing");
    Ok(Err(error.to_owned()))
}

fn test<'a>(
    tree: &Tree,
    suite: &str,
    tests: impl IntoIterator<Item = &'a String>,
    log: &str,
    on_gpu: bool,
) -> Result<Output> {
    let mut cargo = tree.cargo();
    cargo.args(args(suite)).args(["--color=never", "--"]).args(tests);
    // An error of the CPU's code shows on the CPU, and lavapipe is slow.
    match on_gpu {
        true => cargo.env_remove("RANKSCOPE_SKIP_GPU"),
        false => cargo.env("RANKSCOPE_SKIP_GPU", "1"),
    };
    let output = cargo.output().with_context(|| process::cannot_start(&cargo))?;
    fs::write(tree.log(&format!("{suite}.{log}"))?, [&output.stdout[..], &output.stderr].concat())?;
    Ok(output)
}

/// The tests that were run, and whether each passed.
fn results(output: &Output) -> Vec<(String, bool)> {
    results_in(&String::from_utf8_lossy(&output.stdout))
}

fn results_in(text: &str) -> Vec<(String, bool)> {
    let result = |line: &str| {
        let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        match result.trim() {
            "ok" => Some((name.to_owned(), true)),
            "FAILED" => Some((name.to_owned(), false)),
            _ => None,
        }
    };
    text.lines().filter_map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_with_their_results() {
        let output = "running 3 tests\ntest a::b ... ok\ntest c::d ... FAILED\ntest e ... ignored\n\
            test result: FAILED. 1 passed; 1 failed; 1 ignored\n";
        assert_eq!(results_in(output), [("a::b".to_owned(), true), ("c::d".to_owned(), false)]);
        let caught = Outcome::Caught(vec!["a".into(), "b".into(), "c".into()]);
        assert_eq!(caught.to_string(), "a and 2 more");
    }
}
