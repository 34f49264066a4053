//! Running some tests in the copy, and reading which failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::process::Output;

use anyhow::{Context, Result, bail};

use super::list::Mutation;
use super::tree::Tree;
use crate::process;

/// One test program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// The tests beside the source.
    Lib,
    /// A file or folder of `tests/`.
    Test(&'static str),
    /// The tests beside the Jupyter kernel's source.
    Kernel,
}

/// What became of a mutation.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// These tests failed.
    Caught(Vec<String>),
    /// Every test passed.
    Survived,
    /// It does not apply or does not compile.
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

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suite::Lib => f.write_str("lib"),
            Suite::Test(name) => f.write_str(name),
            Suite::Kernel => f.write_str("kernel"),
        }
    }
}

/// The suites of `mutations`, each with all the tests that some mutation names.
pub fn of(mutations: &[&Mutation]) -> BTreeMap<Suite, BTreeSet<&'static str>> {
    let mut suites: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for mutation in mutations {
        suites.entry(mutation.suite).or_default().extend(mutation.tests);
    }
    suites
}

impl Suite {
    /// Fails unless `tests` pass in the copy as it is, and each name is one of a test.
    pub fn check_unchanged(self, tree: &Tree, tests: &BTreeSet<&'static str>) -> Result<()> {
        self.build(tree)?.map_err(anyhow::Error::msg).context("the unchanged tree does not compile")?;
        let tests: Vec<_> = tests.iter().copied().collect();
        let results = results(&self.test(tree, &tests, "unchanged", true)?);
        if let Some((name, _)) = results.iter().find(|(_, passed)| !passed) {
            bail!("{self}: {name} fails in the unchanged tree");
        }
        if let Some(test) = tests.iter().find(|test| !results.iter().any(|(name, _)| name.contains(**test))) {
            bail!("{self}: there is no test called {test}");
        }
        Ok(())
    }

    /// Runs `tests` in the copy as it is now.
    pub fn run(self, tree: &Tree, tests: &[&str], mutation: &str, on_gpu: bool) -> Result<Outcome> {
        if let Err(problem) = self.build(tree)? {
            return Ok(Outcome::Stale(format!("does not compile: {problem}")));
        }
        let output = self.test(tree, tests, mutation, on_gpu)?;
        let failed: Vec<_> =
            results(&output).into_iter().filter_map(|(name, passed)| (!passed).then_some(name)).collect();
        Ok(match (failed.is_empty(), output.status.success()) {
            (false, _) => Outcome::Caught(failed),
            (true, true) => Outcome::Survived,
            (true, false) => Outcome::Died(output.status.to_string()),
        })
    }

    fn args(self) -> Vec<&'static str> {
        match self {
            Suite::Lib => vec!["test", "--package", "rankscope", "--lib"],
            Suite::Test(name) => vec!["test", "--package", "rankscope", "--test", name],
            Suite::Kernel => vec!["test", "--package", "rankscope-kernel", "--bins"],
        }
    }

    /// Compiles; the first error, if there is one.
    fn build(self, tree: &Tree) -> Result<Result<(), String>> {
        let mut cargo = tree.cargo();
        let output = cargo.args(self.args()).args(["--no-run", "--color=never"]).output();
        let output = output.with_context(|| process::cannot_start(&cargo))?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        let error = messages.lines().find(|line| line.starts_with("error")).unwrap_or("cargo says nothing");
        Ok(Err(error.to_owned()))
    }

    fn test(self, tree: &Tree, tests: &[&str], mutation: &str, on_gpu: bool) -> Result<Output> {
        let mut cargo = tree.cargo();
        cargo.args(self.args()).args(["--color=never", "--"]).args(tests);
        // What is broken on the CPU shows there, and lavapipe is slow.
        match on_gpu {
            true => cargo.env_remove("RANKSCOPE_SKIP_GPU"),
            false => cargo.env("RANKSCOPE_SKIP_GPU", "1"),
        };
        let output = cargo.output().with_context(|| process::cannot_start(&cargo))?;
        fs::write(tree.log(&format!("{self}.{mutation}"))?, [&output.stdout[..], &output.stderr].concat())?;
        Ok(output)
    }
}

/// The tests that ran, and whether each passed.
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
