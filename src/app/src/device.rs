//! The device that computes: if it is a GPU, the window's own, so that results are drawn without a copy.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use egui_wgpu::RenderState;
use rankscope::device::{Adapter, DevicePlan, DeviceRequest, Gpu};
use rankscope::{Device, Result};

use crate::graphics::one_line;

/// The device and why it was chosen.
#[derive(Clone, Debug)]
pub struct Computing {
    /// Where the model runs.
    pub device: Device,
    /// The reason, for the status bar.
    pub why: String,
    /// Errors of the window's device that no call returned, one line each.
    pub objections: Receiver<String>,
}

impl Computing {
    /// For `request`, or what `RANKSCOPE_DEVICE` asks for, given the adapter that the window draws on.
    ///
    /// # Errors
    /// [`Invalid`](rankscope::Error::Invalid) for another value of the variable.
    pub fn choose(request: Option<DeviceRequest>, render: &RenderState) -> Result<Self> {
        let (outbox, objections) = unbounded();
        let lost = outbox.clone();
        // Without a handler wgpu panics. A `Gpu` sets its own, whose next call returns the error.
        render.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = outbox.send(format!("drawing failed: {}", one_line(&error.to_string())));
        }));
        render.device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped on closing is no loss.
            if reason != wgpu::DeviceLostReason::Destroyed {
                let text = one_line(&message);
                let _ = lost.send(format!(
                    "the graphics device was lost ({text}): restart rankscope, which keeps what is open"
                ));
            }
        });
        let request = request.map_or_else(DeviceRequest::from_env, Ok)?;
        let DevicePlan { adapter, why, .. } =
            DevicePlan::new(request, &[Adapter::describe(&render.adapter)])?;
        let device = match adapter {
            None => Device::Cpu,
            Some(_) => Device::Gpu(Gpu::from_wgpu(render.device.clone(), render.queue.clone())),
        };
        Ok(Computing { device, why, objections })
    }
}
