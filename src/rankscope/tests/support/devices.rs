//! The devices that tests run on.

#[path = "skip.rs"]
mod skip;

#[allow(unused_imports)] // not every test program skips more than the GPU
pub use skip::skipped;

use std::sync::OnceLock;

use rankscope::Device;
use rankscope::device::DeviceRequest;

/// The GPU; `None`, reported and counted as skipped, if there is none and `RANKSCOPE_SKIP_GPU=1`
/// allows that.
///
/// # Panics
/// If there is no GPU and skipping is not allowed.
#[track_caller]
pub fn gpu() -> Option<Device> {
    static GPU: OnceLock<Device> = OnceLock::new();
    if skip::is_asked_for("RANKSCOPE_SKIP_GPU", "no GPU") {
        return None;
    }
    let open = || match Device::choose(DeviceRequest::Gpu) {
        Ok(choice) => choice.device,
        Err(error) => panic!("{error}; RANKSCOPE_SKIP_GPU=1 skips these tests"),
    };
    Some(GPU.get_or_init(open).clone())
}

/// The CPU and, unless skipped, the GPU.
#[track_caller]
#[allow(dead_code)] // not every test program uses both
pub fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(gpu()).collect()
}
