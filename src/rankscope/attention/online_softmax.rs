//! Scaled dot-product attention that never makes the n × n matrix.

use super::{Attention, Visibility, expect_no_bias};
use crate::error::Result;
use crate::ops::online_attention;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// The same function as [`ScaledDotProduct`](super::ScaledDotProduct), computed tile by tile with an
/// online softmax: memory linear in T and S, and no weights to look at.
///
/// **Probe points**: `context` `[B, H, T, D]` only. For scores and weights use
/// [`ScaledDotProduct`](super::ScaledDotProduct).
///
/// **Source**: see [`online_attention`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnlineSoftmax {
    factor: f32,
}

impl OnlineSoftmax {
    /// With the usual factor, 1/√D.
    pub fn new(head_size: usize) -> Self {
        OnlineSoftmax { factor: (1.0 / (head_size as f64).sqrt()) as f32 }
    }
}

impl Attention for OnlineSoftmax {
    fn forward_with_bias(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        bias: Option<&Tensor>,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        expect_no_bias(bias)?;
        let Visibility { mask, at, padding } = visibility;
        probe.visit("context", online_attention(q, k, v, self.factor, mask, at, padding, run)?)
    }
}
