//! Mutations by a general tool: `cargo mutants` on the functions that a diff touches.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// Runs cargo-mutants on what the working tree changed since the commit `base`.
pub fn run(source: &Path, base: &str) -> Result<()> {
    let version = process::cargo().args(["mutants", "--version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        bail!("cargo-mutants is not installed; install it with: cargo install cargo-mutants --locked");
    }
    let mut git = Command::new("git");
    git.current_dir(source).args(["diff", "--no-color", "--no-ext-diff", base, "--", "src"]);
    let diff = git.output().with_context(|| process::cannot_start(&git))?;
    ensure!(diff.status.success(), "git diff {base}: {}", String::from_utf8_lossy(&diff.stderr).trim());
    let target = process::target_folder()?;
    let folder = target.join("mutate");
    fs::create_dir_all(&folder)?;
    let file = folder.join("in-diff.patch");
    fs::write(&file, &diff.stdout).with_context(|| format!("cannot write {}", file.display()))?;
    let mut mutants = process::cargo();
    mutants.current_dir(source).args(["mutants", "--test-workspace=true", "--in-diff"]).arg(&file);
    mutants.arg("--output").arg(&folder);
    mutants.arg("--cargo-arg=--config=profile.dev.package.rankscope.opt-level=1");
    // cargo-mutants builds another copy of the tree, with the same dependencies.
    mutants.env("CARGO_TARGET_DIR", &target).env("RANKSCOPE_SKIP_GPU", "1");
    process::run(&mut mutants, "some changes were not caught by a test")
}
