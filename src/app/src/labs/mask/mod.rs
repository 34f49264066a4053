//! Mask lab: paint a mask, and see what it does to the ranks of the attention weights.

mod answer;
mod compute;
mod export;
#[cfg(test)]
mod lessons;
mod mechanism;
mod paint;
mod rule;
mod setup;
pub mod state;
#[cfg(test)]
mod tests;
mod view;

use crate::lab::{Bench, Lab, Row};
use paint::{Stroke, Tool};
use state::{Edit, Which};

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "mask",
    "Mask",
    "Paint a mask and watch the singular values of the attention weights answer",
);

/// The open lab.
pub type Open = Bench<view::View>;

impl Open {
    /// Sets n, the positions.
    pub fn resize(&mut self, n: usize) {
        self.edit(Edit::N(n));
    }

    /// Paints one entry of "mine", or erases it.
    pub fn paint(&mut self, at: (usize, usize), may: bool) {
        let stroke = Stroke { tool: Tool::Brush, from: at, to: at, size: 1, may, mirror: false };
        self.edit(Edit::Paint(stroke));
    }

    /// Whether the ranks of "mine" are those of the newest computation, and whether those of all masks are.
    pub fn shows(&self) -> (bool, bool) {
        let is_new = |which: Which| self.status().is_newest(self.answer.weighed[which as usize].stamp());
        (is_new(Which::Mine), Which::ALL.into_iter().all(is_new))
    }
}
