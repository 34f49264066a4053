//! Attention by the sigmoid of every score, without a sum over the keys.

use super::{Attention, Inputs, mix_by_weights, scores, usual_factor};
use crate::error::Result;
use crate::ops::masked_sigmoid;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Sigmoid attention: σ(Q·Kᵀ / √D + bias − ln n) over the allowed keys, 0 elsewhere, times V; the bias where there is
/// one, and σ(x) = 1 / (1 + e^(−x)).
///
/// No key takes weight from another key: the weights of a row need not sum to 1. With scores near 0 a weight is about
/// 1/n, so that a row of n keys sums to about 1 when training begins.
///
/// **Probe points**: those of [`ScaledDotProduct`](super::ScaledDotProduct); `scores` are the scores before − ln n is
/// added.
///
/// **Conventions**: n is set once, and is not the number of keys in a call: otherwise the weights of tokens in a cache
/// would change with every new token. The paper takes the length of the training sequences.
///
/// **Source**: Ramapuram et al. 2024 (arXiv 2409.04431), section 2, with the bias b = − ln n.
///
/// ```
/// use rankscope::{attention::{SigmoidAttention, Visibility}, prelude::*};
/// let head = |length: Axis, values: Vec<f32>| {
///     Tensor::new([(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 1)], values)
/// };
/// let (q, k) = (head(Axis::Query, vec![0., 0.])?, head(Axis::Key, vec![1., 2.])?);
/// let v = head(Axis::Key, vec![9., 18.])?;
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(2, 2)?, padding: None };
/// let attention = SigmoidAttention::new(1, 2);
/// let context = attention.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default())?.to_vec()?;
/// assert!((context[0] - 3.).abs() < 1e-6 && (context[1] - 9.).abs() < 1e-6); // every weight is 1 / (1 + 2)
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmoidAttention {
    factor: f32,
    bias: f32,
}

impl SigmoidAttention {
    /// Attention with the factor 1/√D and the bias − ln n, for sequences of up to `n` ≥ 1 tokens.
    pub fn new(head_size: usize, n: usize) -> Self {
        SigmoidAttention { factor: usual_factor(head_size), bias: -(n as f64).ln() as f32 }
    }
}

impl Attention for SigmoidAttention {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        run.check()?;
        let scores = scores(q, k, self.factor, bias)?; // [B, H, T, S]
        mix_by_weights(scores, v, visibility, probe, |scores, allowed| {
            masked_sigmoid(scores, allowed, self.bias)
        })
    }
}
