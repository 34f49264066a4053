//! Which device computes: where it is a GPU, the window's own, so that what is computed is drawn in place.

use egui_wgpu::RenderState;
use rankscope::device::DeviceRequest;
use rankscope::{Device, Result};

/// The device and why it was chosen.
#[derive(Clone, Debug)]
pub struct Computing {
    /// Where the model runs.
    pub device: Device,
    /// One sentence for the status bar.
    pub why: String,
}

impl Computing {
    /// For `request`, or what `RANKSCOPE_DEVICE` asks for.
    ///
    /// # Errors
    /// [`Invalid`](rankscope::Error::Invalid) for another value of the variable.
    pub fn choose(request: Option<DeviceRequest>, _render: &RenderState) -> Result<Self> {
        let request = request.map_or_else(DeviceRequest::from_env, Ok)?;
        let choice = Device::choose(request)?;
        Ok(Computing { device: choice.device, why: choice.why })
    }
}
