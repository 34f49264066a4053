//! Collapse tower: how the differences between tokens vanish with depth, and what keeps them.

mod compute;
mod export;
pub mod state;
mod view;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "collapse",
    "Collapse tower",
    "Stack layers of attention, watch the tokens become one, and see what keeps them apart",
);
