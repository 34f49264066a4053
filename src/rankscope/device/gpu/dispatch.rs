//! Recording kernels.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::kernel::{Binding, BindingKind, Pipeline};
use super::submit::{Command, PARAMS_BYTES, Pending};
use super::{Gpu, GpuBuffer, Kernel, lock};
use crate::error::Result;

/// The binding of a kernel's variable.
#[derive(Clone, Copy)]
pub enum Bind<'a> {
    /// Parameters.
    Uniform(&'a [u8]),
    /// A tensor, a weight or a mask.
    Buffer(&'a GpuBuffer),
    /// A range of bytes of a buffer that is larger than the largest binding.
    Part(&'a GpuBuffer, u64, u64),
}

impl<'a> Bind<'a> {
    /// Bytes `offset..offset + size` of `buffer` and the padding after them; the whole buffer if the range is the
    /// whole.
    pub(crate) fn rows(buffer: &'a GpuBuffer, offset: usize, size: usize) -> Self {
        if offset == 0 && size == buffer.size_bytes() {
            return Bind::Buffer(buffer);
        }
        Bind::Part(buffer, offset as u64, (size as u64).next_multiple_of(16))
    }
}

/// The uniform field of kernels that can be cut into several dispatches: the number of the first workgroup.
const FIRST_GROUP: &str = "first_group";

impl Gpu {
    /// Records `kernel` over `workgroups` workgroups, with its variables bound by name.
    ///
    /// **Conventions**: workgroups are counted by one number, `group.y · groups.x + group.x` in the
    /// shader, since one dimension of a dispatch ends at 65535. There may be more of them than asked
    /// for, so the shader compares with a size of its own.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) naming the kernel: for a variable that is not bound, a name that is no
    /// variable, or an error of the driver.
    pub fn dispatch(
        &self,
        kernel: &'static Kernel,
        binds: &[(&str, Bind<'_>)],
        workgroups: usize,
    ) -> Result<()> {
        // Four values for each of 64 invocations: the work of kernels that go element by element.
        self.dispatch_work(kernel, binds, workgroups, workgroups as u64 * 256)
    }

    /// As [`dispatch`](Self::dispatch), for a kernel that computes about `work` multiply-adds.
    ///
    /// A kernel with the parameter `first_group`, which it adds to its count of workgroups, is cut into
    /// several dispatches if it would take longer than one submission should.
    ///
    /// # Errors
    /// As [`dispatch`](Self::dispatch).
    pub fn dispatch_work(
        &self,
        kernel: &'static Kernel,
        binds: &[(&str, Bind<'_>)],
        workgroups: usize,
        work: u64,
    ) -> Result<()> {
        let pipeline = self.pipeline(kernel)?;
        if fold(workgroups, self.limits.max_compute_workgroups_per_dimension).is_none() {
            return Err(kernel.error(format!("{workgroups} workgroups are more than the device allows")));
        }
        self.check_binds(kernel, &pipeline.bindings, binds)?;
        let mut pending = lock(&self.pending);
        let slices = match kernel.params.iter().find(|field| field.name == FIRST_GROUP) {
            Some(_) => work.div_ceil(pending.clock.budget()).clamp(1, workgroups.max(1) as u64),
            None => 1,
        };
        let slice = workgroups.div_ceil(slices as usize).max(1);
        for first in (0..workgroups).step_by(slice) {
            let groups = first..(first + slice).min(workgroups);
            let share = (work as u128 * groups.len() as u128 / workgroups as u128) as u64;
            self.record(kernel, &pipeline, binds, groups, share, &mut pending)?;
        }
        Ok(())
    }

    /// Records some of a kernel's workgroups, and submits when enough is recorded.
    fn record(
        &self,
        kernel: &'static Kernel,
        pipeline: &Arc<Pipeline>,
        binds: &[(&str, Bind<'_>)],
        groups: Range<usize>,
        work: u64,
        pending: &mut Pending,
    ) -> Result<()> {
        if pending.is_full() {
            self.submit(pending)?;
        }
        let size = fold(groups.len(), self.limits.max_compute_workgroups_per_dimension);
        let size = size.expect("a part of what fits");
        let group = self.bind_group(kernel, pipeline, binds, &pending.params_buffer)?;
        let params = binds.iter().find_map(|(_, bind)| match bind {
            Bind::Uniform(bytes) => Some(with_first_group(kernel, bytes, groups.start as u32)),
            _ => None,
        });
        let params = params.map(|bytes| pending.keep_params(&bytes));
        let pipeline = pipeline.clone();
        pending.push(Command::Dispatch { kernel, pipeline, group, params, size }, work);
        self.counters.dispatches.fetch_add(1, Ordering::Relaxed);
        if pending.is_worth_submitting() { self.submit(pending) } else { Ok(()) }
    }

    /// An error unless `binds` has exactly the variables that the kernel declares.
    fn check_binds(&self, kernel: &Kernel, bindings: &[Binding], binds: &[(&str, Bind<'_>)]) -> Result<()> {
        for (_, bind) in binds {
            self.check_size_of_binding(kernel, bind)?;
        }
        let declared = |name: &str| bindings.iter().any(|binding| binding.name == name);
        if let Some((name, _)) = binds.iter().find(|(name, _)| !declared(name)) {
            return Err(kernel.error(format!("{name} is bound but not declared")));
        }
        let fits = |binding: &Binding| match (binding.kind, find(binds, &binding.name)) {
            (BindingKind::Uniform, Some(Bind::Uniform(bytes))) => {
                bytes.len() as u64 == binding.min_size && bytes.len() <= PARAMS_BYTES
            }
            (
                BindingKind::Read | BindingKind::ReadWrite,
                Some(Bind::Buffer(buffer) | Bind::Part(buffer, ..)),
            ) => std::ptr::eq(&**buffer.gpu(), self),
            _ => false,
        };
        match bindings.iter().find(|binding| !fits(binding)) {
            None => Ok(()),
            Some(Binding { name, kind, min_size, .. }) => {
                let problem = format!("{name}, {kind:?} of at least {min_size} bytes, is not bound to such");
                Err(kernel.error(problem))
            }
        }
    }

    /// An error that names the tensor if the kernel cannot bind all of it.
    fn check_size_of_binding(&self, kernel: &Kernel, bind: &Bind<'_>) -> Result<()> {
        let limit = self.limits.max_storage_buffer_binding_size;
        match bind {
            Bind::Buffer(buffer) if buffer.raw().size() > limit => {
                let (name, size) = (buffer.label(), buffer.size_bytes());
                let limit = format!("{}'s max_storage_buffer_binding_size, {limit}", self.name());
                Err(kernel.error(format!("{name}: {size} bytes are more than {limit}")))
            }
            _ => Ok(()),
        }
    }
}

/// The parameters, with the number of the first workgroup if the kernel has this parameter.
fn with_first_group(kernel: &Kernel, params: &[u8], first_group: u32) -> Vec<u8> {
    let mut params = params.to_vec();
    if let Some(field) = kernel.params.iter().find(|field| field.name == FIRST_GROUP) {
        params[field.offset..field.offset + 4].copy_from_slice(&first_group.to_ne_bytes());
    }
    params
}

pub(super) fn find<'a>(binds: &[(&str, Bind<'a>)], name: &str) -> Option<Bind<'a>> {
    binds.iter().find(|(bound, _)| *bound == name).map(|(_, bind)| *bind)
}

/// Columns and rows that hold at least `workgroups`, with fewer spare workgroups than there are rows.
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
