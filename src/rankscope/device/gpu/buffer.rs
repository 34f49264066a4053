//! Buffers: the GPU side of tensors and weights.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Counters, Gpu, lock, pool};
use crate::error::{Error, Result};

/// Buffers are padded to this many bytes, so that a kernel may view any of them as `array<vec4<f32>>`.
const ALIGNMENT: u64 = 16;

/// The driver keeps uploads in memory until the next submission; after this many bytes, work is submitted.
const MAX_STAGED_BYTES: u64 = 64 << 20;

/// The number of constants that are kept: a pass has a mask, a padding and tiles for each kind of its attentions.
const MAX_CONSTANTS: usize = 16;

/// The largest constant that is kept; larger ones are uploaded each time.
const MAX_CONSTANT_BYTES: usize = 8 << 20;

/// A storage buffer of a [`Gpu`]. Clones share it; when the last one is dropped, its memory is reused.
///
/// The buffer is padded to a multiple of 16 bytes and has at least 16, since a GPU buffer cannot be empty.
#[derive(Clone, Debug)]
pub struct GpuBuffer {
    storage: Arc<Storage>,
    size_bytes: usize,
}

/// The memory of a buffer, released when it is dropped.
#[derive(Debug)]
struct Storage {
    gpu: Arc<Gpu>,
    label: Box<str>,
    buffer: wgpu::Buffer,
    /// Whether a renderer uses the buffer too, so that it must not be reused.
    is_shown: AtomicBool,
    owner: Owner,
}

/// The owner of the memory, which determines what happens when the last [`GpuBuffer`] is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It is freed: it has the size of one upload, which is unlikely to occur again.
    Tensor,
    /// It returns to the pool: its size is likely to be needed again.
    Pool,
    /// Nothing happens: it is one of the constants.
    Constants,
}

impl Drop for Storage {
    fn drop(&mut self) {
        let Storage { gpu, buffer, owner, .. } = self;
        match owner {
            Owner::Constants => {}
            Owner::Pool if !self.is_shown.load(Ordering::Relaxed) => {
                let Counters { live_bytes, peak_bytes, .. } = &gpu.counters;
                let live = live_bytes.fetch_sub(buffer.size(), Ordering::Relaxed) - buffer.size();
                let peak = peak_bytes.load(Ordering::Relaxed);
                let dropped = lock(&gpu.pool).put(buffer.clone(), live, peak);
                dropped.iter().for_each(|buffer| lock(&gpu.groups).forget(buffer));
            }
            _ => gpu.release(buffer),
        }
    }
}

/// Contents that were uploaded as constants, and their buffers, the last used one first.
#[derive(Default)]
pub(super) struct Constants(VecDeque<(Box<[u8]>, wgpu::Buffer)>);

impl GpuBuffer {
    /// The GPU it is on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.storage.gpu
    }

    /// Its name in errors, given when it was made.
    pub fn label(&self) -> &str {
        &self.storage.label
    }

    /// The buffer itself, for a renderer that draws it without readback.
    pub fn buffer(&self) -> &wgpu::Buffer {
        self.storage.is_shown.store(true, Ordering::Relaxed);
        &self.storage.buffer
    }

    /// The buffer, for use inside this crate.
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

    /// As [`upload`](Self::upload), for a tensor that kernels bind in parts, so it may be larger than one binding.
    pub(crate) fn upload_in_parts(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        self.check_size(label, bytes.len(), false)?;
        self.fill(label, bytes)
    }

    /// As [`upload`](Self::upload), for content that every layer of a pass needs again, such as the bits of a mask. Equal
    /// bytes are uploaded once; the last [`MAX_CONSTANTS`] are kept.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub(crate) fn constant(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        if bytes.is_empty() || bytes.len() > MAX_CONSTANT_BYTES {
            return self.upload(label, bytes);
        }
        let kept = {
            let constants = &mut lock(&self.constants);
            let index = constants.0.iter().position(|(content, _)| **content == *bytes);
            index.and_then(|index| constants.0.remove(index))
        };
        let (content, buffer) = match kept {
            Some(constant) => constant,
            None => {
                self.check_size(label, bytes.len(), true)?;
                let buffer = self.filled(label, bytes)?;
                self.count_live(&buffer);
                (bytes.into(), buffer)
            }
        };
        let mut constants = lock(&self.constants);
        constants.0.push_front((content, buffer.clone()));
        if constants.0.len() > MAX_CONSTANTS
            && let Some((_, buffer)) = constants.0.pop_back()
        {
            self.release(&buffer);
        }
        Ok(self.storage(label, buffer, bytes.len(), Owner::Constants))
    }

    fn fill(self: &Arc<Self>, label: &str, bytes: &[u8]) -> Result<GpuBuffer> {
        if bytes.is_empty() {
            return self.alloc(label, 0);
        }
        let buffer = self.filled(label, bytes)?;
        self.count_live(&buffer);
        Ok(self.storage(label, buffer, bytes.len(), Owner::Tensor))
    }

    /// A new buffer with this content.
    fn filled(&self, label: &str, bytes: &[u8]) -> Result<wgpu::Buffer> {
        // Always a new buffer: its content is written before all recorded work runs, and that work may still read the
        // old content of a reused buffer.
        let buffer = self.create(label, padded(bytes.len()), true)?;
        self.checked(label, || {
            let view = buffer.get_mapped_range_mut(..);
            view.map(|mut view| view.slice(..bytes.len()).copy_from_slice(bytes)).map(|()| buffer.unmap())
        })?
        .map_err(|error| self.error(label, error))?;
        self.counters.uploaded_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut pending = lock(&self.pending);
        pending.staged_bytes += bytes.len() as u64;
        if pending.staged_bytes > MAX_STAGED_BYTES {
            self.submit(&mut pending)?;
        }
        Ok(buffer)
    }

    /// A buffer with unspecified content.
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
        self.count_live(&buffer);
        Ok(self.storage(label, buffer, size_bytes, Owner::Pool))
    }

    fn storage(
        self: &Arc<Self>,
        label: &str,
        buffer: wgpu::Buffer,
        size_bytes: usize,
        owner: Owner,
    ) -> GpuBuffer {
        let is_shown = AtomicBool::new(false);
        let storage = Storage { gpu: self.clone(), label: label.into(), buffer, is_shown, owner };
        GpuBuffer { storage: Arc::new(storage), size_bytes }
    }

    fn count_live(&self, buffer: &wgpu::Buffer) {
        let Counters { live_bytes, peak_bytes, .. } = &self.counters;
        let live = live_bytes.fetch_add(buffer.size(), Ordering::Relaxed) + buffer.size();
        peak_bytes.fetch_max(live, Ordering::Relaxed);
    }

    /// Lets the driver free a buffer as soon as no work needs it.
    fn release(&self, buffer: &wgpu::Buffer) {
        self.counters.live_bytes.fetch_sub(buffer.size(), Ordering::Relaxed);
        lock(&self.groups).forget(buffer);
    }

    /// Drops everything that is kept for reuse, and returns whether there was any buffer.
    pub(super) fn forget_idle(&self) -> bool {
        let constants = std::mem::take(&mut lock(&self.constants).0);
        constants.iter().for_each(|(_, buffer)| self.release(buffer));
        lock(&self.groups).clear();
        lock(&self.pool).clear() || !constants.is_empty()
    }

    /// Asks the driver for a buffer. If it has no memory left, asks again after dropping everything that is kept for
    /// reuse.
    fn create(&self, label: &str, size: u64, mapped_at_creation: bool) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usage;
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation };
        let ask = || self.checked(label, || self.device.create_buffer(&descriptor));
        ask().or_else(|error| {
            if !self.forget_idle() {
                return Err(error);
            }
            // Recorded or running work still holds the idle buffers.
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
