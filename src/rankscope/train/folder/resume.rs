//! Continues a run.

use std::path::Path;

use super::{RunFolder, about};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::train::Trainer;

/// The run in a folder, at its last checkpoint, or before its first step if it has no checkpoint yet.
///
/// # Errors
/// [`Error::Invalid`] for a run that was made on another device, or whose checkpoint has other settings; as
/// [`Trainer::resume`] and [`RunFolder::go_on`].
pub fn resume(path: &Path, device: &Device) -> Result<(Trainer, RunFolder)> {
    let about = about(path)?;
    if about.device != device.to_string() {
        let what = format!("device of the run in {}", path.display());
        return Err(Error::invalid(what, device, format!("{}, on which it began", about.device)));
    }
    let checkpoint = path.join("checkpoint");
    let trainer = match checkpoint.is_dir() {
        true => Trainer::resume(&checkpoint, device)?,
        false => Trainer::new(about.settings.clone(), device)?,
    };
    if let Some((key, now, begun)) = trainer.settings().differences(&about.settings).into_iter().next() {
        let got = format!("its checkpoint is of a run with {key}={now}");
        return Err(Error::format(path, format!("{got}, expected {begun}, as the run began")));
    }
    let folder = RunFolder::go_on(path, trainer.step_count())?;
    Ok((trainer, folder))
}
