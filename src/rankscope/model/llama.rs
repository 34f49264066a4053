//! LLaMA: a decoder with RMS pre-norm, rotary positions, grouped queries and a gated feed-forward network.
//!
//! x ← x + attention(norm(x)), x ← x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)), then norm and output layer.
//!
//! **Source**: Touvron et al. 2023 (arXiv 2302.13971), section 2.2; tensor names as on the Hugging Face hub.

use super::builder::{Builder, NamedSize};
use super::cache::{LayerCache, attend};
use super::transformer::{self, Body, Transformer};
use super::{Config, Description, Input, rope};
use crate::attention::{Linear, MultiHead, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::ops::{RotaryTable, add, gather, linear, multiply, rms_norm, silu};
use crate::probe::Probe;
use crate::run::Run;
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

/// One layer: pre-norm, self-attention, pre-norm, gated feed-forward network.
pub(super) struct Layer {
    pub(super) attention_norm: Tensor, // [C]
    pub(super) self_attention: MultiHead,
    pub(super) feed_forward_norm: Tensor, // [C]
    pub(super) gate: Linear,              // [F, C]
    pub(super) up: Linear,                // [F, C]
    pub(super) down: Linear,              // [C, F]
}

/// What all layers of one pass share.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) epsilon: f32,
    /// The angles of the queries' positions.
    pub(super) rotation: &'a RotaryTable,
    pub(super) visibility: Visibility<'a>,
    pub(super) run: &'a Run,
}

/// The fields of `config.json` that decide the layers' shapes.
struct Sizes {
    width: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    attention_bias: bool,
    feed_forward_bias: bool,
}

impl Sizes {
    fn read(config: &Config) -> Result<Self> {
        let (width, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        let kv_heads = config.optional_size("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of num_attention_heads = {heads}");
            return Err(config.wrong("num_key_value_heads", &kv_heads.to_string(), &expected));
        }
        let head_size = match config.optional_size("head_dim")? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let expected = format!("a multiple of num_attention_heads = {heads} (or head_dim beside it)");
                return Err(config.wrong("hidden_size", &width.to_string(), &expected));
            }
        };
        Ok(Sizes {
            width,
            feed_forward: config.size("intermediate_size")?,
            heads,
            kv_heads,
            head_size,
            attention_bias: config.optional("attention_bias")?.unwrap_or(false),
            feed_forward_bias: config.optional("mlp_bias")?.unwrap_or(false),
        })
    }
}

impl Llama {
    /// Builds the model.
    ///
    /// # Errors
    /// An error naming the field or tensor that is missing, wrong or not implemented.
    pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Self> {
        let sizes = Sizes::read(config)?;
        let activation: String = config.get("hidden_act")?;
        if activation != "silu" {
            return Err(config.wrong("hidden_act", &format!("{activation:?}"), "\"silu\""));
        }
        let (vocab, width) = ((Axis::Vocab, config.size("vocab_size")?), (Axis::Width, sizes.width));
        let frequencies = rope::frequencies(config, sizes.head_size)?;
        let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(false);
        let names = ["model.embed_tokens.weight", "lm_head.weight"];
        let [embedding, output] = builder.tied(names, [vocab, width], is_tied)?;
        let layers = (0..config.layers("num_hidden_layers")?)
            .map(|layer| Layer::build(&sizes, builder, &format!("model.layers.{layer}")))
            .collect::<Result<Vec<_>>>()?;
        let final_norm = builder.gain("model.norm.weight", width)?;
        let record = builder.finish(&[])?;
        let description = Description {
            family: "llama",
            layers: layers.len(),
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_size: sizes.head_size,
            width: sizes.width,
            feed_forward: sizes.feed_forward,
            vocab: vocab.1,
            context: config.size("max_position_embeddings")?,
            trained_mask: Mask::causal(),
            encoder: None,
            other_mask: None,
            parameters: record.parameters(),
            dtype: embedding.dtype(),
        };
        let epsilon = config.get("rms_norm_eps")?;
        let body = Layers { frequencies, epsilon, embedding, layers, final_norm, output };
        Ok(Transformer { description, device: builder.device().clone(), record, body })
    }
}

impl Layer {
    fn build(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<Self> {
        let width = (Axis::Width, sizes.width);
        let attention_norm = builder.gain(&format!("{path}.input_layernorm.weight"), width)?;
        let mut linear = |name: &str, out: NamedSize, inner: NamedSize, biased: bool| {
            builder.linear(&format!("{path}.{name}"), out, inner, biased)
        };
        let heads = (Axis::HeadWidth, sizes.heads * sizes.head_size);
        let kv_heads = (Axis::KvWidth, sizes.kv_heads * sizes.head_size);
        let inner = (Axis::FeedForward, sizes.feed_forward);
        let (biased, inner_biased) = (sizes.attention_bias, sizes.feed_forward_bias);
        let self_attention = MultiHead {
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            query: linear("self_attn.q_proj", heads, width, biased)?,
            key: linear("self_attn.k_proj", kv_heads, width, biased)?,
            value: linear("self_attn.v_proj", kv_heads, width, biased)?,
            output: linear("self_attn.o_proj", width, heads, biased)?,
            mechanism: ScaledDotProduct::new(sizes.head_size).into(),
        };
        let gate = linear("mlp.gate_proj", inner, width, inner_biased)?;
        let up = linear("mlp.up_proj", inner, width, inner_biased)?;
        let down = linear("mlp.down_proj", width, inner, inner_biased)?;
        let feed_forward_norm = builder.gain(&format!("{path}.post_attention_layernorm.weight"), width)?;
        Ok(Layer { attention_norm, self_attention, feed_forward_norm, gate, up, down })
    }

    /// The residual stream `[B, T, C]` after this layer; with a cache, whose keys and values come first.
    pub(super) fn forward(
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
    pub(super) fn attend(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { epsilon, rotation, visibility, run } = pass;
        let normed = probe.visit("attention_norm", rms_norm(x, &self.attention_norm, epsilon)?)?;
        let update = attend(&self.self_attention, &normed, Some(rotation), visibility, cache, probe, run)?;
        add(x, &update) // [B, T, C]
    }

    /// x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)).
    pub(super) fn feed(&self, x: &Tensor, epsilon: f32, probe: &mut dyn Probe) -> Result<Tensor> {
        let normed = probe.visit("feed_forward_norm", rms_norm(x, &self.feed_forward_norm, epsilon)?)?;
        let gate = silu(&self.gate.forward(&normed)?)?; // [B, T, F]
        let hidden = multiply(&gate, &self.up.forward(&normed)?)?;
        let hidden = probe.visit("feed_forward.hidden", hidden)?; // [B, T, F]
        let update = probe.visit("feed_forward.output", self.down.forward(&hidden)?)?; // [B, T, C]
        probe.visit("output", add(x, &update)?)
    }
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
