//! [`Block`]: one layer of any family: attention and a feed-forward network, each with a norm and a skip.
//!
//! Pre-norm (GPT-2, LLaMA, T5): x ← x + attention(norm(x)), x ← x + network(norm(x)).
//! Post-norm (GPT-1, BERT): x ← norm(x + attention(x)), x ← norm(x + network(x)).
//! A decoder of two stacks attends to the encoder's output in between: [`CrossBlock`].

use super::cache::{LayerCache, Places, attend};
use super::feed_forward::FeedForward;
use crate::attention::{Inputs, MultiHead, Visibility};
use crate::error::Result;
use crate::mask::{Mask, Padding, Positions};
use crate::ops::{add, layer_norm, rms_norm};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;

/// A norm of rows with its parameters.
pub(super) enum Norm {
    /// (x − mean) / √(variance + ε) · gain + bias.
    Layer { gain: Tensor, bias: Tensor, epsilon: f32 },
    /// x / √(mean of squares + ε) · gain.
    Rms { gain: Tensor, epsilon: f32 },
}

impl Norm {
    /// **Shapes**: x and the result `[…, C]`, gain and bias `[C]`.
    pub(super) fn forward(&self, x: impl Into<Tensor>) -> Result<Tensor> {
        match self {
            Norm::Layer { gain, bias, epsilon } => layer_norm(x, gain, bias, *epsilon),
            Norm::Rms { gain, epsilon } => rms_norm(x, gain, *epsilon),
        }
    }

    /// How many parameters it has.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Norm::Layer { gain, bias, .. } => gain.shape().len() + bias.shape().len(),
            Norm::Rms { gain, .. } => gain.shape().len(),
        }
    }
}

/// Self-attention and a feed-forward network.
pub(super) struct Block {
    pub(super) attention_norm: Norm,
    pub(super) self_attention: MultiHead,
    pub(super) feed_forward_norm: Norm,
    pub(super) feed_forward: FeedForward,
    /// Whether norms come before the updates; otherwise they come after the sums.
    pub(super) is_pre_norm: bool,
}

/// A decoder's block in a model of two stacks: attention to the encoder's output between self-attention and network.
pub(super) struct CrossBlock {
    pub(super) block: Block,
    pub(super) cross_norm: Norm,
    pub(super) cross_attention: MultiHead,
}

/// The arguments that all blocks of a stack share in one pass.
#[derive(Clone, Copy)]
pub(super) struct StackPass<'a> {
    pub(super) places: &'a Places,
    pub(super) visibility: Visibility<'a>,
    pub(super) run: &'a Run,
}

/// The keys and values that one layer's cross-attention reads.
#[derive(Clone, Copy)]
pub(super) struct CrossSource<'a> {
    pub(super) layer: &'a LayerCache,
    pub(super) padding: Option<&'a Padding>,
}

impl Block {
    /// The residual stream `[B, T, C]` after this block; with a cache, its keys and values come before those of x.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: StackPass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.attend(x, pass, cache, probe)?;
        self.feed(&x, probe)
    }

    /// x + attention(norm(x)), or norm(x + attention(x)).
    fn attend(
        &self,
        x: &Tensor,
        pass: StackPass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let StackPass { places, visibility, run } = pass;
        let (norm, attention) = (&self.attention_norm, &self.self_attention);
        if self.is_pre_norm {
            let normed = probe.visit("attention_norm", norm.forward(x)?)?;
            let update = attend(attention, &normed, places, visibility, cache, &mut *probe, run)?; // [B, T, C]
            return probe.visit("after_attention", add(x, update)?);
        }
        let update = attend(attention, x, places, visibility, cache, &mut *probe, run)?; // [B, T, C]
        let sum = probe.visit("after_attention", add(x, update)?)?;
        probe.visit("attention_norm", norm.forward(sum)?)
    }

    /// x + network(norm(x)), or norm(x + network(x)).
    fn feed(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let (norm, network) = (&self.feed_forward_norm, &self.feed_forward);
        if self.is_pre_norm {
            let normed = probe.visit("feed_forward_norm", norm.forward(x)?)?;
            let update = network.forward(&normed, probe)?; // [B, T, C]
            return probe.visit("output", add(x, update)?);
        }
        let update = network.forward(x, probe)?; // [B, T, C]
        let sum = probe.visit("after_feed_forward", add(x, update)?)?;
        probe.visit("output", norm.forward(sum)?)
    }
}

impl CrossBlock {
    /// The residual stream `[B, T, C]` after this block: self-attention, attention to the encoder, network.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        source: CrossSource<'_>,
        pass: StackPass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.block.attend(x, pass, cache, probe)?;
        let x = self.attend_to_encoder(&x, source, pass, probe)?;
        self.block.feed(&x, probe)
    }

    /// x + attention(norm(x), encoder's output). There is no mask except padding, and no position bias.
    fn attend_to_encoder(
        &self,
        x: &Tensor,
        source: CrossSource<'_>,
        pass: StackPass<'_>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let normed = probe.visit("cross_attention_norm", self.cross_norm.forward(x)?)?;
        let (attention, mut scope) = (&self.cross_attention, Scope::new("cross_attention", &mut *probe));
        let q = attention.query(&normed, pass.places.rotation.as_ref(), &mut scope)?; // [B, H, T, D]
        let (mask, at) = (Mask::bidirectional(), Positions { first_query: 0 });
        let visibility = Visibility { mask: &mask, at, padding: source.padding };
        let (k, v) = (source.layer.keys(), source.layer.values()); // [B, G, S, D]
        let inputs = Inputs { q: &q, k, v, bias: None, visibility };
        let update = attention.attend(&normed, inputs, &mut scope, pass.run)?; // [B, T, C]
        probe.visit("after_cross_attention", add(x, update)?)
    }
}
