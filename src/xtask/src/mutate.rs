//! `cargo xtask mutate`: breaks the library on purpose, one line at a time, and demands that a test sees it.
//!
//! The changes are made in a copy of the source tree under the target folder, which is also the copy's own
//! target folder: the dependencies are there already, and cargo keeps the crates of two trees apart.

mod list;
mod suite;
mod tree;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use list::Mutation;
use suite::Outcome;
use tree::Tree;

/// What `cargo xtask mutate` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Only say what there is, and whether it still applies.
    #[arg(long)]
    list: bool,
    /// Mutations, or beginnings of their names, such as `mask.`; all of them if none are named.
    names: Vec<String>,
}

/// Runs `cargo xtask mutate`.
pub fn run(args: &Args) -> Result<()> {
    let mutations = chosen(&args.names)?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if args.list {
        return show(&source, &mutations);
    }
    let tree = Tree::copy(&source)?;
    println!("the copy: {}", tree.root().display());
    let start = Instant::now();
    for (suite, tests) in suite::of(&mutations) {
        suite.check_unchanged(&tree, &tests)?;
        println!("{suite}: passes as it is ({:.0} s)", start.elapsed().as_secs_f64());
    }
    println!("{:<34} {:<38} {:>5}  caught by", "mutation", "file", "s");
    let mut missed = 0;
    for mutation in &mutations {
        let start = Instant::now();
        let outcome = try_one(&tree, mutation)?;
        missed += usize::from(!matches!(outcome, Outcome::Caught(_)));
        let seconds = start.elapsed().as_secs_f64();
        println!("{:<34} {:<38} {seconds:>5.0}  {outcome}", mutation.name, mutation.file);
    }
    match missed {
        0 => Ok(()),
        _ => bail!("{missed} of {} mutations were not caught by a test", mutations.len()),
    }
}

/// The mutations whose names begin as one of `names`.
fn chosen(names: &[String]) -> Result<Vec<&'static Mutation>> {
    if let Some(name) =
        names.iter().find(|name| !list::all().any(|mutation| mutation.name.starts_with(*name)))
    {
        bail!("no mutation is called {name:?}; `cargo xtask mutate --list` shows all");
    }
    let is_chosen =
        |mutation: &&Mutation| names.is_empty() || names.iter().any(|name| mutation.name.starts_with(name));
    Ok(list::all().filter(is_chosen).collect())
}

fn show(source: &Path, mutations: &[&Mutation]) -> Result<()> {
    let mut stale = 0;
    for mutation in mutations {
        let text = std::fs::read_to_string(source.join(mutation.path())).unwrap_or_default();
        let state = match mutation.apply(&text) {
            Ok(_) => mutation.tests.join(" "),
            Err(problem) => {
                stale += 1;
                format!("STALE: {problem:#}")
            }
        };
        println!("{:<34} {:<38} {}: {state}", mutation.name, mutation.file, mutation.suite);
    }
    if stale == 0 { Ok(()) } else { bail!("{stale} mutations are stale") }
}

/// Applies one mutation to the copy, runs its tests, and takes it back.
fn try_one(tree: &Tree, mutation: &Mutation) -> Result<Outcome> {
    let original = match tree.read(&mutation.path()) {
        Ok(original) => original,
        Err(problem) => return Ok(Outcome::Stale(format!("{problem:#}"))),
    };
    let changed = match mutation.apply(&original) {
        Ok(changed) => changed,
        Err(problem) => return Ok(Outcome::Stale(format!("{problem:#}"))),
    };
    tree.write(&mutation.path(), &changed)?;
    let outcome = mutation.suite.run(tree, mutation.tests, mutation.name, mutation.is_on_gpu());
    tree.write(&mutation.path(), &original)?;
    outcome
}
