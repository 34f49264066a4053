//! LLaMA: a decoder with RMS pre-norm, rotary positions, grouped queries and a gated feed-forward network; and the
//! families that differ from it by a field.
//!
//! x ← x + attention(norm(x)), x ← x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)), then norm and output layer.
//!
//! Mistral has a sliding window, Qwen2 biases of queries, keys and values and a window in some of its layers, Mixtral
//! a [`Mixture`] of experts for its feed-forward network.
//!
//! **Source**: Touvron et al. 2023 (arXiv 2302.13971), section 2.2; the others in their [`dialect`]; tensor names as
//! on the Hugging Face hub.
//!
//! [`Mixture`]: super::mixture::Mixture

mod build;
mod dialect;

pub(super) use build::{build, experts, is_tied};
pub(super) use dialect::{Dialect, LLAMA, MISTRAL, MIXTRAL, QWEN2};

use super::Input;
use super::cache::{LayerCache, Places};
use super::encoder_decoder::{self, Block, FeedForward, Network};
use super::mixture::Mixture;
use super::rope::Rotation;
use super::transformer::{Body, Pass, Transformer};
use crate::device::Device;
use crate::error::Result;
use crate::ops::{gather, linear, rms_norm};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// A LLaMA model.
pub(super) type Llama = Transformer<Layers<Feed>>;

/// The embedding, the layers, whose networks are of the kind N, and the output.
pub(super) struct Layers<N> {
    pub(super) rotation: Rotation,
    pub(super) epsilon: f32,
    pub(super) embedding: Weight, // [V, C]
    pub(super) blocks: Vec<Block<N>>,
    pub(super) final_norm: Tensor, // [C]
    /// `[V, C]`, the embedding itself where tied; none in a body without an output layer.
    pub(super) output: Option<Weight>,
}

/// What follows attention in a layer.
pub(super) enum Feed {
    /// One network, which every token visits.
    Network(Box<Network>),
    /// Several, of which each token visits a few.
    Mixture(Mixture),
}

impl FeedForward for Feed {
    fn forward(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        match self {
            Feed::Network(network) => network.forward(x, probe),
            Feed::Mixture(mixture) => mixture.forward(x, probe),
        }
    }
}

impl<N: FeedForward + Send + Sync> Body for Layers<N> {
    const STACK: &'static str = "decoder";
    const CACHES: bool = true;

    fn places(&self, first: usize, length: usize, device: &Device) -> Result<Places> {
        let table = self.rotation.table(first, length, device)?;
        Ok(Places { rotation: Some(table), bias: None })
    }

    fn embed(&self, input: &Input, _first: usize) -> Result<Tensor> {
        gather(&self.embedding, input.ids(), input.batch_size())
    }

    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { places, visibility, run } = pass;
        let pass = encoder_decoder::Pass { epsilon: self.epsilon, places, visibility, run };
        self.blocks[index].forward(x, pass, cache, probe)
    }

    fn finish(&self, x: Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        probe.visit("final_norm", rms_norm(x, &self.final_norm, self.epsilon)?)
    }

    fn logits(&self, hidden: &Tensor, _probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        self.output.as_ref().map(|output| linear(hidden, output)).transpose() // [B, T, V]
    }
}
