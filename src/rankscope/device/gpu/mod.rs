//! One open GPU: buffers, kernels, and the work that waits to be submitted.
//!
//! Operations record dispatches; they are submitted together at a readback, when there are many, or at [`Gpu::flush`].
//! Every error of the driver becomes an [`Error::Gpu`] of the call that caused it or, if the driver reports it later,
//! of the next call; nothing panics.

mod buffer;
mod clock;
mod dispatch;
mod fault;
mod groups;
mod kernel;
mod pool;
mod readback;
mod source;
mod submit;

use std::fmt;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use buffer::GpuBuffer;
pub use clock::Timing;
pub use dispatch::Bind;
pub use kernel::{Binding, BindingKind, Kernel, ParamField, Reflection};
pub use source::SourceProblem;

pub(crate) use kernel::params;

use crate::error::{Error, Result};
use buffer::Constants;
use clock::Clock;
use fault::Faults;
use groups::Groups;
use kernel::Pipelines;
use pool::Pool;
use submit::Pending;

/// An open GPU, shared by everything that computes or draws with it.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    faults: Arc<Faults>,
    pipelines: Mutex<Pipelines>,
    pending: Mutex<Pending>,
    pool: Mutex<Pool>,
    groups: Mutex<Groups>,
    constants: Mutex<Constants>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    dispatches: AtomicU64,
    submissions: AtomicU64,
    readbacks: AtomicU64,
    bind_groups: AtomicU64,
    uploaded_bytes: AtomicU64,
    read_bytes: AtomicU64,
    live_bytes: AtomicU64,
    peak_bytes: AtomicU64,
}

/// The work that a [`Gpu`] has done so far; the difference of two counts is the work between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Kernels recorded.
    pub dispatches: u64,
    /// Submissions of work to the driver.
    pub submissions: u64,
    /// Buffers read back.
    pub readbacks: u64,
    /// Bind groups made. The same kernel on the same buffers reuses its bind group.
    pub bind_groups: u64,
    /// Bytes copied to the GPU, without the parameters of kernels.
    pub uploaded_bytes: u64,
    /// Bytes copied back from the GPU.
    pub read_bytes: u64,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Counts {
            dispatches: self.dispatches - earlier.dispatches,
            submissions: self.submissions - earlier.submissions,
            readbacks: self.readbacks - earlier.readbacks,
            bind_groups: self.bind_groups - earlier.bind_groups,
            uploaded_bytes: self.uploaded_bytes - earlier.uploaded_bytes,
            read_bytes: self.read_bytes - earlier.read_bytes,
        }
    }
}

/// The memory of a [`Gpu`]'s buffers, including padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of the buffers in use.
    pub live_bytes: u64,
    /// The most bytes that were in use at once, since the start or since [`Gpu::reset_peak`].
    pub peak_bytes: u64,
    /// Bytes of freed buffers that are kept for the next ones.
    pub idle_bytes: u64,
}

impl Gpu {
    /// The features that a device should be opened with if the adapter has them: subgroups in kernels, and timestamps.
    pub const FEATURES: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::TIMESTAMP_QUERY);

    /// Opens an adapter with all of its limits and those of [`FEATURES`](Self::FEATURES) that it has.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the adapter if the driver refuses.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Arc<Self>> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("rankscope"),
            required_limits: adapter.limits(),
            required_features: adapter.features() & Self::FEATURES,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
            Error::Gpu { what: adapter.get_info().name, problem: fault::one_line(&error.to_string()) }
        })?;
        Ok(Self::new(device, queue, clock::ALONE))
    }

    /// Computes on a device that a window draws with: submissions are short, so that frames get in between.
    ///
    /// From now on, uncaught errors of the device and its loss are returned by the next call to this `Gpu` instead of
    /// causing a panic. Make only one `Gpu` for a device: a second one would receive the errors of both.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Arc<Self> {
        Self::new(device, queue, clock::SHARED)
    }

    fn new(device: wgpu::Device, queue: wgpu::Queue, slice: Duration) -> Arc<Self> {
        let faults = Faults::watch(&device);
        let (info, limits) = (device.adapter_info(), device.limits());
        let is_software = super::adapter::is_software(&info);
        let clock = Clock::new(&device, &queue, is_software, slice);
        let pending = Pending::new(&device, &limits, clock);
        Arc::new(Gpu {
            device,
            queue,
            info,
            limits,
            faults,
            pipelines: Mutex::default(),
            pending: Mutex::new(pending),
            pool: Mutex::default(),
            groups: Mutex::default(),
            constants: Mutex::default(),
            counters: Counters::default(),
        })
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

    /// The optional features that this device was opened with.
    pub fn features(&self) -> wgpu::Features {
        self.device.features()
    }

    /// Whether this GPU is a software adapter, which computes on the CPU.
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

    /// Whether the device is lost: its driver has stopped, and a new device must be opened.
    pub fn is_lost(&self) -> bool {
        self.faults.is_lost()
    }

    /// Closes the device: every later call is an error, and choosing a device again opens a new one.
    pub fn destroy(&self) {
        self.faults.lose("it was destroyed");
        self.forget_idle();
        self.device.destroy();
    }

    /// The memory of the buffers.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse {
            live_bytes: self.counters.live_bytes.load(Ordering::Relaxed),
            peak_bytes: self.counters.peak_bytes.load(Ordering::Relaxed),
            idle_bytes: lock(&self.pool).bytes(),
        }
    }

    /// Resets the peak to what is in use now.
    pub fn reset_peak(&self) {
        let live = self.counters.live_bytes.load(Ordering::Relaxed);
        self.counters.peak_bytes.store(live, Ordering::Relaxed);
    }

    /// The counts of the work so far.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            dispatches: get(&self.counters.dispatches),
            submissions: get(&self.counters.submissions),
            readbacks: get(&self.counters.readbacks),
            bind_groups: get(&self.counters.bind_groups),
            uploaded_bytes: get(&self.counters.uploaded_bytes),
            read_bytes: get(&self.counters.read_bytes),
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
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("name", &self.info.name).field("counts", &self.counts()).finish()
    }
}

/// Locks a mutex, also after a panic: the data under the locks here is consistent at every place that could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
