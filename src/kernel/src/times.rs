//! Where the time of a cell goes: points in time, from all the processes that a cell goes through, in one file.

use std::fs::OpenOptions;
use std::io::Write;

/// The variable that names the file; without it nothing is written.
const FILE: &str = "RANKSCOPE_KERNEL_TIMES";

/// Adds a line with the system's steady clock, in microseconds, and the name of the step that begins now.
pub fn begins(what: &str) {
    let Some(file) = std::env::var_os(FILE) else { return };
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    // Best effort: whoever measures sees what is missing.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let _ = file.write_all(format!("{micros} {what}\n").as_bytes());
    }
}
