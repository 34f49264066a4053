//! Differential attention: the difference of two softmaxes.

use super::{Attention, Inputs, allowed_pairs, scores, usual_factor};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::{expect_size, masked_softmax, matmul, scale, slice, unit_rms_norm, weighted_difference};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Differential attention: the weights A₁ − λₕ·A₂ of head h, with A₁ = softmax(Q₁·K₁ᵀ / √(D/2)) and
/// A₂ = softmax(Q₂·K₂ᵀ / √(D/2)) over the allowed keys, times V; then (1 − λ_init) · x / √(mean(x²) + ε) of each head's
/// context x.
///
/// Q₁ and Q₂ are the first and the second half of the queries' D numbers, K₁ and K₂ those of the keys; V has D numbers.
/// Weight that both softmaxes give to the same key cancels out. Weights may be negative, a row sums to 1 − λₕ, and
/// under a causal mask the first query has the weight 1 − λₕ on itself: which is 0 for λₕ = 1.
///
/// **Probe points**: `scores_1` and `scores_2` `[B, H, T, S]` (after the factor and the bias, before the mask), `mask`
/// as in [`ScaledDotProduct`](super::ScaledDotProduct), `weights_1` (A₁), `weights_2` (A₂) and `weights` (their
/// difference) `[B, H, T, S]`, `context` `[B, H, T, D]` and `context_norm` `[B, H, T, D]`.
///
/// **Conventions**: a position bias, which the paper does not use, is added to both scores. A query that may attend to
/// nothing has context 0. The two halves stay apart, so a rotation by position, which pairs numbers across them, is an
/// error in [`MultiHead`](super::MultiHead).
///
/// **Where it deviates from the paper**: λ is one number for each head, where the paper trains four vectors and computes
/// λ = exp(λ_q1·λ_k1) − exp(λ_q2·λ_k2) + λ_init from them for all heads of a layer; and the norm has no gain, which can
/// be folded into the output projection.
///
/// **Source**: Ye et al. 2024 (arXiv 2410.05258), section 2.1; ε = 10⁻⁵ as in the authors' code.
///
/// ```
/// use rankscope::{attention::{Differential, Visibility}, prelude::*};
/// let head = |length: Axis| Tensor::new(
///     [(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 2)],
///     vec![0., 0., 2., -1.],
/// );
/// let (q, k, v) = (head(Axis::Query)?, head(Axis::Key)?, head(Axis::Key)?);
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(2, 2)?, padding: None };
/// let mut trace = Trace::of(["weights"]);
/// let attention = Differential::new(2, Tensor::new([(Axis::Head, 1)], vec![1.])?, 0.8)?;
/// attention.forward(&q, &k, &v, visibility, &mut trace, &Run::default())?;
/// let weights = trace.get("weights").unwrap().to_vec()?;
/// assert_eq!(weights[..2], [0., 0.]); // 1 − 1 for the first query, which sees itself alone
/// assert!((weights[2] + weights[3]).abs() < 1e-6); // the other rows sum to 0 too
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Differential {
    half: usize,
    lambdas: Tensor,
    initial: f32,
}

const OP: &str = "differential attention";
const EPSILON: f32 = 1e-5;

impl Differential {
    /// The mechanism with a λ for each head, `[H]`, and the λ_init of the layer ([`initial`](Self::initial)).
    ///
    /// # Errors
    /// [`Error::Invalid`] for an odd head size, [`Error::Axes`] if `lambdas` is not `[H]`.
    pub fn new(head_size: usize, lambdas: Tensor, initial: f32) -> Result<Self> {
        if head_size == 0 || !head_size.is_multiple_of(2) {
            let expected = "an even number: queries and keys hold two halves";
            return Err(Error::invalid(format!("{OP}: head size D"), head_size, expected));
        }
        lambdas.shape().expect(OP, "lambdas", [Axis::Head])?;
        Ok(Differential { half: head_size / 2, lambdas, initial })
    }

    /// λ_init of a layer, counted from 0: 0.8 − 0.6 · e^(−0.3 · layer), so 0.2 in the first one and 0.8 in late ones.
    pub fn initial(layer: usize) -> f32 {
        (0.8 - 0.6 * (-0.3 * layer as f64).exp()) as f32
    }

    /// λ of each head, `[H]`.
    pub fn lambdas(&self) -> &Tensor {
        &self.lambdas
    }

    /// The same mechanism on `device`.
    pub(super) fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Differential { lambdas: self.lambdas.to_device(device)?, ..*self })
    }

    /// The two halves of queries or keys, `[…, D]` to `[…, D/2]` each.
    fn halves(&self, argument: &'static str, x: &Tensor) -> Result<[Tensor; 2]> {
        let (expected, got) = (2 * self.half, x.shape().size(Axis::HeadSize).unwrap_or(0));
        expect_size(OP, argument, Axis::HeadSize, expected, got)?;
        let half = |range| slice(x, Axis::HeadSize, range);
        Ok([half(0..self.half)?, half(self.half..expected)?])
    }
}

impl Attention for Differential {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        run.check()?;
        let ([q1, q2], [k1, k2]) = (self.halves("q", q)?, self.halves("k", k)?);
        let factor = usual_factor(self.half);
        let first = probe.visit("scores_1", scores(&q1, &k1, factor, bias)?)?; // [B, H, T, S]
        let second = probe.visit("scores_2", scores(&q2, &k2, factor, bias)?)?; // [B, H, T, S]
        let allowed = allowed_pairs(&first, visibility, probe)?; // [B, H, T, S], with or without B and H
        let first = probe.visit("weights_1", masked_softmax(first, &allowed)?)?; // [B, H, T, S]
        let second = probe.visit("weights_2", masked_softmax(second, &allowed)?)?; // [B, H, T, S]
        let weights = weighted_difference(first, &second, &self.lambdas)?;
        let weights = probe.visit("weights", weights)?; // [B, H, T, S]
        let context = probe.visit("context", matmul(&weights, v, Axis::Key, 1.0)?)?; // [B, H, T, D]
        let normed = scale(unit_rms_norm(context, EPSILON)?, 1.0 - self.initial)?;
        probe.visit("context_norm", normed) // [B, H, T, D]
    }
}
