//! Which device to use, and why.
use super::Device;
use crate::error::{Error, Result};

/// What the caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A hardware GPU if there is one, otherwise the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, a software one if there is no other.
    Gpu,
}
impl DeviceRequest {
    /// From `RANKSCOPE_DEVICE`.
    pub fn from_env() -> Result<Self> {
        Ok(DeviceRequest::Auto)
    }
}
impl std::str::FromStr for DeviceRequest {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(DeviceRequest::Auto),
            "cpu" => Ok(DeviceRequest::Cpu),
            "gpu" => Ok(DeviceRequest::Gpu),
            _ => Err(Error::invalid("device", format!("{text:?}"), "cpu, gpu or auto")),
        }
    }
}
/// A device and why it was chosen.
pub struct Choice {
    /// The device.
    pub device: Device,
    /// One sentence.
    pub why: String,
}
/// One adapter.
pub struct Adapter {}
/// All adapters.
pub fn adapters() -> Vec<Adapter> {
    Vec::new()
}
pub(super) fn choose(_request: DeviceRequest) -> Result<Choice> {
    Ok(Choice { device: Device::Cpu, why: String::new() })
}
