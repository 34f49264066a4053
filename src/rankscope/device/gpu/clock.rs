//! Times measured by the GPU's own clock, and how much work one submission should hold.

use std::time::{Duration, Instant};

use super::{Gpu, lock};
use crate::error::Result;

/// How long one submission should take if a window shares the device: the window then misses at most one frame.
pub(super) const SHARED: Duration = Duration::from_millis(5);

/// How long one submission may take otherwise: a tenth of the two seconds after which drivers reset a device.
pub(super) const ALONE: Duration = Duration::from_millis(200);

/// The number of submissions whose times are kept.
const SLOTS: u32 = 64;

/// The distance in bytes from the times of one submission to those of the next; wgpu resolves queries to multiples of
/// this.
const STRIDE: u64 = wgpu::QUERY_RESOLVE_BUFFER_ALIGNMENT;

/// The size in bytes of two times, begin and end.
pub(super) const STAMP_BYTES: u64 = 16;

/// The multiply-adds per second that are assumed until some work has been timed: a small number, so that no submission
/// takes too long.
const SOFTWARE_RATE: f64 = 5e8;
const HARDWARE_RATE: f64 = 5e10;

/// Times submissions if the adapter can.
pub(super) struct Clock {
    queries: Option<Queries>,
    period_nanos: f64,
    next: u32,
    /// Multiply-adds per second, from the last measurement.
    rate: f64,
    /// How long one submission should take.
    slice: Duration,
    /// While a measurement runs, work is not sliced.
    measuring: bool,
}

struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

impl Clock {
    pub(super) fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        is_software: bool,
        slice: Duration,
    ) -> Self {
        let can = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let queries = can.then(|| Queries {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("times"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * SLOTS,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("times"),
                size: STRIDE * u64::from(SLOTS),
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        });
        let period_nanos = if can { f64::from(queue.get_timestamp_period()) } else { 0.0 };
        let rate = if is_software { SOFTWARE_RATE } else { HARDWARE_RATE };
        Clock { queries, period_nanos, next: 0, rate, slice, measuring: false }
    }

    /// The number of multiply-adds that one submission should have.
    pub(super) fn budget(&self) -> u64 {
        if self.measuring { u64::MAX } else { ((self.rate * self.slice.as_secs_f64()) as u64).max(1) }
    }

    /// The next slot for a submission's times, if the adapter can measure them.
    pub(super) fn slot(&mut self) -> Option<Slot<'_>> {
        let queries = self.queries.as_ref()?;
        let index = self.next % SLOTS;
        self.next += 1;
        Some(Slot { queries, index })
    }

    /// Learns from a submission of `work` multiply-adds and its begin and end.
    pub(super) fn learn(&mut self, work: u64, stamp: &[u8]) {
        let seconds = self.micros(stamp) * 1e-6;
        // The time of very short work depends more on overhead than on the rate.
        if work > 1_000_000 && seconds > 5e-5 {
            self.rate = (work as f64 / seconds).clamp(self.rate / 4.0, self.rate * 4.0);
        }
    }

    fn micros(&self, stamp: &[u8]) -> f64 {
        let time = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        time(&stamp[8..16]).saturating_sub(time(&stamp[..8])) as f64 * self.period_nanos * 1e-3
    }
}

/// The place of one submission's times.
pub(super) struct Slot<'a> {
    queries: &'a Queries,
    index: u32,
}

impl Slot<'_> {
    /// The timestamp writes of a pass that begins or ends the timed work.
    pub(super) fn writes(&self, first: bool, last: bool) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        (first || last).then(|| wgpu::ComputePassTimestampWrites {
            query_set: &self.queries.set,
            beginning_of_pass_write_index: first.then_some(2 * self.index),
            end_of_pass_write_index: last.then_some(2 * self.index + 1),
        })
    }

    /// Writes the times to a buffer, and copies them to `to`.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, to: Option<(&wgpu::Buffer, u64)>) {
        let offset = u64::from(self.index) * STRIDE;
        let Queries { set, resolved } = self.queries;
        encoder.resolve_query_set(set, 2 * self.index..2 * self.index + 2, resolved, offset);
        if let Some((to, at)) = to {
            encoder.copy_buffer_to_buffer(resolved, offset, to, at, STAMP_BYTES);
        }
    }
}

/// The time of some work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The time in microseconds.
    pub micros: f64,
    /// Whether the GPU's own clock measured it; otherwise it is wall time, including the wait.
    pub by_gpu: bool,
}

impl Gpu {
    /// How long the work that `f` records takes, by the GPU's clock if it has one.
    ///
    /// During the measurement work is not cut into slices, so this is for benchmarks and not for windows.
    ///
    /// # Errors
    /// The errors of `f`; [`Error::Gpu`](crate::Error::Gpu) if the work fails.
    pub fn measure<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<(T, Timing)> {
        self.flush()?;
        self.wait()?;
        let first = {
            let mut pending = lock(&self.pending);
            pending.clock.measuring = true;
            pending.clock.next
        };
        let start = Instant::now();
        let outcome = f().and_then(|value| self.flush().map(|()| value));
        lock(&self.pending).clock.measuring = false;
        let value = outcome?;
        self.wait()?;
        let wall = Timing { micros: start.elapsed().as_secs_f64() * 1e6, by_gpu: false };
        let (resolved, slots) = {
            let clock = &lock(&self.pending).clock;
            let resolved = clock.queries.as_ref().map(|queries| queries.resolved.clone());
            (resolved, first..clock.next)
        };
        let Some(resolved) = resolved.filter(|_| (1..=SLOTS as usize).contains(&slots.len())) else {
            return Ok((value, wall));
        };
        let bytes = self.read_now(&resolved)?;
        let clock = &lock(&self.pending).clock;
        let micros =
            slots.map(|slot| clock.micros(&bytes[(u64::from(slot % SLOTS) * STRIDE) as usize..])).sum();
        Ok((value, Timing { micros, by_gpu: true }))
    }
}
