//! The process that trains one run.

use std::path::PathBuf;

use rankscope::train::folder::{self, About, RunFolder};
use rankscope::train::{Event, Trainer};
use rankscope::{Device, Error, Run};
use serde::{Deserialize, Serialize};

use crate::worker;

/// A run to train, or to continue.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// Its folder.
    pub folder: PathBuf,
    /// Its description, without its device.
    pub about: About,
    /// Where to compute: `cpu` or `gpu`.
    pub device: String,
}

/// The messages of this process; everything else is in the run's folder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The number of steps made.
    Step(usize),
}

/// Trains until the end, or until the input ends: then the checkpoint is that of the last step.
///
/// # Errors
/// If the run cannot start; an error that ends it early is written into its folder.
pub fn work() -> anyhow::Result<()> {
    let (task, cancel): (Task, _) = worker::task()?;
    stand_back();
    let device = Device::choose(task.device.parse()?)?.device;
    let (mut trainer, folder) = open(task, &device)?;
    let run = Run::default().with_cancel(cancel);
    let trained = trainer.train(Some(&folder.checkpoint()), &run, &mut |event| {
        folder.write(event)?;
        match event {
            // If the window has gone, nobody reads the messages: the run stops, and keeps its checkpoint.
            Event::Step(report) => worker::tell(&Message::Step(report.step)).map_err(|_| Error::Cancelled),
            _ => Ok(()),
        }
    });
    match trained {
        Ok(()) | Err(Error::Cancelled) => Ok(()),
        Err(error) => Ok(folder.fail(&error)?),
    }
}

fn open(task: Task, device: &Device) -> anyhow::Result<(Trainer, RunFolder)> {
    if task.folder.join("run.json").is_file() {
        return Ok(folder::resume(&task.folder, device)?);
    }
    let about = About { device: device.to_string(), ..task.about };
    let trainer = Trainer::new(about.settings.clone(), device)?;
    Ok((trainer, RunFolder::create(&task.folder, about)?))
}

/// Leaves the processor to the window when both want it.
fn stand_back() {
    #[cfg(unix)]
    // SAFETY: a call without memory; where it fails, the process keeps its priority.
    unsafe {
        libc::nice(10);
    }
}
