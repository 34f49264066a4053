//! How much memory a computation holds at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// The bytes that this thread has allocated and not freed, and their maximum.
    static LIVE: Cell<[isize; 2]> = const { Cell::new([0; 2]) };
}

/// The system's allocator, with a count for every thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: isize) {
    // At the end of a thread the count no longer exists.
    let _ = LIVE.try_with(|cell| {
        let [live, most] = cell.get();
        cell.set([live + bytes, most.max(live + bytes)]);
    });
}

// SAFETY: everything is the system allocator's work; counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

/// The most bytes that `work` holds at once, in addition to those held before, with all of its work on one thread.
pub fn peak_bytes(work: impl FnOnce() + Send) -> usize {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        LIVE.set([0; 2]);
        work();
        LIVE.get()[1] as usize
    })
}
