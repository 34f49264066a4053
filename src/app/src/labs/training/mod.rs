//! Training lab: a preset as a sentence, runs in processes of their own, and what attention does meanwhile.

mod figures;
mod plan;
mod recording;
mod running;
mod sentence;
mod state;
#[cfg(test)]
mod tests;
mod view;
pub mod worker;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "training",
    "Training",
    "Train a small model, or twins that differ in one setting, and watch attention change",
);
