//! Theorem 1 lab: draw a pattern of attention, and see how large a head must be to produce it.

mod compute;
mod export;
pub mod state;
#[cfg(test)]
mod tests;
mod view;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "theorem",
    "Theorem 1",
    "Draw a pattern and see how large a head must be to produce it",
);
