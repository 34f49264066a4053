//! Courtroom: the claims of the popular account on trial, with the evidence on two sides.

mod compute;
mod export;
mod place;
pub mod state;
mod view;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "court",
    "Courtroom",
    "Put a claim on trial: its verdict in three arenas, the evidence on two sides, and run it again",
);
