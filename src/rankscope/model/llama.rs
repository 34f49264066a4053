//! LLaMA: a decoder with RMS pre-norm, rotary positions, grouped queries and a gated feed-forward network; and the
//! families that differ from it by a field.
//!
//! x ← x + attention(norm(x)), x ← x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)), then norm and output layer.
//!
//! Mistral has a sliding window, Qwen2 biases of queries, keys and values, Mixtral a [`Mixture`] of experts for its
//! feed-forward network.
//!
//! **Source**: Touvron et al. 2023 (arXiv 2302.13971), section 2.2; the others in their [`dialect`]; tensor names as
//! on the Hugging Face hub.
//!
//! [`Mixture`]: super::mixture::Mixture

mod build;
mod dialect;
mod layer;

pub(super) use build::build;
pub(super) use dialect::{LLAMA, MISTRAL, MIXTRAL, QWEN2};
pub(super) use layer::{FeedForward, Gated, Layer, Pass};

use super::Input;
use super::cache::LayerCache;
use super::transformer::{self, Body, Transformer};
use crate::device::Device;
use crate::error::Result;
use crate::ops::{RotaryTable, gather, linear, rms_norm};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// A LLaMA model.
pub(super) type Llama = Transformer<Layers>;

/// The embedding, the layers and the output.
pub(super) struct Layers {
    frequencies: Vec<f64>, // [D/2]
    epsilon: f32,
    pub(super) embedding: Weight, // [V, C]
    layers: Vec<Layer>,
    final_norm: Tensor,        // [C]
    pub(super) output: Weight, // [V, C], the embedding itself where tied
}

impl Body for Layers {
    const STACK: &'static str = "decoder";
    const CACHES: bool = true;
    type Shared = RotaryTable;

    fn shared(&self, first: usize, length: usize, device: &Device) -> Result<RotaryTable> {
        RotaryTable::from_frequencies(first, length, &self.frequencies, device)
    }

    fn embed(&self, input: &Input, _first: usize) -> Result<Tensor> {
        gather(&self.embedding, input.ids(), input.batch_size())
    }

    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: transformer::Pass<'_, RotaryTable>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let transformer::Pass { shared: rotation, visibility, run } = pass;
        let pass = Pass { epsilon: self.epsilon, rotation, visibility, run };
        self.layers[index].forward(x, pass, cache, probe)
    }

    fn finish(&self, x: Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        probe.visit("final_norm", rms_norm(&x, &self.final_norm, self.epsilon)?)
    }

    fn logits(&self, hidden: &Tensor, _probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        linear(hidden, &self.output).map(Some) // [B, T, V]
    }
}
