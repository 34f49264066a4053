//! `src/cluster/Snakefile`: trained claims as jobs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// A worker that is killed in the middle: its finished runs stay as they are, and the same command trains the others.
#[test]
fn a_part_that_was_killed_loses_nothing_and_makes_nothing_twice() {
    let home = Home::new();
    let options = "--seeds 2 --set steps=10 --set set=width=16,batch=4,evaluation_batches=1 --part 1/1";
    let part = |out: &'static str| {
        let words = format!("claims run --trained no-positions --device cpu {options} --out {out}");
        words.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |out: &'static str| home.stdout(&part(out).iter().map(String::as_str).collect::<Vec<_>>());
    let files = || -> Vec<_> {
        let Ok(entries) = fs::read_dir(home.path("killed")) else { return Vec::new() };
        let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().extension().is_some());
        files.map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap())).collect()
    };
    let mut worker = home.command(&part("killed").iter().map(String::as_str).collect::<Vec<_>>());
    let mut worker = worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while files().len() < 2 && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    let before = files();
    assert!(before.len() >= 2, "{before:?}");
    run("killed");
    assert!(before.iter().all(|file| files().contains(file)), "{before:?} {:?}", files());
    run("whole");
    let merged = |folder: &str, out: &str| {
        home.stdout(&["claims", "merge", folder, "--out", out]);
        fs::read(home.path(out).join("runs.json")).unwrap()
    };
    assert_eq!(merged("killed", "a"), merged("whole", "b"));
}
