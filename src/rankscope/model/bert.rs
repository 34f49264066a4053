//! BERT: an encoder with learned positions and layer norm after each residual sum; and its relatives.
//!
//! x ← norm(x + attention(x)), x ← norm(x + W₂·GELU(W₁·x)); with a masked-language-model head and a pooler where
//! the checkpoint has them.
//!
//! RoBERTa counts positions from behind the padding's id, DistilBERT has neither segments nor pooler, and a UniLM
//! is a BERT trained under three masks: run it under `bidirectional`, `causal` or `prefix(p)` with p the length of
//! the source. As trained it is a prefix-LM with the prefix that `prefix_length` states. With `is_decoder` a BERT was
//! trained under the causal mask.
//!
//! **Source**: Devlin et al. 2018 (arXiv 1810.04805), section 3; Liu et al. 2019 (arXiv 1907.11692); Sanh et al.
//! 2019 (arXiv 1910.01108); Dong et al. 2019 (arXiv 1905.03197), section 2.3; tensor names as on the Hugging Face
//! hub. Variants of our own: [`Variant`](super::variant::Variant).

mod build;
mod dialect;

pub(super) use build::build;
#[cfg(test)]
pub(super) use build::transformer;
pub(super) use dialect::{BERT, DISTILBERT, ROBERTA, UNILM};

use super::Input;
use super::cache::LayerCache;
use super::encoder_decoder::Activation;
use super::transformer::{Body, LayerNorm, Pass};
use crate::attention::{Linear, Mechanism, MultiHead};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::ops::{add, add_bias, gather, linear, slice, tanh};
use crate::probe::{Probe, Scope};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The embeddings, the layers and what stands on them.
pub(super) struct Bert {
    pub(super) embeddings: Embeddings,
    layers: Vec<Layer>,
    pub(super) head: Option<Head>,
    pooler: Option<Linear>, // [C, C]
}

pub(super) struct Embeddings {
    pub(super) words: Weight, // [V, C]
    positions: Weight,        // [P, C]
    /// `[segments, C]`, where the family has segments.
    types: Option<Weight>,
    type_count: usize,
    norm: LayerNorm,
    /// The id of padding, where positions count from behind it.
    padding_id: Option<u32>,
}

struct Layer {
    self_attention: MultiHead,
    attention_norm: LayerNorm,
    up: Linear,   // [F, C]
    down: Linear, // [C, F]
    output_norm: LayerNorm,
    activation: Activation,
}

/// The masked-language-model head: dense, GELU (or what the layers have), norm, then the tied embedding and a bias.
pub(super) struct Head {
    transform: Linear, // [C, C]
    activation: Activation,
    norm: LayerNorm,
    pub(super) decoder: Weight, // [V, C]
    bias: Tensor,               // [V]
}

impl Embeddings {
    /// Words, positions and segments, summed and normed, `[B, T, C]`.
    fn forward(&self, input: &Input) -> Result<Tensor> {
        let batch = input.batch_size();
        let mut sum = gather(&self.words, input.ids(), batch)?;
        let types = input.token_types().map_or_else(|| vec![0; input.ids().len()], <[u32]>::to_vec);
        if let Some(&got) = types.iter().find(|&&kind| kind as usize >= self.type_count) {
            return Err(Error::invalid("token type id", got, format!("less than {}", self.type_count)));
        }
        if let Some(table) = &self.types {
            sum = add(sum, gather(table, &types, batch)?)?;
        }
        let positions = gather(&self.positions, &self.positions_of(input), batch)?;
        self.norm.forward(add(sum, positions)?)
    }

    /// The row of the table for every token: its place, or, behind the padding's id, its place among the tokens
    /// that are no padding.
    fn positions_of(&self, input: &Input) -> Vec<u32> {
        let sequences = input.ids().chunks(input.len());
        let Some(padding) = self.padding_id else {
            return sequences.flat_map(|_| 0..input.len() as u32).collect();
        };
        let count = |ids: &[u32]| -> Vec<u32> {
            let mut last = padding;
            let place = |&id: &u32| {
                last += u32::from(id != padding);
                if id == padding { padding } else { last }
            };
            ids.iter().map(place).collect()
        };
        sequences.flat_map(count).collect()
    }
}

impl Layer {
    fn forward(&self, x: &Tensor, pass: Pass<'_>, probe: &mut dyn Probe) -> Result<Tensor> {
        let Pass { visibility, run, .. } = pass;
        let mut scope = Scope::new("self_attention", probe);
        let update = self.self_attention.forward(x, x, None, visibility, &mut scope, run)?;
        let sum = probe.visit("after_attention", add(x, update)?)?; // [B, T, C]
        let x = probe.visit("attention_norm", self.attention_norm.forward(sum)?)?;
        let hidden = self.activation.of(self.up.forward(&x)?)?; // [B, T, F]
        let hidden = probe.visit("feed_forward.hidden", hidden)?;
        let update = probe.visit("feed_forward.output", self.down.forward(&hidden)?)?; // [B, T, C]
        let sum = probe.visit("after_feed_forward", add(x, update)?)?;
        probe.visit("output", self.output_norm.forward(sum)?)
    }
}

impl Body for Bert {
    const STACK: &'static str = "encoder";
    const CACHES: bool = false;

    fn embed(&self, input: &Input, _first: usize) -> Result<Tensor> {
        self.embeddings.forward(input)
    }

    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: Pass<'_>,
        _cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        self.layers[index].forward(x, pass, probe)
    }

    fn mechanism(&self) -> Option<&Mechanism> {
        self.layers.first().map(|layer| &layer.self_attention.mechanism)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(head) = &self.head else { return Ok(None) };
        let x = head.norm.forward(head.activation.of(head.transform.forward(hidden)?)?)?; // [B, T, C]
        let x = probe.visit("head_norm", x)?;
        add_bias(linear(&x, &head.decoder)?, &head.bias).map(Some) // [B, T, V]
    }

    /// tanh(W·h + b) of the first token's hidden state h.
    fn pooled(&self, hidden: &Tensor, _probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(pooler) = &self.pooler else { return Ok(None) };
        let first = slice(hidden, Axis::Query, 0..1)?; // [B, 1, C]
        let pooled = tanh(&pooler.forward(&first)?)?;
        let axes = pooled.shape().axes().iter().copied().filter(|&(axis, _)| axis != Axis::Query);
        pooled.reshape(axes.collect::<Vec<_>>()).map(Some) // [B, C]
    }
}
