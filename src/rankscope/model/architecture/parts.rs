//! Random layers, and what both architectures do at their ends.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Sizes;
use crate::attention::{Linear, MultiHead, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::error::Result;
use crate::model::encoder_decoder::{Activation, Block, CrossBlock, Network};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// ε of every norm.
pub(super) const EPSILON: f32 = 1e-6;

/// Draws weights N(0, 1/in) in the order in which they are asked for; norms are ones.
pub(super) struct Source<'a> {
    random: ChaCha8Rng,
    sizes: Sizes,
    device: &'a Device,
}

impl<'a> Source<'a> {
    pub(super) fn new(sizes: Sizes, seed: u64, device: &'a Device) -> Self {
        Source { random: ChaCha8Rng::seed_from_u64(seed), sizes, device }
    }

    /// `[out, in]`.
    pub(super) fn weight(&mut self, out: (Axis, usize), inner: (Axis, usize)) -> Result<Weight> {
        let spread = 1.0 / (inner.1 as f32).sqrt();
        let draw = |_| -> f32 { spread * Distribution::<f32>::sample(&StandardNormal, &mut self.random) };
        let values: Vec<f32> = (0..out.1 * inner.1).map(draw).collect();
        Weight::new("random", [out, inner], Dtype::F32, &values)?.to_device(self.device)
    }

    fn linear(&mut self, out: (Axis, usize), inner: (Axis, usize)) -> Result<Linear> {
        Ok(Linear { weight: self.weight(out, inner)?, bias: None })
    }

    /// Ones, `[C]`.
    pub(super) fn norm(&self) -> Result<Tensor> {
        let width = self.sizes.width;
        Tensor::on_cpu(Shape::new([(Axis::Width, width)]), vec![1.0; width]).to_device(self.device)
    }

    /// The embedding `[V, C]`.
    pub(super) fn embedding(&mut self) -> Result<Weight> {
        self.weight((Axis::Vocab, self.sizes.vocab), (Axis::Width, self.sizes.width))
    }

    pub(super) fn attention(&mut self) -> Result<MultiHead> {
        let Sizes { width, heads, kv_heads, head_size, .. } = self.sizes;
        let width = (Axis::Width, width);
        let (all, shared) = ((Axis::HeadWidth, heads * head_size), (Axis::KvWidth, kv_heads * head_size));
        Ok(MultiHead {
            heads,
            kv_heads,
            query: self.linear(all, width)?,
            key: self.linear(shared, width)?,
            value: self.linear(shared, width)?,
            output: self.linear(width, all)?,
            mechanism: ScaledDotProduct::new(head_size).into(),
        })
    }

    pub(super) fn block(&mut self) -> Result<Block> {
        let (width, inner) = ((Axis::Width, self.sizes.width), (Axis::FeedForward, self.sizes.feed_forward));
        Ok(Block {
            attention_norm: self.norm()?,
            self_attention: self.attention()?,
            feed_forward_norm: self.norm()?,
            feed_forward: Network {
                gate: Some(self.linear(inner, width)?),
                up: self.linear(inner, width)?,
                down: self.linear(width, inner)?,
                activation: Activation::Silu,
            },
        })
    }

    pub(super) fn cross_block(&mut self) -> Result<CrossBlock> {
        let block = self.block()?;
        Ok(CrossBlock { block, cross_norm: self.norm()?, cross_attention: self.attention()? })
    }
}

/// Angular frequencies of rotary positions with the base 10 000, `[D/2]`.
pub(super) fn frequencies(head_size: usize) -> Vec<f64> {
    (0..head_size / 2).map(|pair| 10_000f64.powf(-2.0 * pair as f64 / head_size as f64)).collect()
}

/// Numbers in the weights of an attention.
pub(super) fn numbers_of(attention: &MultiHead) -> usize {
    let MultiHead { query, key, value, output, .. } = attention;
    [query, key, value, output].map(|linear| linear.weight.shape().len()).iter().sum()
}

/// Numbers in the weights of a block.
pub(super) fn numbers_in(block: &Block) -> usize {
    let Block { attention_norm, self_attention, feed_forward_norm, feed_forward } = block;
    let linears = feed_forward.gate.iter().chain([&feed_forward.up, &feed_forward.down]);
    let linears: usize = linears.map(|linear| linear.weight.shape().len()).sum();
    let norms = attention_norm.shape().len() + feed_forward_norm.shape().len();
    numbers_of(self_attention) + linears + norms
}
