//! Reports the parts that tests skip, so that they are visible and counted: `cargo xtask test` sums them up at the end.

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// Reports that the calling test skips something, with the reason; only once for repeated calls.
///
/// The harness hides the output of a passing test with `println!` and `eprintln!`, so the line is written to stderr
/// directly and, if `RANKSCOPE_SKIPPED` names a file, to its end: program, test and reason, with tabs between them.
#[track_caller]
pub fn skipped(why: &str) {
    let place = Location::caller();
    let thread = std::thread::current();
    // If one thread runs all tests, it does not have the name of a test.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => format!("{}:{}", place.file(), place.line()),
    };
    static SAID: Mutex<BTreeSet<[String; 2]>> = Mutex::new(BTreeSet::new());
    let is_new = SAID.lock().unwrap_or_else(PoisonError::into_inner).insert([test.clone(), why.to_owned()]);
    if !is_new {
        return;
    }
    // In one write, because other tests write at the same time.
    let _ = std::io::stderr().write_all(format!("skipped: {why}: {test}\n").as_bytes());
    if let Some(path) = std::env::var_os("RANKSCOPE_SKIPPED") {
        let program = std::env::current_exe().expect("the program's own path");
        let program = program.file_stem().expect("a program has a name").to_string_lossy().into_owned();
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        let written =
            file.and_then(|mut file| file.write_all(format!("{program}\t{test}\t{why}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.to_string_lossy()));
    }
}

/// Whether an environment variable is 1; if so, this is reported as the reason for skipping.
#[track_caller]
#[allow(dead_code)] // not every test program skips something
pub fn is_asked_for(variable: &str, what: &str) -> bool {
    let is_set = std::env::var_os(variable).is_some_and(|value| value == "1");
    if is_set {
        skipped(&format!("{what} ({variable}=1)"));
    }
    is_set
}
