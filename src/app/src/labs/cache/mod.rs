//! Cache lab: what each mask must compute again when a token of a dialogue is edited or a turn is appended.

mod compute;
mod export;
pub mod state;
mod view;

use crate::lab::Row;

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "cache",
    "Cache lab",
    "Edit a token or append a turn, and see which states each mask must compute again",
);
