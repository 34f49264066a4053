//! Scaled dot-product attention with materialised weights.

use super::{Attention, Inputs, mix_by_weights, scores, usual_factor};
use crate::device::Device;
use crate::error::Result;
use crate::ops::{masked_softmax, masked_softmax_with_sinks};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Scaled dot-product attention: softmax(Q·Kᵀ / √D + bias over the allowed keys) · V, the bias where there is one.
///
/// A learned sink of a head, where there is one, adds e^b to the sum in its softmax's denominator: a head may then
/// attend to little or nothing, and its rows sum to less than 1 ([`masked_softmax_with_sinks`]).
///
/// **Probe points**: `scores` `[B, H, T, S]` (after the factor and the bias, before the mask), `mask` (0 and 1,
/// `[T, S]`, with B and H in front where sequences or heads differ, always on the CPU), `weights` `[B, H, T, S]`, `context` `[B, H, T, D]`.
///
/// **Source**: Vaswani et al. 2017 (arXiv 1706.03762), equation 1; sinks: gpt-oss (OpenAI 2025, arXiv 2508.10925).
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
/// assert_eq!(context.to_vec()?, [10., 15.]); // query 0 sees only itself, query 1 averages both
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScaledDotProduct {
    factor: f32,
    sinks: Option<Tensor>,
}

impl ScaledDotProduct {
    /// Attention with the usual factor, 1/√D.
    pub fn new(head_size: usize) -> Self {
        Self::with_factor(usual_factor(head_size))
    }

    /// Attention with another factor: 1 in T5, `scale`/√D in experiments on the logit scale.
    pub fn with_factor(factor: f32) -> Self {
        ScaledDotProduct { factor, sinks: None }
    }

    /// With a learned sink b for each head, `[H]`.
    pub fn with_sinks(self, sinks: Tensor) -> Self {
        ScaledDotProduct { sinks: Some(sinks), ..self }
    }

    /// The sinks, `[H]`, where there are any.
    pub fn sinks(&self) -> Option<&Tensor> {
        self.sinks.as_ref()
    }

    /// Whether the factor is 1/√D and there are no sinks.
    pub(super) fn is_usual(&self, head_size: usize) -> bool {
        self.factor == usual_factor(head_size) && self.sinks.is_none()
    }

    /// The same mechanism on `device`.
    pub(super) fn to_device(&self, device: &Device) -> Result<Self> {
        let sinks = self.sinks.as_ref().map(|sinks| sinks.to_device(device)).transpose()?;
        Ok(ScaledDotProduct { sinks, ..*self })
    }
}

impl Attention for ScaledDotProduct {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        run.check()?;
        let scores = scores(q, k, self.factor, bias)?; // [B, H, T, S]
        mix_by_weights(scores, v, visibility, probe, |scores, allowed| match &self.sinks {
            Some(sinks) => masked_softmax_with_sinks(scores, allowed, sinks),
            None => masked_softmax(scores, allowed),
        })
    }
}
