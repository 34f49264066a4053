//! The device that computes: if it is a GPU, the window's own, so that results are drawn without a copy.

use std::sync::{Arc, OnceLock};

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
    window: wgpu::Device,
    /// Why the window's device was lost, once it was.
    lost: Arc<OnceLock<String>>,
}

impl Computing {
    /// The device of `request`, or of `RANKSCOPE_DEVICE`, given the adapter that the window draws on.
    ///
    /// # Errors
    /// [`Invalid`](rankscope::Error::Invalid) for another value of the variable.
    pub fn choose(request: Option<DeviceRequest>, render: &RenderState) -> Result<Self> {
        let (outbox, objections) = unbounded();
        let lost = Arc::<OnceLock<String>>::default();
        let loss = lost.clone();
        // Without a handler wgpu panics. A `Gpu` sets its own, whose next call returns the error.
        render.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = outbox.send(format!("drawing failed: {}", one_line(&error.to_string())));
        }));
        render.device.set_device_lost_callback(move |_, message| drop(loss.set(one_line(&message))));
        let request = request.map_or_else(DeviceRequest::from_env, Ok)?;
        let DevicePlan { adapter, why, .. } =
            DevicePlan::new(request, &[Adapter::describe(&render.adapter)])?;
        let device = match adapter {
            None => Device::Cpu,
            Some(_) => Device::Gpu(Gpu::from_wgpu(render.device.clone(), render.queue.clone())),
        };
        Ok(Computing { device, why, objections, window: render.device.clone(), lost })
    }

    /// Why the window's device no longer works; `None` while it does.
    pub fn loss(&self) -> Option<String> {
        // A loss is only announced when the device is polled.
        let _ = self.window.poll(wgpu::PollType::Poll);
        let why = match &self.device {
            Device::Gpu(gpu) if gpu.is_lost() => "it also computes, and no longer answers",
            _ => self.lost.get()?,
        };
        let lost = "the graphics device was lost";
        Some(if why.is_empty() { lost.to_owned() } else { format!("{lost} ({why})") })
    }
}
