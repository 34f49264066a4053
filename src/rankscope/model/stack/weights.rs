//! The seeded weights of one layer.

use ndarray::Array2;

use super::Architecture;
use crate::random::fan_in;

/// The matrices of one layer, each `[out, in]` as in y = x·Wᵀ.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// `[HD, C]`.
    pub query: Array2<f64>,
    /// `[HD, C]`.
    pub key: Array2<f64>,
    /// `[HD, C]`.
    pub value: Array2<f64>,
    /// `[C, HD]`.
    pub output: Array2<f64>,
    /// The feed-forward network, where there is one.
    pub feed_forward: Option<FeedForward>,
}

/// The matrices of a feed-forward network, W₂·GELU(W₁·x).
#[derive(Clone, Debug)]
pub struct FeedForward {
    /// W₁, `[F, C]`.
    pub up: Array2<f64>,
    /// W₂, `[C, F]`.
    pub down: Array2<f64>,
}

impl LayerWeights {
    pub(super) fn draw(architecture: &Architecture, seed: u64, layer: usize) -> Self {
        let Architecture { heads, head_size, width, feed_forward, .. } = *architecture;
        let all_heads = heads * head_size;
        // Six places for each layer, even if there is no feed-forward network.
        let matrix =
            |place: u64, out: usize, inner: usize| fan_in(out, inner, seed, layer as u64 * 6 + place);
        LayerWeights {
            query: matrix(0, all_heads, width),
            key: matrix(1, all_heads, width),
            value: matrix(2, all_heads, width),
            output: matrix(3, width, all_heads),
            feed_forward: feed_forward
                .map(|size| FeedForward { up: matrix(4, size, width), down: matrix(5, width, size) }),
        }
    }
}
