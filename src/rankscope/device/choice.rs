//! Chooses the device, with a reason.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;

use super::adapter::Adapter;
use super::{Device, Gpu};
use crate::error::{Error, Result};

/// The device that the caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// A hardware GPU if there is one, otherwise the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, a software one if there is no other.
    Gpu,
}

impl DeviceRequest {
    /// All requests.
    pub const ALL: [DeviceRequest; 3] = [DeviceRequest::Auto, DeviceRequest::Cpu, DeviceRequest::Gpu];

    /// The request in `RANKSCOPE_DEVICE`; unset or empty means `auto`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value other than `cpu`, `gpu` and `auto`.
    pub fn from_env() -> Result<Self> {
        let value = std::env::var_os("RANKSCOPE_DEVICE").unwrap_or_default();
        Self::parse("RANKSCOPE_DEVICE", &value.to_string_lossy())
    }

    fn parse(what: &str, text: &str) -> Result<Self> {
        match text {
            "" | "auto" => Ok(DeviceRequest::Auto),
            "cpu" => Ok(DeviceRequest::Cpu),
            "gpu" => Ok(DeviceRequest::Gpu),
            _ => Err(Error::invalid(what, format!("{text:?}"), "cpu, gpu or auto")),
        }
    }
}

impl FromStr for DeviceRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse("device", text)
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceRequest::Auto => "auto",
            DeviceRequest::Cpu => "cpu",
            DeviceRequest::Gpu => "gpu",
        })
    }
}

/// A device and why it was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The device.
    pub device: Device,
    /// The reason, as a sentence without its full stop.
    pub why: String,
}

/// Which device a request would use, without opening it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DevicePlan {
    /// The request.
    pub request: DeviceRequest,
    /// The adapter's index in [`adapters`]; `None` is the CPU.
    pub adapter: Option<usize>,
    /// The reason, as a sentence without its full stop.
    pub why: String,
}

/// All graphics adapters, in the drivers' order.
///
/// This opens every driver, software ones included: about 0.1 s and 100 MB where lavapipe is installed.
pub fn adapters() -> Vec<Adapter> {
    find_adapters().iter().map(Adapter::describe).collect()
}

impl DevicePlan {
    /// Which device `request` would use and why, given what is in [`adapters`].
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if a GPU is requested and there is none.
    pub fn new(request: DeviceRequest, adapters: &[Adapter]) -> Result<Self> {
        plan(request, has_device_node(Path::new("/dev")), || adapters.to_vec())
    }
}

pub(super) fn choose(request: DeviceRequest) -> Result<Choice> {
    let DevicePlan { adapter, why, .. } = plan(request, has_device_node(Path::new("/dev")), adapters)?;
    let device = match adapter {
        None => Device::Cpu,
        Some(index) => Device::Gpu(open(&find_adapters()[index])?),
    };
    Ok(Choice { device, why })
}

/// The rule of the choice. `adapters` is called only if the answer depends on it, because opening the drivers is slow.
fn plan(
    request: DeviceRequest,
    has_node: bool,
    adapters: impl FnOnce() -> Vec<Adapter>,
) -> Result<DevicePlan> {
    let on_cpu = |why: &str| Ok(DevicePlan { request, adapter: None, why: why.to_owned() });
    match request {
        DeviceRequest::Cpu => on_cpu("the CPU was asked for"),
        DeviceRequest::Auto if !has_node => on_cpu("no GPU device node under /dev"),
        DeviceRequest::Auto => match best(&adapters()) {
            None => on_cpu("no graphics adapter"),
            Some((_, adapter)) if adapter.is_software => {
                on_cpu(&format!("the only adapter, {}, is software and slower than the CPU", adapter.name))
            }
            Some((index, adapter)) => {
                let why = format!("{} is a hardware GPU", adapter.name);
                Ok(DevicePlan { request, adapter: Some(index), why })
            }
        },
        DeviceRequest::Gpu => {
            let adapters = adapters();
            let (index, adapter) = best(&adapters).ok_or_else(no_adapter)?;
            let what =
                if adapter.is_software { "software, far slower than the CPU" } else { "a hardware GPU" };
            let why = format!("a GPU was asked for; {} is {what}", adapter.name);
            Ok(DevicePlan { request, adapter: Some(index), why })
        }
    }
}

/// The first adapter of the best kind.
fn best(adapters: &[Adapter]) -> Option<(usize, &Adapter)> {
    adapters.iter().enumerate().rev().max_by_key(|(_, adapter)| adapter.kind)
}

fn no_adapter() -> Error {
    Error::NoAdapter(
        "no graphics adapter found; install a driver (on Linux a Vulkan one, such as mesa-vulkan-drivers) \
         or set RANKSCOPE_DEVICE=cpu"
            .to_owned(),
    )
}

/// Whether the system has a device node of a GPU; without a device node there can only be software adapters.
///
/// Checked before any driver is loaded, because loading all drivers takes longer than a small run. On systems without
/// such nodes the answer is always yes, and the drivers decide.
fn has_device_node(dev: &Path) -> bool {
    !cfg!(target_os = "linux") || device_node(dev).is_some()
}

fn device_node(dev: &Path) -> Option<PathBuf> {
    let find = |folder: PathBuf, is_gpu: fn(&str) -> bool| {
        let entries = std::fs::read_dir(folder).ok()?;
        entries.flatten().find(|entry| is_gpu(&entry.file_name().to_string_lossy())).map(|entry| entry.path())
    };
    find(dev.join("dri"), |name| name.starts_with("renderD")).or_else(|| find(dev.to_owned(), is_gpu_node))
}

fn is_gpu_node(name: &str) -> bool {
    let nvidia =
        name.strip_prefix("nvidia").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let prefixes = ["mali", "nvhost", "nvgpu"];
    nvidia || ["dxg", "kgsl-3d0"].contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The adapters, which are searched for only once in the process.
fn find_adapters() -> &'static [wgpu::Adapter] {
    static FOUND: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
    })
}

/// The open GPUs of the process: an operation needs all its tensors on one device, so callers share it.
static OPEN: Mutex<Vec<Arc<Gpu>>> = Mutex::new(Vec::new());

fn open(adapter: &wgpu::Adapter) -> Result<Arc<Gpu>> {
    let info = adapter.get_info();
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|gpu| !gpu.is_lost());
    if let Some(gpu) = open.iter().find(|gpu| *gpu.info() == info) {
        return Ok(gpu.clone());
    }
    let gpu = Gpu::open(adapter)?;
    open.push(gpu.clone());
    Ok(gpu)
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
