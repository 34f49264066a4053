//! Freed buffers, kept for the next tensor of about the same size.
//!
//! A forward pass frees a tensor for nearly every one it makes, and asking the driver for memory costs
//! more than many a kernel. Work is submitted in the order in which it was recorded, so a buffer may be
//! given out again while the work that last read it still waits.

use std::collections::VecDeque;

/// Bytes that may lie idle.
const MAX_IDLE_BYTES: u64 = 256 << 20;
/// Buffers that may lie idle: few enough to look through.
const MAX_IDLE_BUFFERS: usize = 512;

/// Freed storage buffers, the longest idle one first.
#[derive(Default)]
pub(super) struct Pool {
    free: VecDeque<wgpu::Buffer>,
    bytes: u64,
}

impl Pool {
    /// A buffer of exactly `size` bytes, with whatever it last held.
    pub(super) fn take(&mut self, size: u64) -> Option<wgpu::Buffer> {
        let index = self.free.iter().rposition(|buffer| buffer.size() == size)?;
        self.bytes -= size;
        self.free.remove(index)
    }

    /// Keeps a buffer, and lets go of the longest idle ones beyond the bound.
    pub(super) fn put(&mut self, buffer: wgpu::Buffer) {
        self.bytes += buffer.size();
        self.free.push_back(buffer);
        while self.bytes > MAX_IDLE_BYTES || self.free.len() > MAX_IDLE_BUFFERS {
            let Some(oldest) = self.free.pop_front() else { break };
            self.bytes -= oldest.size();
        }
    }

    /// Lets go of all buffers, and says whether there were any.
    pub(super) fn clear(&mut self) -> bool {
        let had_some = !self.free.is_empty();
        *self = Pool::default();
        had_some
    }

    /// Bytes that lie idle.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The size class of `size` bytes: at most a quarter larger, so that sizes near each other share buffers.
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
