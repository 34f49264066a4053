//! The model explorer: its numbers, and its window.

mod numbers;
mod window;

use super::compute::Engine;
use super::state::Explorer;
use crate::headless;
use crate::lab::State;

/// The thread's memory, on the CPU.
fn engine() -> Engine {
    Explorer::memory(&headless::machine())
}
