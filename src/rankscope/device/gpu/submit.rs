//! Submitting recorded work to the driver, in slices.
//!
//! Recorded work is submitted when a result is needed, or when there is enough of it: many dispatches share a
//! submission, and none is so long that a window on the same device has to wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clock::{Clock, STAMP_BYTES, Slot};
use super::kernel::Pipeline;
use super::{Gpu, Kernel, lock};
use crate::error::Result;

/// The most dispatches in one submission; their parameters share a buffer of 64 KiB.
pub(super) const MAX_DISPATCHES: usize = 256;

/// The most bytes of parameters of one dispatch.
pub(super) const PARAMS_BYTES: usize = 256;

/// Work that is recorded and not yet submitted.
pub(super) struct Pending {
    commands: Vec<Command>,
    /// The parameters of all recorded dispatches, [`PARAMS_BYTES`] each; written just before they run.
    params: Vec<u8>,
    pub(super) params_buffer: wgpu::Buffer,
    stride: usize,
    /// The estimated number of multiply-adds recorded since the last submission.
    work: u64,
    /// Bytes uploaded since the last submission.
    pub(super) staged_bytes: u64,
    pub(super) clock: Clock,
}

pub(super) enum Command {
    Dispatch {
        kernel: &'static Kernel,
        pipeline: Arc<Pipeline>,
        group: wgpu::BindGroup,
        /// The offset of its parameters, if it has any.
        params: Option<u32>,
        size: [u32; 2],
    },
    Copy {
        from: wgpu::Buffer,
        offset: u64,
        to: wgpu::Buffer,
        size_bytes: u64,
    },
}

impl Pending {
    pub(super) fn new(device: &wgpu::Device, limits: &wgpu::Limits, clock: Clock) -> Self {
        let stride = PARAMS_BYTES.next_multiple_of(limits.min_uniform_buffer_offset_alignment as usize);
        let params_buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (stride * MAX_DISPATCHES) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let (commands, params) = (Vec::new(), Vec::new());
        Pending { commands, params, params_buffer, stride, work: 0, staged_bytes: 0, clock }
    }

    /// Keeps the parameters of a dispatch and returns their offset in the buffer.
    pub(super) fn keep_params(&mut self, bytes: &[u8]) -> u32 {
        let offset = self.params.len();
        self.params.extend_from_slice(bytes);
        self.params.resize(offset + self.stride, 0);
        offset as u32
    }

    /// Whether there is no room for another dispatch.
    pub(super) fn is_full(&self) -> bool {
        self.params.len() == self.stride * MAX_DISPATCHES
    }

    pub(super) fn push(&mut self, command: Command, work: u64) {
        self.commands.push(command);
        self.work = self.work.saturating_add(work);
    }

    /// Whether there is enough for a submission.
    pub(super) fn is_worth_submitting(&self) -> bool {
        self.work >= self.clock.budget()
    }
}

/// A submission whose times are copied to a buffer that can be mapped.
pub(super) struct Stamped {
    /// Multiply-adds in the submission.
    pub(super) work: u64,
    /// Whether there are times.
    pub(super) is_timed: bool,
}

impl Gpu {
    /// Records a copy from one buffer to another.
    pub(super) fn record_copy(
        &self,
        from: &wgpu::Buffer,
        offset: u64,
        to: &wgpu::Buffer,
        size_bytes: u64,
    ) -> Result<()> {
        self.faults.surface()?;
        let command = Command::Copy { from: from.clone(), offset, to: to.clone(), size_bytes };
        lock(&self.pending).push(command, 0);
        Ok(())
    }

    /// Submits everything recorded: before a window draws from a tensor, or to start work early.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) naming the kernels if the driver objects.
    pub fn flush(&self) -> Result<()> {
        self.submit(&mut lock(&self.pending))
    }

    pub(super) fn submit(&self, pending: &mut Pending) -> Result<()> {
        self.submit_stamped(pending, None).map(drop)
    }

    /// As [`submit`](Self::submit), with the submission's times copied to `stamp`, buffer and offset.
    pub(super) fn submit_stamped(
        &self,
        pending: &mut Pending,
        stamp: Option<(&wgpu::Buffer, u64)>,
    ) -> Result<Stamped> {
        self.faults.surface()?; // checked first, so that an earlier error does not lose recorded work
        let commands = std::mem::take(&mut pending.commands);
        let params = std::mem::take(&mut pending.params);
        let staged_bytes = std::mem::take(&mut pending.staged_bytes);
        let work = std::mem::take(&mut pending.work);
        if commands.is_empty() && staged_bytes == 0 {
            return Ok(Stamped { work: 0, is_timed: false });
        }
        self.counters.submissions.fetch_add(1, Ordering::Relaxed);
        let submitted = self.checked(Names(&commands), || {
            if !params.is_empty() {
                self.queue.write_buffer(&pending.params_buffer, 0, &params);
            }
            let label = Some("rankscope");
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            let computes = commands.iter().any(is_dispatch);
            let slot = if computes { pending.clock.slot() } else { None };
            encode(&commands, &mut encoder, slot.as_ref());
            if let Some(slot) = &slot {
                slot.resolve(&mut encoder, stamp);
            }
            self.queue.submit([encoder.finish()]);
            Stamped { work, is_timed: slot.is_some() }
        });
        // The tensors that this work should have written now hold other values, and must not be read.
        submitted.inspect_err(|error| self.faults.lose(&format!("work was not done ({error})")))
    }

    /// Waits for the bytes of a buffer that is not a tensor's.
    pub(super) fn read_now(&self, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
        let size = buffer.size();
        let staging = self.staging(size)?;
        self.record_copy(buffer, 0, &staging, size)?;
        self.flush()?;
        self.checked("readback", || staging.map_async(wgpu::MapMode::Read, .., |_| ()))?;
        self.wait()?;
        let view = staging.get_mapped_range(..).map_err(|error| self.error("readback", error))?;
        Ok(view.to_vec())
    }

    /// A buffer that can be mapped, with room for two times after `size_bytes`.
    pub(super) fn staging(&self, size_bytes: u64) -> Result<wgpu::Buffer> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some("readback"),
            size: size_bytes.next_multiple_of(8) + STAMP_BYTES,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        self.checked("readback", || self.device.create_buffer(&descriptor))
    }
}

fn is_dispatch(command: &Command) -> bool {
    matches!(command, Command::Dispatch { .. })
}

/// Consecutive dispatches share one pass; wgpu keeps their reads and writes in order.
fn encode(commands: &[Command], encoder: &mut wgpu::CommandEncoder, slot: Option<&Slot<'_>>) {
    let runs: Vec<_> = commands.chunk_by(|a, b| is_dispatch(a) && is_dispatch(b)).collect();
    let first = runs.iter().position(|run| is_dispatch(&run[0]));
    let last = runs.iter().rposition(|run| is_dispatch(&run[0]));
    for (index, run) in runs.into_iter().enumerate() {
        if let [Command::Copy { from, offset, to, size_bytes }] = run {
            encoder.copy_buffer_to_buffer(from, *offset, to, 0, *size_bytes);
            continue;
        }
        let timestamp_writes = slot.and_then(|slot| slot.writes(first == Some(index), last == Some(index)));
        let label = Some("rankscope");
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes });
        for command in run {
            if let Command::Dispatch { kernel, pipeline, group, params, size: [x, y] } = command {
                pass.push_debug_group(kernel.name);
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, params.as_slice());
                pass.dispatch_workgroups(*x, *y, 1);
                pass.pop_debug_group();
            }
        }
    }
}

/// The names of the recorded kernels, each once, for an error that does not belong to a single kernel.
struct Names<'a>(&'a [Command]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        for command in self.0 {
            let name = match command {
                Command::Dispatch { kernel, .. } => kernel.name,
                Command::Copy { .. } => "copy",
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        write!(f, "submission of {}", names.join(", "))
    }
}
