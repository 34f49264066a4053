//! Freed buffers, kept for the next tensor of about the same size.
//!
//! A forward pass frees a tensor for nearly every one it makes, and asking the driver for memory takes longer than many
//! kernels. Work is submitted in the order in which it was recorded, so a buffer may be reused while the work that last
//! read it still waits.

use std::collections::{BTreeMap, HashMap};

/// The number of bytes that may always be idle.
const MIN_IDLE_BYTES: u64 = 64 << 20;

/// Freed storage buffers.
#[derive(Default)]
pub(super) struct Pool {
    /// The buffers by size, in the fixed order of wgpu's handles, each with the number of the [`Pool::put`] that added
    /// it.
    free: HashMap<u64, BTreeMap<wgpu::Buffer, u64>>,
    bytes: u64,
    puts: u64,
}

impl Pool {
    /// A buffer of exactly `size` bytes, with arbitrary content.
    ///
    /// It is the first in a fixed order: a pass over a model then gets the buffers that the pass before it had, and
    /// can use its bind groups.
    pub(super) fn take(&mut self, size: u64) -> Option<wgpu::Buffer> {
        let (buffer, _) = self.free.get_mut(&size)?.pop_first()?;
        self.bytes -= size;
        Some(buffer)
    }

    /// Keeps a buffer, and returns the buffers that are no longer kept: those that were idle for the longest time.
    ///
    /// The next training step or pass may again need `peak` bytes, the most that were in use at once. So idle and
    /// `live` bytes together may reach this number, but not more.
    pub(super) fn put(&mut self, buffer: wgpu::Buffer, live: u64, peak: u64) -> Vec<wgpu::Buffer> {
        self.bytes += buffer.size();
        self.puts += 1;
        self.free.entry(buffer.size()).or_default().insert(buffer, self.puts);
        let bound = peak.saturating_sub(live).max(MIN_IDLE_BYTES);
        let mut dropped = Vec::new();
        while self.bytes > bound {
            let all = self.free.values().flatten();
            let Some((longest_idle, _)) = all.min_by_key(|&(_, put)| put) else { break };
            let longest_idle = longest_idle.clone();
            self.bytes -= longest_idle.size();
            self.free.entry(longest_idle.size()).or_default().remove(&longest_idle);
            dropped.push(longest_idle);
        }
        dropped
    }

    /// Drops all buffers, and returns whether there were any.
    pub(super) fn clear(&mut self) -> bool {
        std::mem::take(self).bytes > 0
    }

    /// The number of idle bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The size class of `size` bytes: at most a quarter larger, so that similar sizes can share buffers.
pub(super) fn class(size: u64, alignment: u64) -> u64 {
    let step = size.checked_next_power_of_two().map_or(alignment, |power| (power / 8).max(alignment));
    size.checked_next_multiple_of(step).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn classes_waste_at_most_a_quarter() {
        assert_eq!([1, 16, 17, 128, 129].map(|size| class(size, 16)), [16, 16, 32, 128, 160]);
        for size in (1..5000).chain([1 << 27, (1 << 27) + 1, 123_456_789]) {
            let class = class(size, 16);
            assert!(class >= size && class.is_multiple_of(16) && class <= (size + size / 4).max(size + 15));
        }
    }
}
