//! Model explorer: a text, a model, its attention head by head, the ranks of the weights, and what they do to the prediction.

mod answer;
mod cell;
mod compute;
mod export;
mod state;
#[cfg(test)]
mod tests;
mod view;

use anyhow::bail;
use rankscope::Mask;
use rankscope::model::MaskChoice;

use crate::args::Args;
use crate::lab::{Bench, Row};
use answer::Pass;
use state::{Edit, Side};

/// The row on the list of labs.
pub const LAB: Row = Row::of::<view::View>(
    "model",
    "Model explorer",
    "Read a model's attention head by head, under any mask, and change it",
);

/// The open lab.
pub type Open = Bench<view::View>;

impl Open {
    /// Whether the layer and the head of the command line are in the model.
    ///
    /// # Errors
    /// One line that says how many there are.
    pub fn check(&self, args: &Args) -> anyhow::Result<()> {
        let Some(model) = &self.answer.of(Side::Left).model else { return Ok(()) };
        let limits = [("--layer", args.layer, model.layers), ("--head", args.head, model.heads)];
        for (what, wanted, count) in limits {
            if let Some(wanted) = wanted.filter(|&wanted| wanted >= count) {
                bail!("{what} is {wanted}, expected less than {count}, as many as {} has", model.name);
            }
        }
        Ok(())
    }

    /// How many tokens the text has.
    pub fn length(&self) -> usize {
        self.answer.of(Side::Left).length()
    }

    /// Chooses another mask.
    pub fn choose(&mut self, mask: &Mask) {
        self.edit(Edit::Mask(Side::Left, MaskChoice::Override(mask.clone()).to_string()));
    }

    /// Whether the selected head is shown under `mask` with its ranks, and whether all heads are.
    pub fn shows(&self, mask: &Mask) -> (bool, bool) {
        let pass = self.answer.of(Side::Left).pass().filter(|pass| pass.mask(0) == mask);
        let selected =
            |pass: &&std::sync::Arc<Pass>| pass.report(self.answer.selected(&self.state)).is_some();
        let all = pass.is_some_and(|pass| pass.is_reported());
        (pass.as_ref().is_some_and(selected), all)
    }
}
