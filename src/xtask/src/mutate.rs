//! `cargo xtask mutate`: breaks the library on purpose, one line at a time, and demands that a test notices it.
//!
//! The changes are made in a copy of the source tree under the target folder. The copy uses the same target folder: the
//! dependencies are built already, and cargo keeps the crates of two trees apart.

mod in_diff;
mod list;
mod suite;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use list::Mutation;
use suite::Outcome;
use tree::Tree;

/// The options of `cargo xtask mutate`.
#[derive(clap::Args)]
pub struct Args {
    /// Build nothing: list the mutations, and fail if one no longer applies.
    #[arg(long)]
    check: bool,
    /// Have cargo-mutants change every function that differs from this commit, instead of our own list.
    #[arg(long, value_name = "BASE", conflicts_with_all = ["check", "names"])]
    in_diff: Option<String>,
    /// Mutations, or beginnings of their names, such as `mask.`; all of them if none are named.
    names: Vec<String>,
}

/// Runs `cargo xtask mutate`.
pub fn run(args: &Args) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let Some(base) = &args.in_diff {
        return in_diff::run(&source, base);
    }
    let mutations = chosen(list::all()?, &args.names)?;
    if args.check {
        return check(&source, &mutations);
    }
    let tree = Tree::copy(&source)?;
    println!("the copy: {}", tree.root().display());
    let known = known_tests(&tree, &mutations)?;
    println!("{:<34} {:<52} {:>5}  caught by", "mutation", "file", "s");
    let mut missed = 0;
    for mutation in &mutations {
        let start = Instant::now();
        let outcome = try_one(&tree, mutation, &known[&mutation.suite])?;
        missed += usize::from(!matches!(outcome, Outcome::Caught(_)));
        let seconds = start.elapsed().as_secs_f64();
        println!("{:<34} {:<52} {seconds:>5.0}  {outcome}", mutation.name, mutation.file);
    }
    ensure!(missed == 0, "{missed} of {} mutations were not caught by a test", mutations.len());
    Ok(())
}

/// The mutations whose names begin with one of `names`.
fn chosen(all: Vec<Mutation>, names: &[String]) -> Result<Vec<Mutation>> {
    if let Some(name) = names.iter().find(|name| !all.iter().any(|mutation| mutation.name.starts_with(*name)))
    {
        bail!("no mutation is called {name:?}; `cargo xtask mutate --check` lists all");
    }
    let is_chosen =
        |mutation: &Mutation| names.is_empty() || names.iter().any(|name| mutation.name.starts_with(name));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Lists `mutations`; an error if the text of one is not in its file exactly once, or one of its tests does not exist.
fn check(source: &Path, mutations: &[Mutation]) -> Result<()> {
    let rust = tree::rust_files(source)?;
    // A test is named by a function or by the modules around it.
    let is_gone = |test: &&String| {
        let last = test.rsplit("::").find(|part| !part.is_empty()).unwrap_or(test);
        !rust.contains(&format!("fn {last}")) && !rust.contains(&format!("mod {last}"))
    };
    let mut stale = 0;
    for mutation in mutations {
        let text = std::fs::read_to_string(source.join(&mutation.file)).unwrap_or_default();
        let problem = match mutation.apply(&text) {
            Err(problem) => Some(problem.to_string()),
            Ok(_) => mutation.tests.iter().find(is_gone).map(|test| format!("no test is called {test}")),
        };
        stale += usize::from(problem.is_some());
        let state = problem.map_or_else(|| mutation.tests.join(" "), |problem| format!("STALE: {problem}"));
        println!("{:<34} {:<52} {}: {state}", mutation.name, mutation.file, mutation.suite);
    }
    ensure!(stale == 0, "{stale} of {} mutations are stale", mutations.len());
    Ok(())
}

/// The tests that `mutations` name, by test program; an error unless all pass in the unchanged copy.
fn known_tests(tree: &Tree, mutations: &[Mutation]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut named: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for mutation in mutations {
        named.entry(&mutation.suite).or_default().extend(&mutation.tests);
    }
    let mut known = BTreeMap::new();
    for (suite, tests) in named {
        let start = Instant::now();
        known.insert(suite.clone(), suite::passing(tree, suite, &tests)?);
        println!("{suite}: passes as it is ({:.0} s)", start.elapsed().as_secs_f64());
    }
    Ok(known)
}

/// Applies one mutation to the copy, runs its tests, and undoes it.
fn try_one(tree: &Tree, mutation: &Mutation, known: &[String]) -> Result<Outcome> {
    if let Some(test) = mutation.tests.iter().find(|test| !known.iter().any(|name| name.contains(*test))) {
        return Ok(Outcome::Stale(format!("no test is called {test}")));
    }
    let original = tree.read(&mutation.file);
    let changed = original.as_ref().map_err(|problem| format!("{problem:#}"));
    let changed = changed.and_then(|text| mutation.apply(text).map_err(|problem| problem.to_string()));
    let changed = match changed {
        Ok(changed) => changed,
        Err(problem) => return Ok(Outcome::Stale(problem)),
    };
    tree.write(&mutation.file, &changed)?;
    let outcome = suite::run(tree, mutation);
    tree.write(&mutation.file, &original?)?;
    outcome
}
