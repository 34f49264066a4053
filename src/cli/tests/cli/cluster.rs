//! `src/cluster/Snakefile`: trained claims as jobs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::skip::skipped;
use crate::support::Home;

const OPTIONS: &str = "--seeds 2 --set steps=1 --set set=width=16,batch=2,evaluation_batches=1";

/// Jobs together find what one process finds, to the digit, and started again they do nothing.
#[test]
fn jobs_of_snakemake_together_are_one_process() {
    let program = Path::new(env!("CARGO_BIN_EXE_rankscope"));
    let snakemake = program.parent().unwrap().with_file_name("snakemake").join("bin/snakemake");
    if !snakemake.is_file() {
        return skipped("no Snakemake, which `cargo xtask cluster` installs");
    }
    let home = Home::new();
    let run = || {
        let mut command = Command::new(&snakemake);
        command.arg("--snakefile").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster/Snakefile"));
        command.arg("--directory").arg(home.path("cluster")).args(["--cores", "2", "--config", "parts=3"]);
        command.arg(format!("program={}", program.display()));
        command.arg("claims=no-positions").arg(format!("options={OPTIONS}"));
        command.env("HOME", home.path("")).env("XDG_DATA_HOME", home.path("data"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    run();
    let one: Vec<&str> =
        "claims run --trained no-positions --device cpu --part 1/1 --out one".split(' ').collect();
    home.stdout(&[one, OPTIONS.split(' ').collect()].concat());
    home.stdout(&["claims", "merge", "one", "--out", "merged"]);
    let bytes = |folder: &str| fs::read(home.path(folder).join("runs.json")).unwrap();
    assert_eq!(bytes("cluster/results"), bytes("merged"));
    let verdicts = fs::read_to_string(home.path("cluster/verdicts.md")).unwrap();
    assert!(verdicts.contains("`no-positions`"), "{verdicts}");
    let again = run();
    assert!(again.contains("Nothing to be done"), "{again}");
}
