//! The memory of tensors on the CPU, which is reused.
//!
//! A large block that the system has just allocated costs a page fault for every 4 KiB, which takes longer than most
//! operations. So the memory of a dropped tensor is kept for the next tensor.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The values of a tensor. When it is dropped, its memory is kept for another tensor.
pub(crate) struct Buffer(Vec<f32>);

/// The smallest block that is kept, in bytes. The allocator is just as fast for smaller ones.
const LEAST_BYTES: usize = 64 << 10;
/// The most memory, in bytes, that is kept while no tensor uses it: room for the scores of 8 heads and 2048 positions,
/// twice.
const MOST_BYTES: usize = 256 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool { blocks: Vec::new(), bytes: 0 });

impl Buffer {
    /// A buffer that holds `values`.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        Buffer(values)
    }

    /// The values as a vector of their own, without a copy.
    pub(crate) fn into_vec(mut self) -> Vec<f32> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if bytes(&self.0) >= LEAST_BYTES {
            pool().give(std::mem::take(&mut self.0));
        }
    }
}

/// `length` arbitrary values, which the caller overwrites.
pub(crate) fn any_values(length: usize) -> Vec<f32> {
    let kept = if length * size_of::<f32>() >= LEAST_BYTES { pool().take(length) } else { None };
    kept.unwrap_or_else(|| {
        let values = vec![0.0; length];
        ask_for_huge_pages(&values);
        values
    })
}

/// Asks Linux for pages of 2 MiB where `values` span some, before they are first written: they need fewer page faults,
/// and a processor finds their addresses faster. Elsewhere, and where it is not granted, nothing changes.
fn ask_for_huge_pages(values: &[f32]) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 2 << 20;
        let place = values.as_ptr_range();
        let (first, end) = ((place.start as usize).next_multiple_of(HUGE), place.end as usize / HUGE * HUGE);
        if first < end {
            // SAFETY: the pages lie within the values, and advice does not change what is in them.
            unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = values;
}

/// Blocks that no tensor uses, the oldest first.
struct Pool {
    blocks: Vec<Vec<f32>>,
    bytes: usize,
}

impl Pool {
    /// The smallest block that holds `length` values and is at most twice as large. Among blocks of equal size it is
    /// the newest, which may still be in a cache.
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        let fits = |block: &Vec<f32>| (length..=2 * length).contains(&block.capacity());
        let fitting = self.blocks.iter().enumerate().rev().filter(|(_, block)| fits(block));
        let (at, _) = fitting.min_by_key(|(_, block)| block.capacity())?;
        let mut block = self.blocks.remove(at);
        self.bytes -= bytes(&block);
        block.resize(length, 0.0);
        Some(block)
    }

    /// Keeps a block; drops the oldest ones where they hold too much memory.
    fn give(&mut self, block: Vec<f32>) {
        self.bytes += bytes(&block);
        self.blocks.push(block);
        while self.bytes > MOST_BYTES {
            self.bytes -= bytes(&self.blocks.remove(0));
        }
    }
}

fn bytes(block: &Vec<f32>) -> usize {
    block.capacity() * size_of::<f32>()
}

// The pool is consistent at every point where a panic could start, so poison means nothing.
fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_to_who_fills_at_least_half_of_it() {
        let mut pool = Pool { blocks: Vec::new(), bytes: 0 };
        for (length, value) in [(100, 1.0), (80, 2.0), (80, 3.0)] {
            pool.give(vec![value; length]);
        }
        assert_eq!((pool.bytes, pool.take(39), pool.take(101)), (1040, None, None));
        // The smallest block first, and the newer of two equal ones. A vector longer than the block's old content ends
        // in zeros.
        assert_eq!(pool.take(41).unwrap(), [3.0; 41]);
        let short = pool.take(60).unwrap();
        assert_eq!((short[0], short.len()), (2.0, 60));
        pool.give(short);
        let long = pool.take(70).unwrap();
        assert_eq!((long[59], long[60], long.len()), (2.0, 0.0, 70));
        assert_eq!((pool.bytes, pool.blocks.len()), (400, 1));
    }

    #[test]
    fn the_oldest_go_where_too_much_is_kept() {
        let mut pool = Pool { blocks: Vec::new(), bytes: 0 };
        for length in [30 << 20, 20 << 20, 20 << 20] {
            pool.give(Vec::with_capacity(length));
        }
        assert_eq!((pool.blocks.len(), pool.bytes), (2, 160 << 20));
        pool.give(Vec::with_capacity(65 << 20)); // more than may be kept at all
        assert!(pool.blocks.is_empty() && pool.bytes == 0);
    }
}
