//! The model explorer: what it computes, and how it is met.

mod numbers;
mod window;

use std::sync::Arc;

use rankscope::Device;

use super::compute::Engine;
use super::state::Explorer;
use crate::headless;
use crate::lab::{Machine, State};

/// The thread's memory, on the CPU.
fn engine() -> Engine {
    let render = headless::render_state().expect("an adapter: install mesa-vulkan-drivers");
    Explorer::memory(&Machine { device: Device::Cpu, window: render.device, wake: Arc::new(|| {}) })
}
