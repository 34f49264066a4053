//! Courtroom: the claims of the popular account on trial, with the evidence on two sides.

mod compute;
mod export;
mod place;
pub mod state;
mod view;

use crate::lab::{Row, open};

/// The row on the list of labs.
pub const LAB: Row = Row {
    id: "court",
    title: "Courtroom",
    about: "Put a claim on trial: its verdict in three arenas, the evidence on two sides, and run it again",
    open: open::<view::View>,
};
