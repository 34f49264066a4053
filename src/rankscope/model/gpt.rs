//! The common part of GPT-1 and GPT-2: learned positions (or a variant's), a fused projection for queries, keys and
//! values, and matrices stored `[in, out]`.

use super::block::Block;
use super::builder::Builder;
use super::embeddings::{Embeddings, LanguageHead};
use super::feed_forward::{Activation, Network};
use super::transformer::{Body, Trained, Transformer};
use super::variant::AttentionVariant;
use super::{Config, Model};
use crate::attention::MultiHead;
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;

/// The sizes, and the differences of the two families.
pub(super) struct GptFields {
    pub(super) family: &'static str,
    /// The names of the tables of words and of positions.
    pub(super) tables: [&'static str; 2],
    pub(super) feed_forward: usize,
    pub(super) activation: Activation,
    pub(super) scale: Scale,
    /// Whether norms come before the updates; otherwise they come after the sums.
    pub(super) is_pre_norm: bool,
    /// The name of the final norm, where there is one.
    pub(super) final_norm: Option<&'static str>,
    pub(super) variant: AttentionVariant,
}

/// The factor of the scores before the softmax.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// 1/√D.
    Usual,
    /// 1/√D where `by_size`, and 1/(i + 1) in layer i where `by_layer`.
    Stated { by_size: bool, by_layer: bool },
}

impl GptFields {
    /// The factor of the scores of layer `index`, if it is not 1/√D.
    fn factor(&self, index: usize) -> Option<f32> {
        let Scale::Stated { by_size, by_layer } = self.scale else { return None };
        let size = if by_size { (self.variant.head_size as f64).sqrt() } else { 1.0 };
        let layer = if by_layer { index as f64 + 1.0 } else { 1.0 };
        Some((1.0 / (size * layer)) as f32)
    }

    /// Builds the model, with or without the prefix `transformer.` of its names.
    pub(super) fn build(self, config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
        self.variant.expect_causal(config)?;
        let (c, heads) = (config.size("n_embd")?, config.size("n_head")?);
        let (width, vocab) = ((Axis::Width, c), (Axis::Vocab, config.size("vocab_size")?));
        let (context, layers) = (config.size("n_positions")?, config.layers("n_layer")?);
        let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
        let epsilon = config.stated_epsilon("layer_norm_epsilon")?;
        let is_bare = !builder.has("transformer.h.0.attn.c_attn.weight", true);
        let prefix = if is_bare { "" } else { "transformer." };
        let name = |part: &str| format!("{prefix}{part}.weight");
        let (words, axes) = (name(self.tables[0]), [vocab, width]);
        let (words, output) = match has_output(config)? {
            true => {
                let [words, output] = builder.tied([&words, "lm_head.weight"], axes, is_tied)?;
                (words, Some(output))
            }
            false => (builder.matrix(&words, axes)?, None),
        };
        let names = [name(self.tables[1]), name("relative_attention_bias")];
        let rows = (Axis::Position, context);
        let (positions, order) = self.variant.positions(config, &names, [rows, width], false, builder)?;
        let block = |index| self.block(&format!("{prefix}h.{index}"), index, [c, heads], epsilon, builder);
        let body = Body {
            is_decoder: true,
            embeddings: Embeddings { positions, ..Embeddings::of_words(words) },
            order,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            final_norm: match self.final_norm {
                Some(name) => Some(builder.layer_norm(&format!("{prefix}{name}"), c, epsilon)?),
                None => None,
            },
            head: output.map(LanguageHead::of_words),
            pooler: None,
        };
        let trained = Trained {
            is_limited: self.variant.has_table(),
            ..Trained::new(self.family, context, Mask::causal(), None)
        };
        // The causal mask, which older versions of transformers stored with the parameters.
        let model = Transformer::new(trained, body, builder, &[".attn.bias", ".attn.masked_bias"])?;
        Ok(Box::new(model))
    }

    fn block(
        &self,
        path: &str,
        index: usize,
        [c, heads]: [usize; 2],
        epsilon: f32,
        builder: &mut Builder<'_>,
    ) -> Result<Block> {
        let (width, size) = ((Axis::Width, c), heads * self.variant.head_size);
        let (all, shared) = ((Axis::HeadWidth, size), (Axis::KvWidth, size));
        let inner = (Axis::FeedForward, self.feed_forward);
        let name = |part: &str| format!("{path}.{part}");
        let attention_norm = builder.layer_norm(&name("ln_1"), c, epsilon)?;
        let [query, key, value] = builder.conv1d(&name("attn.c_attn"), width, [all, shared, shared])?;
        let [output] = builder.conv1d(&name("attn.c_proj"), all, [width])?;
        let feed_forward_norm = builder.layer_norm(&name("ln_2"), c, epsilon)?;
        let [up] = builder.conv1d(&name("mlp.c_fc"), width, [inner])?;
        let [down] = builder.conv1d(&name("mlp.c_proj"), inner, [width])?;
        let (variant, path) = (&self.variant, name("attn"));
        let mechanism = variant.mechanism(index, &path, self.factor(index), builder)?;
        let gate = variant.gate(&path, c, builder)?;
        Ok(Block {
            attention_norm,
            self_attention: MultiHead { heads, kv_heads: heads, query, key, value, output, gate, mechanism },
            feed_forward_norm,
            feed_forward: Network { gate: None, up, down, activation: self.activation }.into(),
            is_pre_norm: self.is_pre_norm,
        })
    }
}

/// Whether a configuration has an output layer: every one except those of a bare body or of a model with another head.
fn has_output(config: &Config) -> Result<bool> {
    Ok(config.classes()?.is_empty()
        || config.is_of_class(&["LMHeadModel", "DoubleHeadsModel", "ForCausalLM"])?)
}
