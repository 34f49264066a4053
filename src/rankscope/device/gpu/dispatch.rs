//! Recording work and submitting it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::kernel::{Binding, BindingKind, Pipeline};
use super::{Gpu, GpuBuffer, Kernel, lock};
use crate::error::{Error, Result};

/// Dispatches in one submission: enough to hide its cost, few enough for a window's frames to get between.
const MAX_DISPATCHES: usize = 64;

/// Bytes of parameters that one dispatch may have.
const PARAMS_BYTES: usize = 256;

/// What a kernel's variable is bound to.
#[derive(Clone, Copy)]
pub enum Bind<'a> {
    /// Parameters.
    Uniform(&'a [u8]),
    /// A tensor, a weight or a mask.
    Buffer(&'a GpuBuffer),
}

/// Work that is recorded and not yet submitted.
pub(super) struct Pending {
    commands: Vec<Command>,
    /// The parameters of all recorded dispatches, [`PARAMS_BYTES`] each; written just before they run.
    params: Vec<u8>,
    params_buffer: wgpu::Buffer,
    stride: usize,
    /// Bytes uploaded since the last submission.
    pub(super) staged_bytes: u64,
}

enum Command {
    Dispatch { kernel: &'static Kernel, pipeline: Arc<Pipeline>, group: wgpu::BindGroup, size: [u32; 2] },
    Copy { from: wgpu::Buffer, offset: u64, to: wgpu::Buffer, size_bytes: u64 },
}

impl Pending {
    pub(super) fn new(device: &wgpu::Device, limits: &wgpu::Limits) -> Self {
        let stride = PARAMS_BYTES.next_multiple_of(limits.min_uniform_buffer_offset_alignment as usize);
        let params_buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (stride * MAX_DISPATCHES) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Pending { commands: Vec::new(), params: Vec::new(), params_buffer, stride, staged_bytes: 0 }
    }

    /// Keeps the parameters of a dispatch and returns their offset in the buffer.
    fn keep_params(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.params.len();
        self.params.extend_from_slice(bytes);
        self.params.resize(offset + self.stride, 0);
        offset as u64
    }
}

impl Gpu {
    /// Records `kernel` over `workgroups` workgroups, with its variables bound by name.
    ///
    /// **Conventions**: workgroups are counted by one number, `group.y · groups.x + group.x` in the
    /// shader, since one dimension of a dispatch ends at 65535. There may be more of them than asked
    /// for, so the shader compares with a size of its own.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the kernel: for a variable that is not bound, a name that is no variable, or
    /// whatever the driver objects to.
    pub fn dispatch(
        &self,
        kernel: &'static Kernel,
        binds: &[(&str, Bind<'_>)],
        workgroups: usize,
    ) -> Result<()> {
        let pipeline = self.pipeline(kernel)?;
        let Some(size) = fold(workgroups, self.limits.max_compute_workgroups_per_dimension) else {
            return Err(refuse(kernel, format!("{workgroups} workgroups are more than the device allows")));
        };
        self.check_binds(kernel, &pipeline.bindings, binds)?;
        let mut pending = lock(&self.pending);
        if pending.params.len() == pending.stride * MAX_DISPATCHES {
            self.submit(&mut pending)?;
        }
        let group = self.bind_group(kernel, &pipeline, binds, &mut pending)?;
        pending.commands.push(Command::Dispatch { kernel, pipeline, group, size });
        self.counters.dispatches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// An error unless `binds` has exactly what the kernel declares.
    fn check_binds(&self, kernel: &Kernel, bindings: &[Binding], binds: &[(&str, Bind<'_>)]) -> Result<()> {
        let declared = |name: &str| bindings.iter().any(|binding| binding.name == name);
        if let Some((name, _)) = binds.iter().find(|(name, _)| !declared(name)) {
            return Err(refuse(kernel, format!("{name} is bound but not declared")));
        }
        let fits = |binding: &Binding| match (binding.kind, find(binds, &binding.name)) {
            (BindingKind::Uniform, Some(Bind::Uniform(bytes))) => {
                bytes.len() as u64 == binding.min_size && bytes.len() <= PARAMS_BYTES
            }
            (BindingKind::Read | BindingKind::ReadWrite, Some(Bind::Buffer(buffer))) => {
                std::ptr::eq(&**buffer.gpu(), self)
            }
            _ => false,
        };
        match bindings.iter().find(|binding| !fits(binding)) {
            None => Ok(()),
            Some(Binding { name, kind, min_size, .. }) => {
                let problem = format!("{name}, {kind:?} of at least {min_size} bytes, is not bound to such");
                Err(refuse(kernel, problem))
            }
        }
    }

    fn bind_group(
        &self,
        kernel: &Kernel,
        pipeline: &Pipeline,
        binds: &[(&str, Bind<'_>)],
        pending: &mut Pending,
    ) -> Result<wgpu::BindGroup> {
        let params_buffer = pending.params_buffer.clone();
        let entry = |binding: &Binding| {
            let (buffer, offset, size) = match find(binds, &binding.name)? {
                Bind::Uniform(bytes) => {
                    (&params_buffer, pending.keep_params(bytes), wgpu::BufferSize::new(binding.min_size))
                }
                Bind::Buffer(buffer) => (buffer.buffer(), 0, None),
            };
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
            Some(wgpu::BindGroupEntry { binding: binding.slot, resource })
        };
        let entries: Vec<_> = pipeline.bindings.iter().filter_map(entry).collect();
        self.checked(&format!("kernel {}", kernel.name), || {
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.name),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })
    }

    /// Records a copy between buffers.
    pub(super) fn record_copy(
        &self,
        from: &wgpu::Buffer,
        offset: u64,
        to: &wgpu::Buffer,
        size_bytes: u64,
    ) -> Result<()> {
        self.faults.surface()?;
        let command = Command::Copy { from: from.clone(), offset, to: to.clone(), size_bytes };
        lock(&self.pending).commands.push(command);
        Ok(())
    }

    /// Submits everything recorded: before a window draws from a tensor, or to start work early.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the kernels if the driver objects.
    pub fn flush(&self) -> Result<()> {
        self.submit(&mut lock(&self.pending))
    }

    pub(super) fn submit(&self, pending: &mut Pending) -> Result<()> {
        let commands = std::mem::take(&mut pending.commands);
        let params = std::mem::take(&mut pending.params);
        let staged_bytes = std::mem::take(&mut pending.staged_bytes);
        if commands.is_empty() && staged_bytes == 0 {
            return Ok(());
        }
        self.counters.submissions.fetch_add(1, Ordering::Relaxed);
        self.checked(&names(&commands), || {
            if !params.is_empty() {
                self.queue.write_buffer(&pending.params_buffer, 0, &params);
            }
            let label = Some("rankscope");
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            encode(&commands, &mut encoder);
            self.queue.submit([encoder.finish()]);
        })
    }
}

/// Consecutive dispatches share one pass; wgpu keeps their reads and writes in order.
fn encode(commands: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let is_dispatch = |command: &Command| matches!(command, Command::Dispatch { .. });
    for run in commands.chunk_by(|a, b| is_dispatch(a) && is_dispatch(b)) {
        if let [Command::Copy { from, offset, to, size_bytes }] = run {
            encoder.copy_buffer_to_buffer(from, *offset, to, 0, *size_bytes);
            continue;
        }
        let descriptor = wgpu::ComputePassDescriptor { label: Some("rankscope"), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for command in run {
            if let Command::Dispatch { kernel, pipeline, group, size: [x, y] } = command {
                pass.push_debug_group(kernel.name);
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(*x, *y, 1);
                pass.pop_debug_group();
            }
        }
    }
}

/// The recorded kernels, each once, for an error that the driver does not pin to one of them.
fn names(commands: &[Command]) -> String {
    let mut names = Vec::new();
    for command in commands {
        let name = match command {
            Command::Dispatch { kernel, .. } => kernel.name,
            Command::Copy { .. } => "copy",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    format!("submission of {}", names.join(", "))
}

fn find<'a>(binds: &[(&str, Bind<'a>)], name: &str) -> Option<Bind<'a>> {
    binds.iter().find(|(bound, _)| *bound == name).map(|(_, bind)| *bind)
}

fn refuse(kernel: &Kernel, problem: String) -> Error {
    Error::Gpu { what: format!("kernel {}", kernel.name), problem }
}

/// Columns and rows that hold at least `workgroups`, with as few to spare as there are rows.
fn fold(workgroups: usize, limit: u32) -> Option<[u32; 2]> {
    let rows = u32::try_from(workgroups.div_ceil(limit as usize)).ok().filter(|&rows| rows <= limit)?;
    let columns = workgroups.div_ceil(rows.max(1) as usize) as u32;
    Some([columns, rows])
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folds_only_beyond_one_dimension() {
        assert_eq!(fold(0, 65535), Some([0, 0]));
        assert_eq!(fold(65535, 65535), Some([65535, 1]));
        assert_eq!(fold(65536, 65535), Some([32768, 2]));
        assert_eq!(fold(7, 3), Some([3, 3]));
        assert_eq!(fold(9, 3), Some([3, 3]));
        assert_eq!(fold(10, 3), None);
    }
}
