//! Where numbers are stored and computed: [`Device::Cpu`] or [`Device::Gpu`].
//!
//! [`Device::best`] takes a hardware GPU if there is one and otherwise the CPU. A *software* adapter
//! (lavapipe, llvmpipe, SwiftShader, WARP) is far slower than BLAS, so it is used only when asked for
//! by name, with `RANKSCOPE_DEVICE=gpu`.

mod adapter;
mod choice;
pub mod gpu;

use std::fmt;
use std::sync::Arc;

pub use adapter::{Adapter, AdapterFeatures, AdapterKind, AdapterLimits};
pub use choice::{Choice, DevicePlan, DeviceRequest, adapters};
pub use gpu::Gpu;

use crate::error::Result;

/// Prevents a message of Mesa's device selection on stderr, `error:` and that there is no window system.
///
/// # Safety
/// This sets an environment variable, which no other thread may read at the same time: call it at the beginning of
/// `main`, before any thread is started.
pub unsafe fn quieten_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the caller promises that no other thread reads the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// A device that computes: the processor through ndarray and BLAS, or a GPU through wgpu.
#[derive(Clone)]
pub enum Device {
    /// ndarray and BLAS.
    Cpu,
    /// wgpu compute shaders.
    Gpu(Arc<Gpu>),
}

impl Device {
    /// The device that `RANKSCOPE_DEVICE` (`cpu`, `gpu` or `auto`) names; unset means `auto`.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for any other value;
    /// [`Error::NoAdapter`](crate::Error::NoAdapter) if a GPU is requested and there is none.
    pub fn best() -> Result<Self> {
        Self::choose(DeviceRequest::from_env()?).map(|choice| choice.device)
    }

    /// The device for `request`, and why it was chosen.
    ///
    /// # Errors
    /// [`Error::NoAdapter`](crate::Error::NoAdapter) if a GPU is requested and there is none.
    pub fn choose(request: DeviceRequest) -> Result<Choice> {
        choice::choose(request)
    }

    /// Whether this is a GPU.
    pub fn is_gpu(&self) -> bool {
        matches!(self, Device::Gpu(_))
    }
}

impl PartialEq for Device {
    /// Two GPU devices are equal if they are the same open device.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Device::Cpu, Device::Cpu) => true,
            (Device::Gpu(a), Device::Gpu(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::Gpu(gpu) => write!(f, "gpu ({})", gpu.name()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
