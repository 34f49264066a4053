//! Bind groups, which are reused: a pass over a model binds the same buffers as the pass before it, as long as the pool
//! returns them in the same order.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::dispatch::{Bind, find};
use super::kernel::{Binding, Pipeline, SourceKey};
use super::{Gpu, Kernel, lock};
use crate::error::Result;

/// The most groups that are kept: enough for several passes over the largest models. When there are more, all are
/// dropped and made again.
const MOST: usize = 4096;

/// The bind groups of kernels on buffers.
#[derive(Default)]
pub(super) struct Groups(HashMap<(SourceKey, Vec<Bound>), wgpu::BindGroup>);

/// The binding of one variable of a kernel: a buffer, an offset and, if it does not reach to the end, a size.
type Bound = (wgpu::Buffer, u64, Option<wgpu::BufferSize>);

impl Groups {
    /// Drops every group that holds this buffer, so that its memory can be freed.
    pub(super) fn forget(&mut self, buffer: &wgpu::Buffer) {
        self.0.retain(|(_, bound), _| bound.iter().all(|(held, ..)| held != buffer));
    }

    /// Drops all groups.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Gpu {
    /// The bind group of a kernel with these bindings; its parameters are in `params`, at an offset that the dispatch
    /// states.
    pub(super) fn bind_group(
        &self,
        kernel: &'static Kernel,
        pipeline: &Pipeline,
        binds: &[(&str, Bind<'_>)],
        params: &wgpu::Buffer,
    ) -> Result<wgpu::BindGroup> {
        let bound = |binding: &Binding| {
            Some(match find(binds, &binding.name)? {
                Bind::Uniform(_) => (params.clone(), 0, wgpu::BufferSize::new(binding.min_size)),
                Bind::Buffer(buffer) => (buffer.raw().clone(), 0, None),
                Bind::Part(buffer, offset, size) => {
                    (buffer.raw().clone(), offset, wgpu::BufferSize::new(size))
                }
            })
        };
        let key = (kernel.key(), pipeline.bindings.iter().filter_map(bound).collect::<Vec<_>>());
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.0.get(&key) {
            return Ok(group.clone());
        }
        let entries = pipeline.bindings.iter().zip(&key.1).map(|(binding, &(ref buffer, offset, size))| {
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
            wgpu::BindGroupEntry { binding: binding.slot, resource }
        });
        let entries: Vec<_> = entries.collect();
        let group = self.checked(format_args!("kernel {}", kernel.name), || {
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.name),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })?;
        self.counters.bind_groups.fetch_add(1, Ordering::Relaxed);
        if groups.0.len() >= MOST {
            groups.clear();
        }
        groups.0.insert(key, group.clone());
        Ok(group)
    }
}
