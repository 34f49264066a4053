//! Step by step: one head's computation, number by number, for a teacher to click through.

mod chain;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod view;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "steps",
    "Step by step",
    "Click through one head's computation, with every number, its formula and its shader line",
);
