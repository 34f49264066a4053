//! Limits OpenBLAS to one thread, because rayon's threads already use all cores.
//!
//! OpenBLAS would start a team of threads inside each product or factorisation. Those teams compete with a rayon loop
//! over many matrices, and between products they wait by spinning, for a millisecond or more, on the cores that the
//! next operation needs. So products are cut into panels for rayon's threads, and OpenBLAS never has a second one.

use std::ffi::c_int;
use std::sync::Once;

unsafe extern "C" {
    fn openblas_set_num_threads(count: c_int);
}

static HELD: Once = Once::new();

/// Sets OpenBLAS to one thread, for the life of the process.
pub(crate) fn keep_to_one_thread() {
    // SAFETY: the function only writes OpenBLAS's own thread count.
    HELD.call_once(|| unsafe { openblas_set_num_threads(1) });
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn openblas_get_num_threads() -> c_int;
    }

    #[test]
    fn holds_one_thread_for_everybody() {
        let threads = || unsafe { openblas_get_num_threads() };
        keep_to_one_thread();
        assert_eq!(threads(), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                keep_to_one_thread();
                assert_eq!(threads(), 1);
            });
        });
        assert_eq!(threads(), 1);
    }
}
