//! Holds OpenBLAS to one thread while our own threads are at work.
//!
//! OpenBLAS starts a team of threads inside each product or factorisation. Under a rayon loop over
//! many small matrices those teams only stand in each other's way, so such loops run inside
//! [`single_threaded`].

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

unsafe extern "C" {
    fn openblas_get_num_threads() -> c_int;
    fn openblas_set_num_threads(count: c_int);
}

/// How many guards live, and the thread count that the last of them restores.
struct Holders {
    count: usize,
    restore: c_int,
}

static HOLDERS: Mutex<Holders> = Mutex::new(Holders { count: 0, restore: 1 });

/// Calls `f` with OpenBLAS on one thread; calls may nest and overlap from any threads.
///
/// The setting belongs to the process: it goes to 1 with the first caller and back with the last,
/// also when `f` panics.
pub(crate) fn single_threaded<R>(f: impl FnOnce() -> R) -> R {
    let _guard = Guard::new();
    f()
}

struct Guard;

impl Guard {
    fn new() -> Self {
        let mut holders = holders();
        if holders.count == 0 {
            // SAFETY: both functions only read or write OpenBLAS's own thread count.
            unsafe {
                holders.restore = openblas_get_num_threads();
                openblas_set_num_threads(1);
            }
        }
        holders.count += 1;
        Guard
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut holders = holders();
        holders.count -= 1;
        if holders.count == 0 {
            // SAFETY: as above; the lock keeps a new first guard from reading in between.
            unsafe { openblas_set_num_threads(holders.restore) }
        }
    }
}

// The counters are consistent at every point where a panic could start, so poison means nothing.
fn holders() -> MutexGuard<'static, Holders> {
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_one_thread_while_any_guard_lives() {
        let threads = || unsafe { openblas_get_num_threads() };
        single_threaded(|| {
            single_threaded(|| assert_eq!(threads(), 1));
            assert_eq!(threads(), 1);
            std::thread::scope(|scope| {
                scope.spawn(|| single_threaded(|| assert_eq!(threads(), 1)));
            });
            assert_eq!(threads(), 1);
        });
    }
}
