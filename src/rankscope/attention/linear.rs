//! Linear attention: a kernel in place of the softmax.

use super::{Attention, Inputs, Visibility, expect_no_bias, mix_by_weights, scores};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::ops::{
    FeatureMap, feature_map, linear_attention, linear_step, masked_normalise, no_tokens, reach_of_heads,
};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Linear attention: φ(Q)·φ(K)ᵀ over the allowed keys, rows divided by their sums, times V.
///
/// Before the division the weights have rank D at most. When no probe watches them, and the mask is bidirectional,
/// causal, anti-causal or a prefix (also mixed by head), they are never computed: φ(K)ᵀ·V is summed first, at a cost
/// linear in T and S. Otherwise the T × S matrix is computed, at a quadratic cost, with the same result except for
/// rounding.
///
/// **Probe points**: `scores` `[B, H, T, S]` (before the mask), `mask` (0 and 1, `[T, S]`, with B and H in front
/// where sequences or heads differ, always on the CPU), `weights` `[B, H, T, S]`, `context` `[B, H, T, D]`.
///
/// **Conventions**: a query whose scores add up to 0 has weights 0 and context 0: with relu, this is a query that
/// shares no positive feature with any key that it may attend to.
///
/// **Source**: Katharopoulos et al. 2020 (arXiv 2006.16236), section 3.2.
///
/// ```
/// use rankscope::{attention::{LinearAttention, Visibility}, ops::FeatureMap, prelude::*};
/// let head = |length: Axis, values: Vec<f32>| {
///     Tensor::new([(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 1)], values)
/// };
/// let (q, k) = (head(Axis::Query, vec![1., 1.])?, head(Axis::Key, vec![0., 2.])?); // features 2, 2 and 1, 3
/// let v = head(Axis::Key, vec![10., 20.])?;
/// let mask = Mask::causal();
/// let visibility = Visibility { mask: &mask, at: Positions::suffix(2, 2)?, padding: None };
/// let attention = LinearAttention::new(FeatureMap::EluPlusOne);
/// let context = attention.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default())?;
/// assert_eq!(context.to_vec()?, [10., 17.5]); // (2·1·10 + 2·3·20) / (2·1 + 2·3)
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearAttention {
    map: FeatureMap,
}

impl LinearAttention {
    /// Linear attention with the feature map `map`.
    pub fn new(map: FeatureMap) -> Self {
        LinearAttention { map }
    }

    /// Its feature map.
    pub fn map(&self) -> FeatureMap {
        self.map
    }
}

impl Attention for LinearAttention {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        expect_no_bias(bias)?;
        run.check()?;
        let (q, k) = (feature_map(q, self.map)?, feature_map(k, self.map)?);
        let Visibility { mask, at, padding } = visibility;
        let is_watched = ["scores", "mask", "weights"].iter().any(|name| probe.watches(name));
        let (heads, keys) = (q.shape().size(Axis::Head), k.shape().size(Axis::Key));
        let is_linear = reach_of_heads(mask, heads.unwrap_or(1), keys.unwrap_or(0)).is_some();
        if is_linear && !is_watched {
            return probe.visit("context", linear_attention(&q, &k, v, mask, at, padding, run)?);
        }
        let scores = scores(&q, &k, 1.0, None)?; // [B, H, T, S]
        mix_by_weights(scores, v, visibility, probe, masked_normalise)
    }
}

/// The running sums of causal linear attention. A decoder keeps them in place of a KV cache; unlike a cache they do
/// not grow with the number of tokens.
///
/// For each key/value head it is D·(D + 1) numbers, Σₛ φ(k\[s\]) v\[s\]ᵀ and Σₛ φ(k\[s\]), for any number of
/// tokens. Clones share their numbers, so it is cheap to keep a state and to go back to it.
///
/// ```
/// use rankscope::{attention::LinearState, ops::FeatureMap, prelude::*};
/// let token = |heads, length: Axis, value| {
///     Tensor::new([(Axis::Batch, 1), (heads, 1), (length, 1), (Axis::HeadSize, 1)], vec![value])
/// };
/// let mut state = LinearState::new(FeatureMap::Relu, 1, 1, 1, &Device::Cpu)?;
/// for (key, value, expected) in [(1., 10., 10.), (3., 20., 17.5)] {
///     let (q, k) = (token(Axis::Head, Axis::Query, 1.)?, token(Axis::KvHead, Axis::Key, key)?);
///     let context = state.step(&q, &k, &token(Axis::KvHead, Axis::Key, value)?, &Run::default())?;
///     assert_eq!(context.to_vec()?, [expected]);
/// }
/// assert_eq!(state.tokens(), 2);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearState {
    map: FeatureMap,
    sums: Tensor,
    tokens: usize,
}

impl LinearState {
    /// The state before the first token, for `batch` sequences with `kv_heads` key/value heads of size `head_size`.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) if the upload fails.
    pub fn new(
        map: FeatureMap,
        batch: usize,
        kv_heads: usize,
        head_size: usize,
        device: &Device,
    ) -> Result<Self> {
        let sums = no_tokens(batch, kv_heads, head_size, head_size + 1, device)?;
        Ok(LinearState { map, sums, tokens: 0 })
    }

    /// The context of the next T tokens, each of which sees itself and the tokens before it.
    ///
    /// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` with S = T; result `[B, H, T, D]`.
    ///
    /// **Conventions**: T = 1 is a step of decoding. After an error the state is unchanged.
    ///
    /// # Errors
    /// As [`linear_step`].
    pub fn step(&mut self, q: &Tensor, k: &Tensor, v: &Tensor, run: &Run) -> Result<Tensor> {
        let (q, k) = (feature_map(q, self.map)?, feature_map(k, self.map)?);
        let (context, sums) = linear_step(&self.sums, &q, &k, v, run)?;
        self.tokens += q.shape().size(Axis::Query).unwrap_or(0);
        self.sums = sums;
        Ok(context)
    }

    /// The number of tokens in the sums.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Its numbers, `[B, G, D, M]` with M = D + 1: Σₛ φ(k\[s\]) v\[s\]ᵀ and, as the last column, Σₛ φ(k\[s\]).
    pub fn sums(&self) -> &Tensor {
        &self.sums
    }
}
