//! Errors of the driver, which are kept until they can be returned to a caller.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::{Gpu, lock};
use crate::error::{Error, Result};

/// Errors that occurred outside any call of this library.
#[derive(Default)]
pub(super) struct Faults {
    lost: Mutex<Option<String>>,
    uncaptured: Mutex<Option<String>>,
}

impl Faults {
    /// Collects the errors that `device` reports from now on.
    pub(super) fn watch(device: &wgpu::Device) -> Arc<Self> {
        let faults = Arc::new(Faults::default());
        let keep = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&keep.uncaptured).get_or_insert(one_line(&error.to_string()));
        }));
        let keep = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            lock(&keep.lost).get_or_insert(one_line(&format!("device lost ({reason:?}): {message}")));
        });
        faults
    }

    /// From now on the device counts as lost.
    pub(super) fn lose(&self, why: &str) {
        lock(&self.lost).get_or_insert(format!("device lost: {why}"));
    }

    pub(super) fn is_lost(&self) -> bool {
        lock(&self.lost).is_some()
    }

    /// An error if the device is lost, or, once, an error that no call has returned yet.
    pub(super) fn surface(&self) -> Result<()> {
        if let Some(loss) = self.loss() {
            return Err(loss);
        }
        match lock(&self.uncaptured).take() {
            Some(problem) => Err(Error::Gpu { what: "earlier work".to_owned(), problem }),
            None => Ok(()),
        }
    }

    /// The loss of the device as an error, if it is lost.
    fn loss(&self) -> Option<Error> {
        let problem = lock(&self.lost).clone()?;
        Some(Error::Gpu { what: "device".to_owned(), problem })
    }
}

impl Gpu {
    /// Runs `f`, and returns an error of the driver during it as an error that names `what`.
    pub(super) fn checked<T>(&self, what: impl fmt::Display, f: impl FnOnce() -> T) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        self.faults.surface()?;
        let scopes = [Internal, OutOfMemory, Validation].map(|filter| self.device.push_error_scope(filter));
        let value = f();
        // All scopes are popped, innermost first; natively their futures are ready at once.
        let errors: Vec<_> =
            scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).collect();
        match errors.first() {
            Some(error) => Err(self.error(what, error)),
            None => self.faults.surface().map(|()| value),
        }
    }

    /// The driver's error about `what`; on a lost device, where everything fails, an error about
    /// the loss.
    pub(super) fn error(&self, what: impl fmt::Display, problem: impl fmt::Display) -> Error {
        // A loss is only announced when the device is polled.
        let _ = self.device.poll(wgpu::PollType::Poll);
        let error = || Error::Gpu { what: what.to_string(), problem: one_line(&problem.to_string()) };
        self.faults.loss().unwrap_or_else(error)
    }
}

/// The causes in a driver's many-line message, on one line.
pub(super) fn one_line(message: &str) -> String {
    let causes = message.split_once("Caused by:").map_or(message, |(_, causes)| causes);
    let lines: Vec<_> = causes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(": ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn messages_fit_on_one_line() {
        let message =
            "Validation Error\n\nCaused by:\n  In Device::create_buffer, label = 'x'\n    too large\n";
        assert_eq!(one_line(message), "In Device::create_buffer, label = 'x': too large");
        assert_eq!(one_line("Out of Memory"), "Out of Memory");
    }
}
