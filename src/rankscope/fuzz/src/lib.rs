//! The common part of the fuzz targets: an allocator with a limit, and a folder in memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};

/// The largest allocation: more than any input of a few kilobytes should need.
const MOST_BYTES: usize = 256 << 20;

/// The system's allocator; a single huge request ends the process, as libFuzzer's own limit does with a sanitizer. A
/// limit on resident memory is not enough, because a lazily zeroed buffer does not count there.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn check(size: usize) {
    if size > MOST_BYTES {
        eprintln!("an allocation of {size} bytes");
        std::process::abort();
    }
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

/// A model folder of this process's own, in memory, if the system has a file system in memory.
pub fn folder(name: &str) -> PathBuf {
    let shared_memory = Path::new("/dev/shm");
    let base = if shared_memory.is_dir() { shared_memory.to_owned() } else { std::env::temp_dir() };
    let folder = base.join(format!("rankscope-fuzz-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// Writes `bytes` as the file `name` in `folder`.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("a writable folder");
}

/// The value of a result, if there is one; an error must be one line, short, and not empty.
pub fn checked<T>(result: rankscope::Result<T>) -> Option<T> {
    let check = |error: &rankscope::Error| {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
        let count = text.chars().count();
        assert!(count < 2500, "an error of {count} characters");
    };
    result.inspect_err(check).ok()
}
