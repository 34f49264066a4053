//! Attention mechanisms, one file each.
//!
//! A mechanism takes queries, keys and values that are already split into heads; the projections
//! around it are [`MultiHead`].

mod fixed_multi_head;
#[cfg(test)]
mod fixed_multi_head_tests;
mod linear;
mod mechanism;
mod multi_head;
mod online_softmax;
mod scaled_dot_product;

pub use fixed_multi_head::FixedMultiHead;
pub use linear::{LinearAttention, LinearState};
pub use mechanism::Mechanism;
pub use multi_head::{Linear, MultiHead};
pub use online_softmax::OnlineSoftmax;
pub use scaled_dot_product::ScaledDotProduct;

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Padding, Positions};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Who may attend to whom in one call: the rule, where the queries stand, and which keys are tokens.
#[derive(Clone, Copy, Debug)]
pub struct Visibility<'a> {
    /// The rule over positions.
    pub mask: &'a Mask,
    /// Where the queries stand.
    pub at: Positions,
    /// Which keys are tokens, `[B, S]`; `None` means all.
    pub padding: Option<&'a Padding>,
}

/// A way to mix values by queries and keys.
pub trait Attention {
    /// Context vectors for every query.
    ///
    /// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` (or H in place of G), result `[B, H, T, D]`.
    ///
    /// # Errors
    /// A shape, placement or mask error naming what does not fit; whatever the probe returns.
    fn forward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor>;
}

/// The mask's bits over scores `[B, H, T, S]`, which a probe may have edited.
fn allowed_pairs(scores: &Tensor, visibility: Visibility<'_>, probe: &mut dyn Probe) -> Result<Allowed> {
    let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::Key];
    let [batch, heads, queries, keys] = scores.shape().expect("attention", "scores", axes)?;
    let Visibility { mask, at, padding } = visibility;
    if let Some(got) = padding.map(|padding| padding.batch()).filter(|&got| got != batch) {
        return Err(Error::Size {
            op: "attention",
            argument: "padding",
            axis: Axis::Batch,
            expected: batch,
            got,
        });
    }
    let allowed = Allowed::new(mask, heads, queries, keys, at, padding)?;
    if probe.watches("mask") {
        return Allowed::from_tensor(&probe.visit("mask", allowed.to_tensor())?);
    }
    Ok(allowed)
}
