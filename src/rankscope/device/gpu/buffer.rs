//! Buffers: the GPU side of tensors and weights.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Gpu, lock, pool};
use crate::error::{Error, Result};

/// Buffers are padded to this many bytes, so that a kernel may view any of them as `array<vec4<f32>>`.
const ALIGNMENT: u64 = 16;

/// Uploads are staged by the driver until the next submission; this many bytes bring one about.
const MAX_STAGED_BYTES: u64 = 64 << 20;

/// A storage buffer of a [`Gpu`]. Clones share it; when the last one goes, its memory is used again.
///
/// The buffer is padded to a multiple of 16 bytes and has at least 16, since GPUs know no empty buffers.
#[derive(Clone, Debug)]
pub struct GpuBuffer {
    storage: Arc<Storage>,
    size_bytes: usize,
}

/// The memory of a buffer, given back when it is dropped.
#[derive(Debug)]
struct Storage {
    gpu: Arc<Gpu>,
    label: Box<str>,
    buffer: wgpu::Buffer,
    /// Whether somebody outside holds the buffer too, so that it must not be written again.
    is_shown: AtomicBool,
    /// Whether its size is one that others ask for: not that of an upload.
    is_of_a_class: bool,
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.gpu.counters.live_bytes.fetch_sub(self.buffer.size(), Ordering::Relaxed);
        if self.is_of_a_class && !self.is_shown.load(Ordering::Relaxed) {
            lock(&self.gpu.pool).put(self.buffer.clone());
        }
    }
}

impl GpuBuffer {
    /// The GPU it is on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.storage.gpu
    }

    /// What it was called when it was made.
    pub fn label(&self) -> &str {
        &self.storage.label
    }

    /// The buffer itself, for a renderer that draws it without readback.
    pub fn buffer(&self) -> &wgpu::Buffer {
        self.storage.is_shown.store(true, Ordering::Relaxed);
        &self.storage.buffer
    }

    /// The buffer, for the length of a borrow.
    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.storage.buffer
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
        let copy = self.gpu().alloc("copy", end - start)?;
        if end > start {
            self.gpu().record_copy(self.raw(), start as u64, copy.raw(), (end - start) as u64)?;
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
        self.check_size(label, bytes.len(), true)?;
        self.fill(label, bytes)
    }

    /// As [`upload`](Self::upload), for what kernels see in parts: it may be larger than one binding.
    pub(crate) fn upload_in_parts(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        self.check_size(label, bytes.len(), false)?;
        self.fill(label, bytes)
    }

    fn fill(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        if bytes.is_empty() {
            return self.alloc(label, 0);
        }
        // Always a new buffer: its content is there before everything recorded so far, which may still
        // read what a used one held.
        let buffer = self.create(label, padded(bytes.len()), true)?;
        self.checked(label, || {
            let view = buffer.get_mapped_range_mut(..);
            view.map(|mut view| view.slice(..bytes.len()).copy_from_slice(bytes))
        })?
        .map_err(|error| self.error(label, error))?;
        self.checked(label, || buffer.unmap())?;
        let mut pending = lock(&self.pending);
        pending.staged_bytes += bytes.len() as u64;
        if pending.staged_bytes > MAX_STAGED_BYTES {
            self.submit(&mut pending)?;
        }
        Ok(self.own(label, buffer, bytes.len(), false))
    }

    /// A buffer to be written; what it holds before is unspecified.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming `label` if it is larger than the device allows or than its memory.
    pub fn alloc(self: &Arc<Self>, label: &str, size_bytes: usize) -> Result<GpuBuffer> {
        self.check_size(label, size_bytes, true)?;
        self.faults.surface()?;
        let class = pool::class(padded(size_bytes), ALIGNMENT);
        let fits = class <= self.limits.max_buffer_size.min(self.limits.max_storage_buffer_binding_size);
        let size = if fits { class } else { padded(size_bytes) };
        let used = lock(&self.pool).take(size);
        let buffer = match used {
            Some(buffer) => buffer,
            None => self.create(label, size, false)?,
        };
        Ok(self.own(label, buffer, size_bytes, true))
    }

    fn own(
        self: &Arc<Self>,
        label: &str,
        buffer: wgpu::Buffer,
        size_bytes: usize,
        is_of_a_class: bool,
    ) -> GpuBuffer {
        let live = self.counters.live_bytes.fetch_add(buffer.size(), Ordering::Relaxed) + buffer.size();
        self.counters.peak_bytes.fetch_max(live, Ordering::Relaxed);
        let is_shown = AtomicBool::new(false);
        let storage = Storage { gpu: self.clone(), label: label.into(), buffer, is_shown, is_of_a_class };
        GpuBuffer { storage: Arc::new(storage), size_bytes }
    }

    /// Asks the driver, a second time without idle buffers if it has no memory left.
    fn create(&self, label: &str, size: u64, mapped_at_creation: bool) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usage;
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation };
        let ask = || self.checked(label, || self.device.create_buffer(&descriptor));
        ask().or_else(|error| {
            if !lock(&self.pool).clear() {
                return Err(error);
            }
            // Work that is recorded or under way still holds the idle buffers.
            self.flush()?;
            self.wait()?;
            ask()
        })
    }

    fn check_size(&self, label: &str, size_bytes: usize, one_binding: bool) -> Result<()> {
        let limits = [
            ("max_buffer_size", self.limits.max_buffer_size),
            ("max_storage_buffer_binding_size", self.limits.max_storage_buffer_binding_size),
        ];
        let limits = if one_binding { &limits[..] } else { &limits[..1] };
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
