//! The blocks of an encoder-decoder: RMS pre-norm, attention, feed-forward network, nothing with a bias.

use super::network::{FeedForward, Network};
use crate::attention::{MultiHead, Visibility};
use crate::error::Result;
use crate::mask::{Mask, Padding, Positions};
use crate::model::cache::{LayerCache, Places, attend};
use crate::ops::{add, rms_norm};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;

/// Self-attention and a feed-forward network: all of an encoder's block, the ends of a decoder's.
pub(in crate::model) struct Block<N = Network> {
    pub(in crate::model) attention_norm: Tensor, // [C]
    pub(in crate::model) self_attention: MultiHead,
    pub(in crate::model) feed_forward_norm: Tensor, // [C]
    pub(in crate::model) feed_forward: N,
}

/// A decoder's block: between self-attention and network it looks at the encoder.
pub(in crate::model) struct CrossBlock {
    pub(in crate::model) block: Block,
    pub(in crate::model) cross_norm: Tensor, // [C]
    pub(in crate::model) cross_attention: MultiHead,
}

/// What all blocks of one pass share.
#[derive(Clone, Copy)]
pub(in crate::model) struct Pass<'a> {
    pub(in crate::model) epsilon: f32,
    pub(in crate::model) places: &'a Places,
    pub(in crate::model) visibility: Visibility<'a>,
    pub(in crate::model) run: &'a Run,
}

/// What cross-attention looks at.
#[derive(Clone, Copy)]
pub(in crate::model) struct Source<'a> {
    pub(in crate::model) layer: &'a LayerCache,
    pub(in crate::model) padding: Option<&'a Padding>,
}

impl<N: FeedForward> Block<N> {
    /// The residual stream `[B, T, C]` after this block; with a cache, whose keys and values come first.
    pub(in crate::model) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.attend(x, pass, cache, probe)?;
        self.feed(&x, pass.epsilon, probe)
    }

    /// x + attention(norm(x)).
    fn attend(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { epsilon, places, visibility, run } = pass;
        let normed = probe.visit("attention_norm", rms_norm(x, &self.attention_norm, epsilon)?)?;
        let attention = &self.self_attention;
        let update = attend(attention, &normed, places, visibility, cache, &mut *probe, run)?; // [B, T, C]
        probe.visit("after_attention", add(x, update)?)
    }

    /// x + network(norm(x)).
    fn feed(&self, x: &Tensor, epsilon: f32, probe: &mut dyn Probe) -> Result<Tensor> {
        let normed = probe.visit("feed_forward_norm", rms_norm(x, &self.feed_forward_norm, epsilon)?)?;
        let update = self.feed_forward.forward(&normed, probe)?; // [B, T, C]
        probe.visit("output", add(x, update)?)
    }
}

impl CrossBlock {
    /// The residual stream `[B, T, C]` after this block: self-attention, attention to the encoder, network.
    pub(in crate::model) fn forward(
        &self,
        x: &Tensor,
        source: Source<'_>,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.block.attend(x, pass, cache, probe)?;
        let x = self.look(&x, source, pass, probe)?;
        self.block.feed(&x, pass.epsilon, probe)
    }

    /// x + attention(norm(x), encoder's output). No mask but padding, and no bias of positions.
    fn look(&self, x: &Tensor, source: Source<'_>, pass: Pass<'_>, probe: &mut dyn Probe) -> Result<Tensor> {
        let normed = probe.visit("cross_attention_norm", rms_norm(x, &self.cross_norm, pass.epsilon)?)?;
        let (attention, mut scope) = (&self.cross_attention, Scope::new("cross_attention", &mut *probe));
        let q = attention.query(&normed, pass.places.rotation.as_ref(), &mut scope)?; // [B, H, T, D]
        let (mask, at) = (Mask::bidirectional(), Positions { first_query: 0 });
        let visibility = Visibility { mask: &mask, at, padding: source.padding };
        let (k, v) = (source.layer.keys(), source.layer.values()); // [B, G, S, D]
        let update = attention.attend(&q, k, v, visibility, &mut scope, pass.run)?; // [B, T, C]
        probe.visit("after_cross_attention", add(x, update)?)
    }
}
