//! The standard input of cells: a cell that reads it asks the person at the notebook.
//!
//! For C, and for every program that a cell starts, the standard input is empty. Rust's `std::io::stdin()` calls `read`
//! and gets the function below, since a program's own functions come before those of the system's libraries. This holds
//! on Linux only; on other systems the input of cells is empty as well. `input` asks everywhere.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::link::{self, Answer};
use crate::open;

/// Whether this process runs cells.
static ASKS: AtomicBool = AtomicBool::new(false);

/// What was typed and has not been read.
static TYPED: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

/// From now on, a read of the standard input asks the person at the notebook.
pub fn ask() {
    ASKS.store(true, Ordering::Relaxed);
}

/// The system's `read`, except for a cell's standard input.
///
/// # Safety
/// As for the system's `read`: `buffer` has room for `count` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(file: libc::c_int, buffer: *mut c_void, count: usize) -> isize {
    if file != libc::STDIN_FILENO || count == 0 || !ASKS.load(Ordering::Relaxed) {
        // SAFETY: the same call, made by the system's number for it.
        return unsafe { libc::syscall(libc::SYS_read, file, buffer, count) as isize };
    }
    let Some(bytes) = typed(count) else {
        // SAFETY: `errno` belongs to this thread.
        unsafe { *libc::__errno_location() = libc::ECANCELED };
        return -1;
    };
    // SAFETY: there are at most `count` of them, for which the caller has room.
    unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    bytes.len() as isize
}

/// At most `count` bytes of what was typed: empty if nobody answers, `None` if the cell was interrupted.
fn typed(count: usize) -> Option<Vec<u8>> {
    let mut typed = open(&TYPED);
    if typed.is_empty() {
        match link::question(b"") {
            Answer::Line(line) => typed.extend(line.iter().chain(b"\n")),
            Answer::End => {}
            Answer::Interrupted => return None,
        }
    }
    let count = count.min(typed.len());
    Some(typed.drain(..count).collect())
}
