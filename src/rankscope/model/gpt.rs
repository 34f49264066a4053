//! What GPT-1 and GPT-2 share: learned positions, a fused projection for queries, keys and values, and
//! matrices stored `[in, out]`.

use super::builder::Builder;
use super::cache::{self, LayerCache};
use super::encoder_decoder::Activation;
use super::transformer::{Body, LayerNorm, Pass, Transformer};
use super::variant::Variant;
use super::{Config, Description, Input};
use crate::attention::{Linear, Mechanism, MultiHead, ScaledDotProduct};
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;
use crate::ops::{add, gather, linear};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The embeddings, the layers and the output.
pub(super) struct Gpt {
    words: Weight,     // [V, C]
    positions: Weight, // [P, C]
    layers: Vec<Layer>,
    final_norm: Option<LayerNorm>,
    /// `[V, C]`, the words themselves where tied; absent of a bare body and of one with another head.
    output: Option<Weight>,
}

struct Layer {
    attention_norm: LayerNorm,
    self_attention: MultiHead,
    feed_forward_norm: LayerNorm,
    up: Linear,   // [F, C]
    down: Linear, // [C, F]
    activation: Activation,
    /// Whether norms stand before the updates or after the sums.
    is_pre_norm: bool,
}

/// What tells the two families apart, and the sizes.
pub(super) struct Plan {
    pub(super) family: &'static str,
    /// What the words and the positions are called.
    pub(super) tables: [&'static str; 2],
    pub(super) feed_forward: usize,
    pub(super) activation: Activation,
    pub(super) scale: Scale,
    /// Whether norms stand before the updates or after the sums.
    pub(super) is_pre_norm: bool,
    /// Whether there is an output layer.
    pub(super) has_output: bool,
    /// The name of the final norm, where there is one.
    pub(super) final_norm: Option<&'static str>,
    pub(super) variant: Variant,
}

/// What scores are multiplied by before the softmax, beside the mechanism's own factor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// 1/√D.
    Usual,
    /// 1/√D where `by_size`, and 1/(i + 1) in layer i where `by_layer`.
    Stated { by_size: bool, by_layer: bool },
}

impl Plan {
    /// The mechanism of layer `index`, with its factor.
    fn mechanism(&self, index: usize) -> Mechanism {
        let Scale::Stated { by_size, by_layer } = self.scale else { return self.variant.mechanism };
        let size = if by_size { (self.variant.head_size as f64).sqrt() } else { 1.0 };
        let layer = if by_layer { index as f64 + 1.0 } else { 1.0 };
        ScaledDotProduct::with_factor((1.0 / (size * layer)) as f32).into()
    }

    /// Builds the model, with or without the prefix `transformer.` of its names.
    pub(super) fn build(self, config: &Config, builder: &mut Builder<'_>) -> Result<Transformer<Gpt>> {
        let (c, heads) = (config.size("n_embd")?, config.size("n_head")?);
        let (width, vocab) = ((Axis::Width, c), (Axis::Vocab, config.size("vocab_size")?));
        let (context, layers) = (config.size("n_positions")?, config.layers("n_layer")?);
        let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
        let epsilon = config.stated_epsilon("layer_norm_epsilon")?;
        let is_bare = !builder.has(&format!("transformer.{}.weight", self.tables[1]), true);
        let prefix = if is_bare { "" } else { "transformer." };
        let name = |part: &str| format!("{prefix}{part}.weight");
        let (words, axes) = (name(self.tables[0]), [vocab, width]);
        let (words, output) = match self.has_output {
            true => {
                let [words, output] = builder.tied([&words, "lm_head.weight"], axes, is_tied)?;
                (words, Some(output))
            }
            false => (builder.matrix(&words, axes)?, None),
        };
        let positions = builder.matrix(&name(self.tables[1]), [(Axis::Position, context), width])?;
        let layer = |index| self.layer(&format!("{prefix}h."), index, [c, heads], epsilon, builder);
        let body = Gpt {
            words,
            positions,
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            final_norm: match self.final_norm {
                Some(name) => Some(builder.layer_norm(&format!("{prefix}{name}"), c, epsilon)?),
                None => None,
            },
            output,
        };
        // The causal mask, which older versions of transformers wrote beside the parameters.
        let record = builder.finish(&[".attn.bias", ".attn.masked_bias"])?;
        let description = Description {
            family: self.family,
            layers,
            heads,
            kv_heads: heads,
            head_size: self.variant.head_size,
            width: c,
            feed_forward: self.feed_forward,
            vocab: vocab.1,
            context,
            trained_mask: Mask::causal(),
            encoder: None,
            other_mask: None,
            parameters: record.parameters(),
            dtype: body.words.dtype(),
        };
        Ok(Transformer { description, device: builder.device().clone(), record, body })
    }

    fn layer(
        &self,
        path: &str,
        index: usize,
        [c, heads]: [usize; 2],
        epsilon: f32,
        builder: &mut Builder<'_>,
    ) -> Result<Layer> {
        let (width, size) = ((Axis::Width, c), heads * self.variant.head_size);
        let (all, shared) = ((Axis::HeadWidth, size), (Axis::KvWidth, size));
        let inner = (Axis::FeedForward, self.feed_forward);
        let name = |part: &str| format!("{path}{index}.{part}");
        let attention_norm = builder.layer_norm(&name("ln_1"), c, epsilon)?;
        let [query, key, value] = builder.conv1d(&name("attn.c_attn"), width, [all, shared, shared])?;
        let [output] = builder.conv1d(&name("attn.c_proj"), all, [width])?;
        let feed_forward_norm = builder.layer_norm(&name("ln_2"), c, epsilon)?;
        let [up] = builder.conv1d(&name("mlp.c_fc"), width, [inner])?;
        let [down] = builder.conv1d(&name("mlp.c_proj"), inner, [width])?;
        let mechanism = self.mechanism(index);
        let self_attention = MultiHead { heads, kv_heads: heads, query, key, value, output, mechanism };
        let Plan { activation, is_pre_norm, .. } = *self;
        Ok(Layer { attention_norm, self_attention, feed_forward_norm, up, down, activation, is_pre_norm })
    }
}

/// Whether a configuration asks for an output layer: any but that of a bare body, or of one with another head.
///
/// # Errors
/// An error if `architectures` is no list of texts.
pub(super) fn has_output(config: &Config) -> Result<bool> {
    Ok(config.classes()?.is_empty()
        || config.is_of_class(&["LMHeadModel", "DoubleHeadsModel", "ForCausalLM"])?)
}

impl Layer {
    /// x ← x + attention(norm(x)), x ← x + network(norm(x)).
    fn pre_norm(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let normed = probe.visit("attention_norm", self.attention_norm.forward(x)?)?; // [B, T, C]
        let update = self.attend(&normed, pass, cache, probe)?;
        let x = probe.visit("after_attention", add(x, update)?)?;
        let normed = probe.visit("feed_forward_norm", self.feed_forward_norm.forward(&x)?)?;
        let update = self.network(&normed, probe)?;
        probe.visit("output", add(x, update)?)
    }

    /// x ← norm(x + attention(x)), x ← norm(x + network(x)).
    fn post_norm(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let update = self.attend(x, pass, cache, probe)?;
        let sum = probe.visit("after_attention", add(x, update)?)?; // [B, T, C]
        let x = probe.visit("attention_norm", self.attention_norm.forward(sum)?)?;
        let update = self.network(&x, probe)?;
        let sum = probe.visit("after_feed_forward", add(x, update)?)?;
        probe.visit("output", self.feed_forward_norm.forward(sum)?)
    }

    fn attend(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { places, visibility, run } = pass;
        cache::attend(&self.self_attention, x, places, visibility, cache, probe, run)
    }

    /// W₂·f(W₁·x + b₁) + b₂.
    fn network(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let hidden = self.activation.of(self.up.forward(x)?)?; // [B, T, F]
        let hidden = probe.visit("feed_forward.hidden", hidden)?;
        probe.visit("feed_forward.output", self.down.forward(&hidden)?) // [B, T, C]
    }
}

impl Body for Gpt {
    const STACK: &'static str = "decoder";
    const CACHES: bool = true;

    fn embed(&self, input: &Input, first: usize) -> Result<Tensor> {
        let (batch, first) = (input.batch_size(), first as u32);
        let places: Vec<u32> = (0..batch).flat_map(|_| first..first + input.len() as u32).collect();
        add(&gather(&self.words, input.ids(), batch)?, &gather(&self.positions, &places, batch)?)
    }

    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let layer = &self.layers[index];
        match layer.is_pre_norm {
            true => layer.pre_norm(x, pass, cache, probe),
            false => layer.post_norm(x, pass, cache, probe),
        }
    }

    fn finish(&self, x: Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        match &self.final_norm {
            Some(norm) => probe.visit("final_norm", norm.forward(x)?),
            None => Ok(x),
        }
    }

    fn mechanism(&self) -> Option<&Mechanism> {
        self.layers.first().map(|layer| &layer.self_attention.mechanism)
    }

    fn logits(&self, hidden: &Tensor, _probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        self.output.as_ref().map(|output| linear(hidden, output)).transpose() // [B, T, V]
    }
}
