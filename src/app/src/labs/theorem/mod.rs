//! Theorem 1 lab: draw a pattern of attention, and see how large a head must be to produce it.

mod compute;
mod export;
mod state;
#[cfg(test)]
mod tests;
mod view;

use crate::lab::{Row, open};

/// The row on the list of labs.
pub const LAB: Row = Row {
    id: "theorem",
    title: "Theorem 1",
    about: "Draw a pattern and see how large a head must be to produce it",
    open: open::<view::View>,
};
