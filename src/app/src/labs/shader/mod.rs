//! Shader lab: a kernel's WGSL is changed, and run against the CPU in a process of its own.

mod highlight;
mod state;
#[cfg(test)]
mod tests;
mod view;
pub mod worker;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row =
    Row::of::<view::View>("shader", "Shaders", "Change a GPU kernel's source, and run it against the CPU");
