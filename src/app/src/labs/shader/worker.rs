//! The process that runs a changed kernel: a crash or a lost device stays inside it.

use rankscope::device::DeviceRequest;
use rankscope::ops::bench::{Measurement, trial};
use rankscope::ops::ladder::ladder;
use rankscope::{Device, Error, Run};
use serde::{Deserialize, Serialize};

use crate::worker;

/// The kernel to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The operation, on the list of ladders.
    pub op: String,
    /// The rung.
    pub variant: String,
    /// The source in place of its own, if it was changed.
    pub source: Option<String>,
    /// n, as `rankscope kernels bench --size`.
    pub size: usize,
}

/// The messages of this process, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The device is open: its name.
    Device(String),
    /// The numbers of the shipped source.
    Shipped(Numbers),
    /// The numbers of the changed source.
    Changed(Numbers),
    /// Why it could not be run.
    Failed(String),
}

/// The measurements of a source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// The largest |got − want| / max(1, |want|); none where a result is no number.
    pub max_error: Option<f64>,
    /// The largest error that counts as rounding.
    pub tolerance: f64,
    /// The least time that one call took.
    pub micros: f64,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// Whether the GPU's own clock was read.
    pub by_gpu_clock: bool,
}

impl Numbers {
    /// Whether the result is right.
    pub fn is_right(&self) -> bool {
        self.max_error.is_some_and(|error| error <= self.tolerance)
    }
}

/// Runs the shipped source, then the changed one.
///
/// # Errors
/// If nobody reads its messages.
pub fn work() -> anyhow::Result<()> {
    let (task, cancel): (Task, _) = worker::task()?;
    // A running kernel cannot be cancelled, so this thread ends the whole process: on request, and with the window.
    std::thread::spawn(move || {
        while !cancel.is_cancelled() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        std::process::exit(0);
    });
    match run(&task) {
        Err(Error::Cancelled) | Ok(()) => Ok(()),
        Err(error) => worker::tell(&Message::Failed(error.to_string())),
    }
}

fn run(task: &Task) -> rankscope::Result<()> {
    // If the window has gone, nobody reads the messages.
    let tell = |message: Message| worker::tell(&message).map_err(|_| Error::Cancelled);
    let device = Device::choose(DeviceRequest::Gpu)?.device;
    tell(Message::Device(device.to_string()))?;
    let numbers = || {
        let found = trial(&device, &task.op, &task.variant, task.size, &Run::default())?;
        let Measurement { max_error, micros, gflops, by_gpu_clock, .. } = found.measurement;
        let max_error = Some(max_error).filter(|error| error.is_finite());
        Ok::<_, Error>(Numbers { max_error, tolerance: found.tolerance, micros, gflops, by_gpu_clock })
    };
    tell(Message::Shipped(numbers()?))?;
    let kernel = ladder(&task.op)?.variant(&task.variant)?.kernel;
    if let (Some(source), Some(kernel), Device::Gpu(gpu)) = (&task.source, kernel, &device) {
        gpu.replace(kernel, source)?;
        tell(Message::Changed(numbers()?))?;
    }
    Ok(())
}
