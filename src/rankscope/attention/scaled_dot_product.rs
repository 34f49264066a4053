//! Scaled dot-product attention with materialised weights.

use super::{Attention, Visibility, allowed_pairs};
use crate::axis::Axis;
use crate::error::Result;
use crate::ops::{add_position_bias, masked_softmax, matmul};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Scaled dot-product attention: softmax(Q·Kᵀ / √D + bias over the allowed keys) · V, the bias where there is one.
///
/// **Probe points**: `scores` `[B, H, T, S]` (after the factor and the bias, before the mask), `mask` (0 and 1,
/// `[T, S]`, with B and H in front where sequences or heads differ, always on the CPU), `weights` `[B, H, T, S]`, `context` `[B, H, T, D]`.
///
/// **Source**: Vaswani et al. 2017 (arXiv 1706.03762), equation 1.
///
/// ```
/// use rankscope::{attention::Visibility, prelude::*};
/// let head = |length: Axis, values: Vec<f32>| {
///     Tensor::new([(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 1)], values)
/// };
/// let (q, k) = (head(Axis::Query, vec![0., 0.])?, head(Axis::Key, vec![1., 2.])?);
/// let v = head(Axis::Key, vec![10., 20.])?;
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(2, 2)?, padding: None };
/// let context =
///     ScaledDotProduct::new(1).forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default())?;
/// assert_eq!(context.to_vec()?, [10., 15.]); // the first sees itself, the second averages both
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledDotProduct {
    factor: f32,
}

impl ScaledDotProduct {
    /// With the usual factor, 1/√D.
    pub fn new(head_size: usize) -> Self {
        ScaledDotProduct { factor: (1.0 / (head_size as f64).sqrt()) as f32 }
    }

    /// With a factor of one's own: 1 in T5, `scale`/√D in experiments on the logit scale.
    pub fn with_factor(factor: f32) -> Self {
        ScaledDotProduct { factor }
    }
}

impl Attention for ScaledDotProduct {
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
        run.check()?;
        let scores = matmul(q, k, Axis::HeadSize, self.factor)?; // [B, H, T, S]
        let scores = match bias {
            Some(bias) => add_position_bias(scores, bias)?,
            None => scores,
        };
        let scores = probe.visit("scores", scores)?;
        let allowed = allowed_pairs(&scores, visibility, probe)?; // [B, H, T, S], with or without B and H
        let weights = probe.visit("weights", masked_softmax(scores, &allowed)?)?; // [B, H, T, S]
        let context = matmul(&weights, v, Axis::Key, 1.0)?; // [B, H, T, D]
        probe.visit("context", context)
    }
}
