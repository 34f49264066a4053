//! Attention mechanisms, one file each.
//!
//! A mechanism takes queries, keys and values that are already split into heads; the projections
//! around it are [`MultiHead`].

mod differential;
mod fixed_multi_head;
#[cfg(test)]
mod fixed_multi_head_tests;
mod layer;
mod linear;
mod mechanism;
mod multi_head;
mod normalised;
mod online_softmax;
mod position;
mod registry;
mod scaled_dot_product;
mod sigmoid;
mod sinks;
mod state_space;

pub use differential::Differential;
pub use fixed_multi_head::FixedMultiHead;
pub use layer::{AttentionLayer, LayerSizes};
pub use linear::{LinearAttention, LinearState};
pub use mechanism::Mechanism;
pub use multi_head::{Linear, MultiHead};
pub use normalised::NormalisedDotProduct;
pub use online_softmax::OnlineSoftmax;
pub use position::{Alibi, PositionScheme, RelativeBias, RelativeBuckets, sinusoidal, slopes};
pub use registry::{MECHANISMS, MechanismKind};
pub use scaled_dot_product::ScaledDotProduct;
pub use sigmoid::SigmoidAttention;
pub use sinks::{Sink, attention_sinks};
pub use state_space::{StateSpace, StateSpaceState};

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Padding, Positions};
use crate::ops::{add_position_bias, expect_size, matmul};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Which queries may attend to which keys in one call: the mask, the positions of the queries, and which keys are
/// tokens.
#[derive(Clone, Copy, Debug)]
pub struct Visibility<'a> {
    /// The mask over positions.
    pub mask: &'a Mask,
    /// The positions of the queries.
    pub at: Positions,
    /// Which keys are tokens, `[B, S]`; `None` means all.
    pub padding: Option<&'a Padding>,
}

/// The arguments of one call of a mechanism.
///
/// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` (or H in place of G); bias `[H, T, S]`, the same for all
/// sequences.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The queries.
    pub q: &'a Tensor,
    /// The keys.
    pub k: &'a Tensor,
    /// The values.
    pub v: &'a Tensor,
    /// A bias for every head and pair, which is added to the scores before the mask.
    pub bias: Option<&'a Tensor>,
    /// Which query sees which keys.
    pub visibility: Visibility<'a>,
}

/// A mechanism that averages values with weights from queries and keys.
pub trait Attention {
    /// Context vectors `[B, H, T, D]` for every query.
    ///
    /// # Errors
    /// A shape, placement or mask error naming what does not fit; whatever the probe returns; [`Error::Invalid`] for a
    /// bias from a mechanism without scores to add it to: the online softmax, which never holds all scores, and linear
    /// and state-space attention, which have no softmax.
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor>;

    /// As [`attend`](Self::attend), without a bias.
    ///
    /// # Errors
    /// As [`attend`](Self::attend).
    fn forward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        self.attend(Inputs { q, k, v, bias: None, visibility }, probe, run)
    }
}

/// An error if a bias is given, for a mechanism without scores to which it could be added.
fn expect_no_bias(bias: Option<&Tensor>) -> Result<()> {
    match bias {
        None => Ok(()),
        Some(_) => {
            let expected = "none: this mechanism makes no scores to add it to (scaled dot-product does)";
            Err(Error::invalid("position bias", "given", expected))
        }
    }
}

/// factor · Q·Kᵀ `[B, H, T, S]`, with the bias where there is one.
fn scores(q: &Tensor, k: &Tensor, factor: f32, bias: Option<&Tensor>) -> Result<Tensor> {
    let scores = matmul(q, k, Axis::HeadSize, factor)?;
    match bias {
        Some(bias) => add_position_bias(scores, bias),
        None => Ok(scores),
    }
}

/// Context `[B, H, T, D]` from the whole weight matrix: `weigh` turns scores and mask into weights, which are
/// multiplied by V. The probe visits scores, mask, weights and context.
fn mix_by_weights(
    scores: Tensor,
    v: &Tensor,
    visibility: Visibility<'_>,
    probe: &mut dyn Probe,
    weigh: impl FnOnce(Tensor, &Allowed) -> Result<Tensor>,
) -> Result<Tensor> {
    let scores = probe.visit("scores", scores)?; // [B, H, T, S]
    let allowed = allowed_pairs(&scores, visibility, probe)?; // [B, H, T, S], with or without B and H
    let weights = probe.visit("weights", weigh(scores, &allowed)?)?; // [B, H, T, S]
    probe.visit("context", matmul(&weights, v, Axis::Key, 1.0)?) // [B, H, T, D]
}

/// 1/√D.
fn usual_factor(head_size: usize) -> f32 {
    (1.0 / (head_size as f64).sqrt()) as f32
}

/// The mask's bits over scores `[B, H, T, S]`, which a probe may have edited.
fn allowed_pairs(scores: &Tensor, visibility: Visibility<'_>, probe: &mut dyn Probe) -> Result<Allowed> {
    let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::Key];
    let [batch, heads, queries, keys] = scores.shape().expect("attention", "scores", axes)?;
    let Visibility { mask, at, padding } = visibility;
    if let Some(padding) = padding {
        expect_size("attention", "padding", Axis::Batch, batch, padding.batch())?;
    }
    let allowed = Allowed::new(mask, heads, queries, keys, at, padding)?;
    if probe.watches("mask") {
        return Allowed::from_tensor(&probe.visit("mask", allowed.to_tensor())?);
    }
    Ok(allowed)
}
