//! Reading buffers back: an asynchronous function, and a blocking one that uses it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::submit::Stamped;
use super::{Gpu, GpuBuffer, lock};
use crate::error::{Error, Result};

impl GpuBuffer {
    /// The first `count` f32 values; waits for everything recorded so far.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the buffer is shorter, or if the recorded work or the readback fails.
    pub fn read_f32(&self, count: usize) -> Result<Vec<f32>> {
        let mut reading = pin!(self.read_f32_async(count));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match reading.as_mut().poll(&mut context) {
                Poll::Ready(values) => return values,
                Poll::Pending => self.gpu().wait()?,
            }
        }
    }

    /// The first `count` f32 values, for callers that must not block.
    ///
    /// The recorded work is submitted when the future is first polled. The device has to be polled for
    /// the future to complete, by [`Gpu::wait`] or by a window's frames.
    ///
    /// # Errors
    /// As [`read_f32`](Self::read_f32).
    pub async fn read_f32_async(&self, count: usize) -> Result<Vec<f32>> {
        if count > self.size_bytes() / 4 {
            let problem = format!("{count} values of a buffer of {} bytes", self.size_bytes());
            return Err(Error::Gpu { what: "readback".to_owned(), problem });
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let gpu = self.gpu();
        let size_bytes = count as u64 * 4;
        let (staging, stamped) = gpu.stage(self, size_bytes)?;
        let mapped = Mapped::default();
        let done = mapped.clone();
        gpu.checked("readback", || {
            staging.map_async(wgpu::MapMode::Read, .., move |outcome| done.complete(outcome));
        })?;
        mapped.await.map_err(|error| gpu.error("readback", error))?;
        let view = staging.get_mapped_range(..).map_err(|error| gpu.error("readback", error))?;
        if stamped.is_timed {
            let stamp = &view[size_bytes.next_multiple_of(8) as usize..];
            lock(&gpu.pending).clock.learn(stamped.work, stamp);
        }
        let mut values = vec![0.0; count];
        bytemuck::cast_slice_mut(&mut values).copy_from_slice(&view[..size_bytes as usize]);
        Ok(values)
    }
}

impl Gpu {
    /// Submits everything recorded, and then a copy of `source` to a buffer that can be mapped.
    fn stage(&self, source: &GpuBuffer, size_bytes: u64) -> Result<(wgpu::Buffer, Stamped)> {
        let staging = self.staging(size_bytes)?;
        self.record_copy(source.raw(), 0, &staging, size_bytes)?;
        let stamp = (&staging, size_bytes.next_multiple_of(8));
        let stamped = self.submit_stamped(&mut lock(&self.pending), Some(stamp))?;
        self.counters.readbacks.fetch_add(1, Ordering::Relaxed);
        self.counters.read_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        Ok((staging, stamped))
    }
}

type Outcome = Result<(), wgpu::BufferAsyncError>;

/// A future that the driver's callback completes.
#[derive(Clone, Default)]
struct Mapped(Arc<Mutex<(Option<Outcome>, Option<Waker>)>>);

impl Mapped {
    fn complete(&self, outcome: Outcome) {
        let mut state = lock(&self.0);
        state.0 = Some(outcome);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl Future for Mapped {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = lock(&self.0);
        match state.0.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
