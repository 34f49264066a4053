//! Collapse tower: how the differences between tokens vanish with depth, and what keeps them.

mod compute;
mod export;
pub mod state;
mod view;

use crate::lab::{Row, open};

/// The row on the list of labs.
pub const LAB: Row = Row {
    id: "collapse",
    title: "Collapse tower",
    about: "Stack layers of attention, watch the tokens become one, and see what keeps them apart",
    open: open::<view::View>,
};
