//! Buffers: the GPU side of tensors and weights.

use std::ops::Range;
use std::sync::Arc;

use super::{Gpu, lock};
use crate::error::{Error, Result};

/// Buffers are padded to this many bytes, so that a kernel may view any of them as `array<vec4<f32>>`.
const ALIGNMENT: u64 = 16;

/// Uploads are staged by the driver until the next submission; this many bytes bring one about.
const MAX_STAGED_BYTES: u64 = 64 << 20;

/// A storage buffer of a [`Gpu`]. Clones share it.
///
/// The buffer is padded to a multiple of 16 bytes and has at least 16, since GPUs know no empty buffers.
#[derive(Clone, Debug)]
pub struct GpuBuffer {
    gpu: Arc<Gpu>,
    buffer: wgpu::Buffer,
    size_bytes: usize,
}

impl GpuBuffer {
    /// The GPU it is on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// The buffer itself, for a renderer that draws it without readback.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// The size of the data, without padding.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// A copy of the f32 values at `range`, on the GPU.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the range does not lie inside or there is no memory.
    pub fn copy_f32(&self, range: Range<usize>) -> Result<GpuBuffer> {
        let (start, end) = (range.start * 4, range.end * 4);
        if start > end || end > self.size_bytes {
            let problem = format!("values {range:?} of a buffer of {} bytes", self.size_bytes);
            return Err(Error::Gpu { what: "copy".to_owned(), problem });
        }
        let copy = self.gpu.alloc("copy", end - start)?;
        if end > start {
            self.gpu.record_copy(&self.buffer, start as u64, &copy.buffer, (end - start) as u64)?;
        }
        Ok(copy)
    }
}

impl Gpu {
    /// A buffer that holds `bytes`.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming `label` if it is larger than the device allows or than its memory.
    pub fn upload(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        let buffer = self.create(label, bytes.len(), !bytes.is_empty())?;
        if bytes.is_empty() {
            return Ok(buffer);
        }
        self.checked(label, || {
            let view = buffer.buffer.get_mapped_range_mut(..);
            view.map(|mut view| view.slice(..bytes.len()).copy_from_slice(bytes))
        })?
        .map_err(|error| self.error(label, error))?;
        self.checked(label, || buffer.buffer.unmap())?;
        let mut pending = lock(&self.pending);
        pending.staged_bytes += bytes.len() as u64;
        if pending.staged_bytes > MAX_STAGED_BYTES {
            self.submit(&mut pending)?;
        }
        Ok(buffer)
    }

    /// A buffer of zeros.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming `label` if it is larger than the device allows or than its memory.
    pub fn alloc(self: &Arc<Self>, label: &str, size_bytes: usize) -> Result<GpuBuffer> {
        self.create(label, size_bytes, false)
    }

    fn create(self: &Arc<Self>, label: &str, size_bytes: usize, mapped: bool) -> Result<GpuBuffer> {
        self.check_size(label, size_bytes)?;
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: padded(size_bytes),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: mapped,
        };
        let buffer = self.checked(label, || self.device.create_buffer(&descriptor))?;
        Ok(GpuBuffer { gpu: self.clone(), buffer, size_bytes })
    }

    fn check_size(&self, label: &str, size_bytes: usize) -> Result<()> {
        let limits = [
            ("max_buffer_size", self.limits.max_buffer_size),
            ("max_storage_buffer_binding_size", self.limits.max_storage_buffer_binding_size),
        ];
        // A size near the limit must not overflow when it is padded.
        let size = (size_bytes as u64).checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX);
        match limits.iter().find(|&&(_, limit)| size > limit) {
            None => Ok(()),
            Some((name, limit)) => {
                let problem = format!("{size_bytes} bytes are more than {}'s {name}, {limit}", self.name());
                Err(Error::Gpu { what: label.to_owned(), problem })
            }
        }
    }
}

fn padded(size_bytes: usize) -> u64 {
    (size_bytes as u64).next_multiple_of(ALIGNMENT).max(ALIGNMENT)
}
