//! Bytes: weights, the cache of keys and values, the matrices of attention.

use serde::Serialize;

use super::operations::Load;
use super::parameters::total;
use super::sizes::{ModelSizes, Sees, StackSizes, product};
use crate::weight::Dtype;

/// Bytes that a model needs for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Bytes of one number.
    pub bytes_per_number: u128,
    /// All parameters.
    pub weights: u128,
    /// Keys and values of each further position of the decoder, 2·L·G·D numbers.
    pub cache_per_token: u128,
    /// Keys and values that cross-attention keeps for each token of the source, 2·L·G·D numbers.
    pub cache_per_source_token: u128,
    /// The running sums of a sequence, in place of keys and values: L·H·D·(D + 1) numbers in linear attention, L·H·D·D
    /// in state-space attention.
    pub state_per_sequence: u128,
    /// Keys, values and running sums of all sequences of the load.
    pub cache: u128,
    /// The scores of one layer where they are materialised: B·H·T·S numbers of its largest attention.
    pub scores_per_layer: u128,
    /// The weights of attention of all layers, which training keeps for the backward pass.
    pub scores_all_layers: u128,
}

impl ModelSizes {
    /// Bytes of weights, cache and scores with numbers of `dtype`.
    ///
    /// **Conventions**: a sliding window limits the positions in the cache of a layer. A kernel with an online softmax
    /// stores no scores and does not need these bytes. A model without a decoder keeps no cache.
    pub fn memory(&self, load: Load, dtype: Dtype) -> Bytes {
        let bytes = dtype.size_bytes() as u128;
        let Load { batch, source, .. } = load;
        let target = load.target();
        let (own, cross) = self.decoder.as_ref().map_or((0, 0), cached_numbers);
        let state = self.decoder.as_ref().map_or(0, state_numbers);
        let held = self.decoder.as_ref().map_or(0, |stack| stack.held(target));
        let layers = self.decoder.as_ref().map_or(1, |stack| stack.layers as u128);
        let scores: Vec<[u128; 2]> = self.stacks().map(|(name, stack)| stack.scores(name, load)).collect();
        Bytes {
            bytes_per_number: bytes,
            weights: bytes * total(&self.parts()),
            cache_per_token: bytes * own,
            cache_per_source_token: bytes * cross,
            state_per_sequence: bytes * state,
            cache: bytes * batch as u128 * (own / layers * held + cross * source as u128 + state),
            scores_per_layer: bytes * scores.iter().map(|[one, _]| *one).max().unwrap_or(0),
            scores_all_layers: bytes * scores.iter().map(|[_, all]| *all).sum::<u128>(),
        }
    }
}

/// The numbers that a decoder keeps for each of its own positions, and for each position of the source.
fn cached_numbers(stack: &StackSizes) -> (u128, u128) {
    let of = |kv_heads: usize, head_size: usize| 2 * product([stack.layers, kv_heads, head_size]);
    let own = match stack.self_attention {
        attention if attention.is_linear() => 0,
        attention => of(attention.kv_heads, attention.head_size),
    };
    let cross = stack.cross_attention.map_or(0, |attention| of(attention.kv_heads, attention.head_size));
    (own, cross)
}

/// The number of values in the running sums of a sequence.
fn state_numbers(stack: &StackSizes) -> u128 {
    let attention = stack.self_attention;
    product([stack.layers, attention.kv_heads, attention.state])
}

impl StackSizes {
    /// How many of `tokens` positions have keys and values that are still needed, summed over the layers.
    fn held(&self, tokens: usize) -> u128 {
        let in_one = |sees| match sees {
            Sees::Window(window) => window.min(tokens),
            _ => tokens,
        };
        self.over_layers(|sees| in_one(sees) as u128)
    }

    /// The number of scores in the larger attention of a layer, and in all attentions of all layers.
    fn scores(&self, name: &str, load: Load) -> [u128; 2] {
        let Load { batch, source, .. } = load;
        let tokens = if name == "encoder" { source } else { load.target() };
        let is_stored = u128::from(!self.self_attention.is_linear());
        let own = is_stored * product([batch, self.self_attention.heads, tokens, tokens]);
        let cross = self.cross_attention.map_or(0, |other| product([batch, other.heads, tokens, source]));
        [own.max(cross), self.layers as u128 * (own + cross)]
    }
}
