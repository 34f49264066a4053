//! State-space attention: scores that decay with every token between query and key.

use super::{Attention, Inputs, Visibility, expect_no_bias, mix_by_weights, scores, usual_factor};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Positions};
use crate::ops::{decayed_scores, decayed_walk, expect_same_length, expect_size, log_decays, no_tokens};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// State-space attention with a scalar decay: the weights e^(−|L\[t\] − L\[s\]|) · q\[t\]·k\[s\] / √D over the allowed
/// keys, times V. L is the cumulative sum of log a\[s\] = −softplus(w\[g\]·k\[s\] + β\[g\]), the log decays of key/value
/// head g.
///
/// When query t reads key s ≤ t, the key has decayed by the product of a\[s + 1\] to a\[t\]. Rows are not normalised, and
/// weights may be negative. Without a decay (β → −∞) the weights before the mask are Q·Kᵀ / √D, of rank D at most. With
/// a decay only the blocks of later queries and earlier keys have rank D at most: the matrix is semiseparable.
///
/// Under a causal mask the same context comes from the recurrence of [`StateSpaceState`], without the T × S matrix.
/// This form is used when no probe watches scores, mask or weights and there are D queries or more; for fewer, as in
/// decoding with a KV cache, the matrix costs less. The two forms differ only by rounding.
///
/// **Probe points**: `log_decays` `[B, G, S]`, `scores` `[B, H, T, S]` (before mask and decay), `mask` (0 and 1,
/// `[T, S]`, with B and H in front where sequences or heads differ, always on the CPU), `weights` `[B, H, T, S]`,
/// `context` `[B, H, T, D]`.
///
/// **Conventions**: a query has the decay of the key at its own position, and it is an error if there is no such key,
/// as in cross-attention to fewer keys. Padding has a decay of 1. A rotation by position rotates keys before the decay
/// is computed from them.
///
/// **Where it deviates from Mamba-2**: there the decay and the step sizes of the values are projections of the hidden
/// state, a convolution and a gate surround the heads, and there is no factor 1/√D. Here the decay is computed from the
/// key, so that a decoder needs no more than a cache of keys and values. With w = 0 the decay of a head is constant, as
/// in RetNet ([`retention`](Self::retention)), which also rotates queries and keys and normalises the context.
///
/// **Source**: Dao & Gu 2024 (arXiv 2405.21060), section 5; Sun et al. 2023 (arXiv 2307.08621), section 2.1.
///
/// ```
/// use rankscope::{attention::{StateSpace, Visibility}, prelude::*};
/// let head = |heads, length: Axis, values: Vec<f32>| {
///     Tensor::new([(Axis::Batch, 1), (heads, 1), (length, 2), (Axis::HeadSize, 1)], values)
/// };
/// let q = head(Axis::Head, Axis::Query, vec![1., 2.])?;
/// let (k, v) = (head(Axis::KvHead, Axis::Key, vec![1., 3.])?, head(Axis::KvHead, Axis::Key, vec![10., 20.])?);
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(2, 2)?, padding: None };
/// let attention = StateSpace::retention(1, &[0.5])?;
/// let context = attention.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default())?;
/// assert_eq!(context.to_vec()?, [10., 130.]); // 1·1·10, and ½·2·1·10 + 2·3·20
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StateSpace {
    weight: Tensor,
    bias: Tensor,
}

const OP: &str = "state-space attention";

impl StateSpace {
    /// The mechanism with w `[G, D]` and β `[G]`.
    ///
    /// # Errors
    /// [`Error::Axes`] or [`Error::Size`] for other shapes, [`Error::Invalid`] for heads of size 0,
    /// [`Error::Placement`] if the devices differ.
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        let [expected, size] = weight.shape().expect(OP, "weight", [Axis::KvHead, Axis::HeadSize])?;
        let [got] = bias.shape().expect(OP, "bias", [Axis::KvHead])?;
        if size == 0 {
            return Err(Error::invalid(format!("{OP}: head size D"), size, "at least 1"));
        }
        expect_size(OP, "bias", Axis::KvHead, expected, got)?;
        bias.expect_same_device(OP, "bias", &weight.device())?;
        Ok(StateSpace { weight, bias })
    }

    /// The decays of RetNet: key/value head g decays by the same γ = `decays[g]` with every token.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a decay that is not between 0 and 1, or heads of size 0.
    pub fn retention(head_size: usize, decays: &[f64]) -> Result<Self> {
        if let Some(decay) = decays.iter().find(|&&decay| !(decay > 0.0 && decay < 1.0)) {
            return Err(Error::invalid(format!("{OP}: decay"), decay, "above 0 and below 1"));
        }
        // softplus(β) = −ln γ.
        let bias = decays.iter().map(|decay| ((1.0 - decay) / decay).ln() as f32).collect();
        let heads = (Axis::KvHead, decays.len());
        Self::new(Tensor::zeros([heads, (Axis::HeadSize, head_size)]), Tensor::new([heads], bias)?)
    }

    /// w, `[G, D]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// β, `[G]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// The same mechanism on `device`.
    ///
    /// # Errors
    /// As [`Tensor::to_device`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(StateSpace { weight: self.weight.to_device(device)?, bias: self.bias.to_device(device)? })
    }

    /// G and D.
    fn sizes(&self) -> [usize; 2] {
        [Axis::KvHead, Axis::HeadSize].map(|axis| self.weight.shape().size(axis).unwrap_or(0))
    }

    /// The state before any token of `batch` sequences.
    fn no_tokens(&self, batch: usize) -> Result<Tensor> {
        let [kv_heads, size] = self.sizes();
        no_tokens(batch, kv_heads, size, size, &self.weight.device())
    }
}

impl Attention for StateSpace {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        expect_no_bias(bias)?;
        run.check()?;
        let Visibility { mask, at, padding } = visibility;
        let decays = probe.visit("log_decays", log_decays(k, &self.weight, &self.bias, padding)?)?; // [B, G, S]
        let is_watched = ["scores", "mask", "weights"].iter().any(|name| probe.watches(name));
        let [_, size] = self.sizes();
        let [batch, heads, queries] =
            [Axis::Batch, Axis::Head, Axis::Query].map(|axis| q.shape().size(axis).unwrap_or(0));
        // Gradients are computed through the T × S matrix.
        let is_tracked = [q, k, v, &self.weight, &self.bias].iter().any(|x| x.is_tracked());
        if mask.is_same(&Mask::causal(), heads) && queries >= size && !is_watched && !is_tracked {
            let (context, _) = decayed_walk(&self.no_tokens(batch)?, q, k, v, &decays, at, padding, run)?;
            return probe.visit("context", context); // [B, H, T, D]
        }
        let scores = scores(q, k, usual_factor(size), None)?; // [B, H, T, S]
        mix_by_weights(scores, v, visibility, probe, |scores, allowed| {
            decayed_scores(scores, &decays, at, allowed)
        })
    }
}

/// The running state of causal state-space attention. A decoder keeps it in place of a KV cache; unlike a cache it does
/// not grow with the number of tokens.
///
/// For each key/value head it is D·D numbers, Σₛ (a\[s + 1\] ⋯ a\[t\]) k\[s\] v\[s\]ᵀ after token t. Clones share their
/// numbers, so it is cheap to keep a state and to go back to it.
///
/// ```
/// use rankscope::{attention::{StateSpace, StateSpaceState}, prelude::*};
/// let token = |heads, length: Axis, value| {
///     Tensor::new([(Axis::Batch, 1), (heads, 1), (length, 1), (Axis::HeadSize, 1)], vec![value])
/// };
/// let mut state = StateSpaceState::new(StateSpace::retention(1, &[0.5])?, 1)?;
/// for (query, key, value, expected) in [(1., 1., 10., 10.), (2., 3., 20., 130.)] {
///     let (q, k) = (token(Axis::Head, Axis::Query, query)?, token(Axis::KvHead, Axis::Key, key)?);
///     let context = state.step(&q, &k, &token(Axis::KvHead, Axis::Key, value)?, &Run::default())?;
///     assert_eq!(context.to_vec()?, [expected]);
/// }
/// assert_eq!((state.tokens(), state.sums().to_vec()?), (2, vec![65.])); // ½·1·10 + 3·20
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StateSpaceState {
    mechanism: StateSpace,
    sums: Tensor,
    tokens: usize,
}

impl StateSpaceState {
    /// The state before the first token of `batch` sequences, on the device of the mechanism.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the upload fails.
    pub fn new(mechanism: StateSpace, batch: usize) -> Result<Self> {
        Ok(StateSpaceState { sums: mechanism.no_tokens(batch)?, mechanism, tokens: 0 })
    }

    /// The context of the next T tokens, each of which sees itself and the tokens before it.
    ///
    /// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` with S = T; result `[B, H, T, D]`.
    ///
    /// **Conventions**: T = 1 is a step of decoding. After an error the state is unchanged.
    ///
    /// # Errors
    /// As [`log_decays`] and [`decayed_walk`]; [`Error::Size`] unless S = T.
    pub fn step(&mut self, q: &Tensor, k: &Tensor, v: &Tensor, run: &Run) -> Result<Tensor> {
        expect_same_length(OP, q, k)?;
        let decays = log_decays(k, &self.mechanism.weight, &self.mechanism.bias, None)?; // [B, G, S]
        let at = Positions { first_query: 0 };
        let (context, sums) = decayed_walk(&self.sums, q, k, v, &decays, at, None, run)?;
        self.tokens += q.shape().size(Axis::Query).unwrap_or(0);
        self.sums = sums;
        Ok(context)
    }

    /// The number of tokens in the state.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Its numbers, `[B, G, D, M]` with M = D.
    pub fn sums(&self) -> &Tensor {
        &self.sums
    }
}
