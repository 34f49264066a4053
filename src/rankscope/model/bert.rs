//! BERT: an encoder with learned positions and layer norm after each residual sum.
//!
//! x ← norm(x + attention(x)), x ← norm(x + W₂·GELU(W₁·x)); with a masked-language-model head where the
//! checkpoint has one.
//!
//! **Source**: Devlin et al. 2018 (arXiv 1810.04805), section 3; tensor names as on the Hugging Face hub.

mod load;

use super::tied::Ties;
use super::{Checkpoint, Description, Input, MaskChoice, Model};
use crate::attention::{Linear, MultiHead, Visibility};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::{GeluForm, add, add_bias, gather, gelu, layer_norm, linear};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The decoder of the masked-language-model head may be the embedding, and its bias has two names.
pub(super) static TIES: Ties = Ties {
    by_default: true,
    pairs: &[
        ("bert.embeddings.word_embeddings.weight", DECODER),
        ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ],
};

const DECODER: &str = "cls.predictions.decoder.weight";

/// A BERT model.
pub struct Bert {
    description: Description,
    device: Device,
    checkpoint: Checkpoint,
    pub(super) embeddings: Embeddings,
    layers: Vec<Layer>,
    pub(super) head: Option<Head>,
}

pub(super) struct Embeddings {
    pub(super) words: Weight, // [V, C]
    positions: Weight,        // [P, C]
    types: Weight,            // [segments, C]
    type_count: usize,
    norm: Norm,
}

struct Layer {
    self_attention: MultiHead,
    attention_norm: Norm,
    up: Linear,   // [F, C]
    down: Linear, // [C, F]
    output_norm: Norm,
    activation: GeluForm,
}

/// The masked-language-model head: dense, GELU, norm, then the tied embedding and a bias.
pub(super) struct Head {
    transform: Linear, // [C, C]
    activation: GeluForm,
    norm: Norm,
    pub(super) decoder: Weight, // [V, C]
    bias: Tensor,               // [V]
}

struct Norm {
    gain: Tensor, // [C]
    bias: Tensor, // [C]
    epsilon: f32,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.gain, &self.bias, self.epsilon)
    }
}

impl Bert {
    /// Words, positions and segments, summed and normed, `[B, T, C]`.
    fn embed(&self, input: &Input) -> Result<Tensor> {
        let batch = input.batch_size();
        let positions: Vec<u32> = (0..batch).flat_map(|_| 0..input.len() as u32).collect();
        let types = input.token_types().map_or_else(|| vec![0; input.ids().len()], <[u32]>::to_vec);
        if let Some(&got) = types.iter().find(|&&kind| kind as usize >= self.embeddings.type_count) {
            let expected = format!("less than {}", self.embeddings.type_count);
            return Err(Error::invalid("token type id", got, expected));
        }
        let words = gather(&self.embeddings.words, input.ids(), batch)?;
        let types = gather(&self.embeddings.types, &types, batch)?;
        let positions = gather(&self.embeddings.positions, &positions, batch)?;
        self.embeddings.norm.forward(&add(&add(&words, &types)?, &positions)?)
    }
}

impl Layer {
    fn forward(
        &self,
        x: &Tensor,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let mut scope = Scope::new("self_attention", probe);
        let update = self.self_attention.forward(x, x, None, visibility, &mut scope, run)?;
        let sum = probe.visit("after_attention", add(x, &update)?)?; // [B, T, C]
        let x = probe.visit("attention_norm", self.attention_norm.forward(&sum)?)?;
        let hidden = gelu(&self.up.forward(&x)?, self.activation)?; // [B, T, F]
        let hidden = probe.visit("feed_forward.hidden", hidden)?;
        let update = probe.visit("feed_forward.output", self.down.forward(&hidden)?)?; // [B, T, C]
        let sum = probe.visit("after_feed_forward", add(&x, &update)?)?;
        probe.visit("output", self.output_norm.forward(&sum)?)
    }
}

impl Model for Bert {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        input.check(&self.description)?;
        let mask = mask.resolve(&self.description);
        let visibility = Visibility { mask: &mask, at: input.positions(), padding: input.padding() };
        let mut x = probe.visit("embeddings", self.embed(input)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let mut scope = Scope::new(format!("encoder.{index}"), probe);
            x = layer.forward(&x, visibility, &mut scope, run)?;
            run.step("layer", index + 1, self.layers.len())?;
        }
        super::expect_finite(&self.checkpoint, "the last hidden state", x)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(head) = &self.head else { return Ok(None) };
        let x = head.norm.forward(&gelu(&head.transform.forward(hidden)?, head.activation)?)?; // [B, T, C]
        let x = probe.visit("head_norm", x)?;
        let logits = add_bias(&linear(&x, &head.decoder)?, &head.bias)?; // [B, T, V]
        let logits = super::expect_finite(&self.checkpoint, "logits", logits)?;
        probe.visit("logits", logits).map(Some)
    }
}
