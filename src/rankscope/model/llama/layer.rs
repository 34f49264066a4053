//! A layer: pre-norm, self-attention, pre-norm, feed-forward network.

use crate::attention::{Linear, MultiHead, Visibility};
use crate::error::Result;
use crate::model::cache::{self, LayerCache};
use crate::model::mixture::Mixture;
use crate::ops::{RotaryTable, add, multiply, rms_norm, silu};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// One layer.
pub(in crate::model) struct Layer {
    pub(in crate::model) attention_norm: Tensor, // [C]
    pub(in crate::model) self_attention: MultiHead,
    pub(in crate::model) feed_forward_norm: Tensor, // [C]
    pub(in crate::model) feed_forward: FeedForward,
}

/// What follows attention.
pub(in crate::model) enum FeedForward {
    /// One network, which every token visits.
    Gated(Gated),
    /// Several, of which each token visits a few.
    Mixture(Mixture),
}

/// W₂(SiLU(W₁·x) · W₃·x).
pub(in crate::model) struct Gated {
    pub(in crate::model) gate: Linear, // [F, C]
    pub(in crate::model) up: Linear,   // [F, C]
    pub(in crate::model) down: Linear, // [C, F]
}

/// What all layers of one pass share.
#[derive(Clone, Copy)]
pub(in crate::model) struct Pass<'a> {
    pub(in crate::model) epsilon: f32,
    /// The angles of the queries' positions.
    pub(in crate::model) rotation: &'a RotaryTable,
    pub(in crate::model) visibility: Visibility<'a>,
    pub(in crate::model) run: &'a Run,
}

impl Gated {
    /// SiLU(W₁·x) · W₃·x.
    pub(in crate::model) fn hidden(&self, x: &Tensor) -> Result<Tensor> {
        let gate = silu(&self.gate.forward(x)?)?; // [B, T, F]
        multiply(&gate, &self.up.forward(x)?)
    }

    fn forward(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let hidden = probe.visit("feed_forward.hidden", self.hidden(x)?)?; // [B, T, F]
        probe.visit("feed_forward.output", self.down.forward(&hidden)?) // [B, T, C]
    }
}

impl Layer {
    /// The residual stream `[B, T, C]` after this layer; with a cache, whose keys and values come first.
    pub(in crate::model) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.attend(x, pass, cache, probe)?;
        let x = probe.visit("after_attention", x)?;
        self.feed(&x, pass.epsilon, probe)
    }

    /// x + attention(norm(x)).
    pub(in crate::model) fn attend(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { epsilon, rotation, visibility, run } = pass;
        let normed = probe.visit("attention_norm", rms_norm(x, &self.attention_norm, epsilon)?)?;
        let attention = &self.self_attention;
        let update = cache::attend(attention, &normed, Some(rotation), visibility, cache, probe, run)?;
        add(x, &update) // [B, T, C]
    }

    /// x + network(norm(x)).
    pub(in crate::model) fn feed(&self, x: &Tensor, epsilon: f32, probe: &mut dyn Probe) -> Result<Tensor> {
        let normed = probe.visit("feed_forward_norm", rms_norm(x, &self.feed_forward_norm, epsilon)?)?;
        let update = match &self.feed_forward {
            FeedForward::Gated(network) => network.forward(&normed, probe)?,
            FeedForward::Mixture(mixture) => mixture.forward(&normed, probe)?,
        };
        probe.visit("output", add(x, &update)?) // [B, T, C]
    }
}
