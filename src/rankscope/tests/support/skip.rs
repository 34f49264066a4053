//! What a test leaves out, said where it is seen and counted: `cargo xtask test` sums it up at the end.

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// Says that the calling test leaves something out, and why; once, however often it is asked.
///
/// The harness keeps what a passing test prints with `println!` and `eprintln!`, so the line goes to stderr itself and,
/// where `RANKSCOPE_SKIPPED` names a file, to its end: program, test and reason, with tabs between them.
#[track_caller]
pub fn skipped(why: &str) {
    let place = Location::caller();
    let thread = std::thread::current();
    // With a single thread for all tests it has no test's name.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => format!("{}:{}", place.file(), place.line()),
    };
    static SAID: Mutex<BTreeSet<[String; 2]>> = Mutex::new(BTreeSet::new());
    let is_new = SAID.lock().unwrap_or_else(PoisonError::into_inner).insert([test.clone(), why.to_owned()]);
    if !is_new {
        return;
    }
    // In one piece, as other tests write at the same time.
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

/// Whether an environment variable is 1; then that is said, as the reason why something is left out.
#[track_caller]
#[allow(dead_code)] // not every program of tests has something to leave out
pub fn is_asked_for(variable: &str, what: &str) -> bool {
    let is_set = std::env::var_os(variable).is_some_and(|value| value == "1");
    if is_set {
        skipped(&format!("{what} ({variable}=1)"));
    }
    is_set
}
