//! One open GPU: buffers, kernels, and the work that waits to be submitted.
//!
//! Operations record dispatches; they are submitted together at a readback, when many have gathered,
//! or at [`Gpu::flush`]. Whatever the driver objects to comes back as [`Error::Gpu`] from the call at
//! fault or, where the driver speaks up later, from the next call; nothing panics.

mod buffer;
mod dispatch;
mod fault;
mod kernel;
mod readback;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use buffer::GpuBuffer;
pub use dispatch::Bind;
pub use kernel::{Binding, BindingKind, Kernel, ParamField, Reflection};

pub(crate) use kernel::params;

use crate::error::{Error, Result};
use dispatch::Pending;
use fault::Faults;
use kernel::Pipelines;

/// An open GPU, shared by everything that computes or draws with it.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    faults: Arc<Faults>,
    pipelines: Mutex<Pipelines>,
    pending: Mutex<Pending>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    dispatches: AtomicU64,
    submissions: AtomicU64,
    readbacks: AtomicU64,
}

/// What a [`Gpu`] has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Kernels recorded.
    pub dispatches: u64,
    /// Times that work was handed to the driver.
    pub submissions: u64,
    /// Buffers read back.
    pub readbacks: u64,
}

impl Gpu {
    /// Opens an adapter with all of its limits.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the adapter if the driver refuses.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Arc<Self>> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("rankscope"),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
            Error::Gpu { what: adapter.get_info().name, problem: fault::one_line(&error.to_string()) }
        })?;
        Ok(Self::from_wgpu(device, queue))
    }

    /// Computes on a device that is open already, such as a window's.
    ///
    /// Errors of the device that nobody catches, and its loss, are from here on returned by the next
    /// call to this `Gpu` in place of a panic.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Arc<Self> {
        let faults = Faults::watch(&device);
        let (info, limits) = (device.adapter_info(), device.limits());
        let pending = Mutex::new(Pending::new(&device, &limits));
        let (pipelines, counters) = (Mutex::default(), Counters::default());
        Arc::new(Gpu { device, queue, info, limits, faults, pipelines, pending, counters })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The adapter as its driver describes it.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// The limits this device was opened with.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// Whether a processor plays this GPU.
    pub fn is_software(&self) -> bool {
        super::adapter::is_software(&self.info)
    }

    /// The device, for a renderer.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue, for a renderer; [`flush`](Self::flush) before drawing what was computed.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Whether the device is lost: its driver has stopped, and only a new one helps.
    pub fn is_lost(&self) -> bool {
        self.faults.is_lost()
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            dispatches: get(&self.counters.dispatches),
            submissions: get(&self.counters.submissions),
            readbacks: get(&self.counters.readbacks),
        }
    }

    /// Waits until everything submitted has been computed.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device is lost.
    pub fn wait(&self) -> Result<()> {
        let outcome = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.faults.surface()?;
        outcome.map(drop).map_err(|error| self.error("waiting", error))
    }

    fn error(&self, what: &str, problem: impl fmt::Display) -> Error {
        Error::Gpu { what: what.to_owned(), problem: fault::one_line(&problem.to_string()) }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("name", &self.info.name).field("counts", &self.counts()).finish()
    }
}

/// Locks; what the locks here guard is consistent wherever a panic could start.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
