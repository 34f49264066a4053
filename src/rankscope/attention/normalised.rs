//! Scaled dot-product attention of normalised queries, keys, values or contexts.

use super::{Attention, Inputs, ScaledDotProduct};
use crate::error::Result;
use crate::ops::unit_rms_norm;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// softmax(N(Q)·N(K)ᵀ / √D over the allowed keys) · V, with N(x) = x / √(mean(x²) + ε) over each head's D
/// numbers and without parameters; optionally also N(V) in place of V, and N of the result.
///
/// Normalised rows have the length √D, so no score is larger than √D: the logits of attention cannot grow
/// without bound while a model trains.
///
/// **Probe points**: `query_norm` `[B, H, T, D]`, `key_norm` and, where there is one, `value_norm`
/// `[B, G, S, D]`, those of [`ScaledDotProduct`], and, where there is one, `context_norm` `[B, H, T, D]`.
///
/// **Conventions**: a rotation by position may come before or after N, since it does not change lengths. A query that
/// may attend to nothing has context 0, normalised or not. With a KV cache, keys are normalised again in every pass,
/// because the cache holds them as they come from the projection.
///
/// **Source**: queries and keys: Henry et al. 2020 (arXiv 2010.04245), with rows of length 1 and a learned
/// factor there; values too: DecLLM, and the result too: RedLLM, both in arXiv 2510.26622.
///
/// ```
/// use rankscope::{attention::{NormalisedDotProduct, Visibility}, prelude::*};
/// let head = |length: Axis, values: Vec<f32>| {
///     Tensor::new([(Axis::Batch, 1), (Axis::Head, 1), (length, 1), (Axis::HeadSize, 2)], values)
/// };
/// let (q, k, v) = (head(Axis::Query, vec![3., 4.])?, head(Axis::Key, vec![6., 8.])?, head(Axis::Key, vec![5., 0.])?);
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(1, 1)?, padding: None };
/// let mut trace = Trace::of(["scores"]);
/// let attention = NormalisedDotProduct::new(2);
/// let context = attention.forward(&q, &k, &v, visibility, &mut trace, &Run::default())?;
/// let score = trace.get("scores").unwrap().to_vec()?[0];
/// assert!((score - 2f32.sqrt()).abs() < 1e-5); // parallel: the largest possible score, √D
/// assert_eq!(context.to_vec()?, [5., 0.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NormalisedDotProduct {
    inner: ScaledDotProduct,
    epsilon: f32,
    is_value_normalised: bool,
    is_context_normalised: bool,
}

impl NormalisedDotProduct {
    /// Normalises queries and keys only, with the usual factor 1/√D and ε = 10⁻⁶.
    pub fn new(head_size: usize) -> Self {
        NormalisedDotProduct {
            inner: ScaledDotProduct::new(head_size),
            epsilon: 1e-6,
            is_value_normalised: false,
            is_context_normalised: false,
        }
    }

    /// Normalises values too, as in DecLLM.
    pub fn with_values(self) -> Self {
        NormalisedDotProduct { is_value_normalised: true, ..self }
    }

    /// Normalises the context of each head too, as in RedLLM.
    pub fn with_context(self) -> Self {
        NormalisedDotProduct { is_context_normalised: true, ..self }
    }

    /// With another ε.
    pub fn with_epsilon(self, epsilon: f32) -> Self {
        NormalisedDotProduct { epsilon, ..self }
    }
}

impl Attention for NormalisedDotProduct {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, .. } = inputs;
        run.check()?;
        let q = probe.visit("query_norm", unit_rms_norm(q, self.epsilon)?)?; // [B, H, T, D]
        let k = probe.visit("key_norm", unit_rms_norm(k, self.epsilon)?)?; // [B, G, S, D]
        let v = match self.is_value_normalised {
            true => probe.visit("value_norm", unit_rms_norm(v, self.epsilon)?)?, // [B, G, S, D]
            false => v.clone(),
        };
        let inputs = Inputs { q: &q, k: &k, v: &v, ..inputs };
        let context = self.inner.attend(inputs, probe, run)?;
        match self.is_context_normalised {
            true => probe.visit("context_norm", unit_rms_norm(context, self.epsilon)?), // [B, H, T, D]
            false => Ok(context),
        }
    }
}
