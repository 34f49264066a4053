//! Signals from the kernel: SIGINT asks to stop, SIGUSR1 announces that a new cell begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::run::Cancel;

static CANCEL: OnceLock<Cancel> = OnceLock::new();
static CELL: AtomicUsize = AtomicUsize::new(0);

/// The number of cells that have begun.
pub fn cell() -> usize {
    CELL.load(Ordering::Relaxed)
}

/// Installs the handlers, and returns the flag that an interrupt raises from now on.
pub fn listen() -> Cancel {
    let cancel = CANCEL.get_or_init(Cancel::default).clone();
    #[cfg(unix)]
    // SAFETY: both handlers only load and store atomics.
    unsafe {
        unix::signal(unix::SIGINT, unix::stop);
        unix::signal(unix::SIGUSR1, unix::begin);
    }
    cancel
}

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;

    use super::{CANCEL, CELL, Ordering};

    pub const SIGINT: c_int = 2;
    pub const SIGUSR1: c_int = if cfg!(any(target_os = "linux", target_os = "android")) { 10 } else { 30 };

    unsafe extern "C" {
        /// The C library's `signal`; system calls that a signal interrupts are restarted.
        pub fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    }

    pub extern "C" fn stop(_: c_int) {
        if let Some(cancel) = CANCEL.get() {
            cancel.cancel();
        }
    }

    pub extern "C" fn begin(_: c_int) {
        if let Some(cancel) = CANCEL.get() {
            cancel.lower();
        }
        CELL.fetch_add(1, Ordering::Relaxed);
    }
}
