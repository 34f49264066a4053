//! Builds a BERT from a configuration.

use super::dialect::Dialect;
use crate::attention::{Linear, MultiHead};
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::block::Block;
use crate::model::builder::{Builder, NamedSize};
use crate::model::embeddings::{Embeddings, LanguageHead, Order};
use crate::model::feed_forward::{Activation, Network};
use crate::model::transformer::{Body, Trained, Transformer};
use crate::model::variant::AttentionVariant;
use crate::model::{Config, Model, OtherMask};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The fields of the configuration that the builder needs.
struct BertFields {
    width: usize,
    heads: usize,
    feed_forward: usize,
    layers: usize,
    vocab: usize,
    positions: usize,
    type_count: usize,
    epsilon: f32,
    activation: Activation,
    is_tied: bool,
    padding_id: Option<u32>,
    variant: AttentionVariant,
}

impl BertFields {
    fn read(dialect: &Dialect, config: &Config) -> Result<Self> {
        let fields = &dialect.fields;
        expect_implemented(config)?;
        let padding_id = match dialect.counts_tokens {
            true => Some(config.optional("pad_token_id")?.unwrap_or(1)),
            false => None,
        };
        Ok(BertFields {
            width: config.size(fields.width)?,
            heads: config.size(fields.heads)?,
            feed_forward: config.size(fields.feed_forward)?,
            layers: config.layers(fields.layers)?,
            vocab: config.size("vocab_size")?,
            positions: config.size("max_position_embeddings")?,
            type_count: if dialect.has_segments { config.size("type_vocab_size")? } else { 1 },
            // DistilBERT has no such field and uses BERT's.
            epsilon: config.epsilon("layer_norm_eps")?.unwrap_or(1e-12),
            activation: Activation::read(config, fields.activation)?,
            is_tied: config.optional("tie_word_embeddings")?.unwrap_or(true),
            padding_id,
            variant: AttentionVariant::read(config, [fields.width, fields.heads, "max_position_embeddings"])?,
        })
    }

    /// The longest context: the most tokens for which the table of positions has rows.
    fn context(&self, config: &Config) -> Result<usize> {
        let taken = self.padding_id.map_or(0, |id| id as usize + 1);
        match self.positions.checked_sub(taken) {
            Some(context @ 1..) => Ok(context),
            _ => {
                let expected = format!("more than {taken}, the positions before the first token's");
                Err(config.wrong("max_position_embeddings", &self.positions.to_string(), &expected))
            }
        }
    }

    /// The mask that the weights were trained under.
    fn trained_mask(&self, dialect: &Dialect, config: &Config) -> Result<Mask> {
        let prefix: Option<usize> = config.optional("prefix_length")?;
        match (&self.variant.mask, prefix) {
            (Some(mask), None) => Ok(mask.clone()),
            (None, prefix) if dialect.has_prefix => Ok(Mask::prefix(prefix.unwrap_or(1))),
            (None, None) if config.optional("is_decoder")?.unwrap_or(false) => Ok(Mask::causal()),
            (None, None) => Ok(Mask::bidirectional()),
            (_, Some(prefix)) => {
                let expected = "absent: it is for a unilm without directions";
                Err(config.wrong("prefix_length", &prefix.to_string(), expected))
            }
        }
    }
}

/// Takes the parts of the model from the builder; it holds the sizes that they share.
struct Loader<'a, 'b> {
    dialect: &'a Dialect,
    fields: &'a BertFields,
    builder: &'a mut Builder<'b>,
    /// `bert.` (or another family's prefix), or empty.
    prefix: &'static str,
    has_head: bool,
    has_pooler: bool,
}

impl<'a, 'b> Loader<'a, 'b> {
    /// The tensors of a checkpoint show whether it has a head, a pooler and a prefix; for a new model its class
    /// decides.
    fn new(
        dialect: &'a Dialect,
        config: &Config,
        fields: &'a BertFields,
        builder: &'a mut Builder<'b>,
    ) -> Result<Self> {
        let has_head =
            config.is_of_class(&["ForMaskedLM", "ForPreTraining", "LMHeadModel", "ForCausalLM"])?;
        let has_head = builder.has(&format!("{}.weight", dialect.head.transform), has_head);
        // A tensor that every checkpoint has, for any kind of positions and either of two tied names.
        let probe = format!("{}{}.0.{}.weight", dialect.prefix, dialect.layers, dialect.parts.query);
        let prefix = if builder.has(&probe, has_head) { dialect.prefix } else { "" };
        let pooler = format!("{prefix}pooler.dense.weight");
        let has_pooler =
            dialect.has_segments && builder.has(&pooler, !config.is_of_class(dialect.without_pooler)?);
        Ok(Loader { dialect, fields, builder, prefix, has_head, has_pooler })
    }

    fn width(&self) -> NamedSize {
        (Axis::Width, self.fields.width)
    }

    fn table(&mut self, name: &str, entries: NamedSize) -> Result<Weight> {
        let axes = [entries, self.width()];
        self.builder.matrix(&format!("{}embeddings.{name}.weight", self.prefix), axes)
    }

    fn embeddings(&mut self, config: &Config, words: Weight) -> Result<(Embeddings, Order)> {
        let BertFields { width, positions, type_count, epsilon, padding_id, .. } = *self.fields;
        let stack = self.dialect.layers.trim_end_matches(".layer");
        let names = [
            format!("{}embeddings.position_embeddings.weight", self.prefix),
            format!("{}{stack}.relative_attention_bias.weight", self.prefix),
        ];
        let axes = [(Axis::Position, positions), self.width()];
        let (positions, order) = self.fields.variant.positions(config, &names, axes, true, self.builder)?;
        let types = (Axis::Row, type_count);
        let segments =
            self.dialect.has_segments.then(|| self.table("token_type_embeddings", types)).transpose()?;
        let norm =
            self.builder.layer_norm(&format!("{}embeddings.LayerNorm", self.prefix), width, epsilon)?;
        Ok((Embeddings { words, positions, segments, norm: Some(norm), padding_id }, order))
    }

    fn block(&mut self, index: usize) -> Result<Block> {
        let BertFields { width: c, heads, feed_forward, epsilon, activation, ref variant, .. } = *self.fields;
        let path = |part: &str| format!("{}{}.{index}.{part}", self.prefix, self.dialect.layers);
        let (width, inner, parts) =
            ((Axis::Width, c), (Axis::FeedForward, feed_forward), &self.dialect.parts);
        let size = heads * variant.head_size;
        let (all, shared) = ((Axis::HeadWidth, size), (Axis::KvWidth, size));
        let builder = &mut *self.builder;
        Ok(Block {
            self_attention: MultiHead {
                heads,
                kv_heads: heads,
                query: builder.linear(&path(parts.query), all, width, true)?,
                key: builder.linear(&path(parts.key), shared, width, true)?,
                value: builder.linear(&path(parts.value), shared, width, true)?,
                output: builder.linear(&path(parts.output), width, all, true)?,
                gate: variant.gate(&path("attention"), c, builder)?,
                mechanism: variant.mechanism(index, &path("attention"), None, builder)?,
            },
            attention_norm: builder.layer_norm(&path(parts.attention_norm), c, epsilon)?,
            feed_forward: Network {
                gate: None,
                up: builder.linear(&path(parts.up), inner, width, true)?,
                down: builder.linear(&path(parts.down), width, inner, true)?,
                activation,
            }
            .into(),
            feed_forward_norm: builder.layer_norm(&path(parts.output_norm), c, epsilon)?,
            is_pre_norm: false,
        })
    }

    /// The word embedding, and the decoder where there is a head: one shared weight where they are tied.
    fn words(&mut self) -> Result<(Weight, Option<Weight>)> {
        let vocab = (Axis::Vocab, self.fields.vocab);
        if !self.has_head {
            return Ok((self.table("word_embeddings", vocab)?, None));
        }
        let name = format!("{}embeddings.word_embeddings.weight", self.prefix);
        let (decoder, axes) = (format!("{}.weight", self.dialect.head.decoder), [vocab, self.width()]);
        let [words, decoder] = self.builder.tied([&name, &decoder], axes, self.fields.is_tied)?;
        Ok((words, Some(decoder)))
    }

    /// A dense layer, the function of the layers (or GELU), a norm, then the decoder and a bias.
    fn head(&mut self, decoder: Weight) -> Result<LanguageHead> {
        let BertFields { width: c, epsilon, activation, .. } = *self.fields;
        let (width, names) = (self.width(), &self.dialect.head);
        let dense = self.builder.linear(names.transform, width, width, true)?;
        let norm = self.builder.layer_norm(names.norm, c, epsilon)?;
        Ok(LanguageHead {
            transform: Some((dense, names.activation.unwrap_or(activation), norm)),
            scale: None,
            output: Linear { weight: decoder, bias: Some(self.head_bias()?) },
        })
    }

    /// The decoder adds its own bias; some checkpoints store it under a second, tied name.
    fn head_bias(&mut self) -> Result<Tensor> {
        let own = format!("{}.bias", self.dialect.head.decoder);
        let vocab = (Axis::Vocab, self.fields.vocab);
        match self.dialect.head.bias {
            Some(tied) if !self.builder.has(&own, !self.fields.is_tied) && self.builder.has(tied, true) => {
                self.builder.bias(tied, vocab)
            }
            tied => {
                tied.into_iter().for_each(|tied| self.builder.ignore(tied));
                self.builder.bias(&own, vocab)
            }
        }
    }

    fn body(mut self, config: &Config) -> Result<Body> {
        let (words, decoder) = self.words()?;
        let (embeddings, order) = self.embeddings(config, words)?;
        let blocks = (0..self.fields.layers).map(|index| self.block(index)).collect::<Result<Vec<_>>>()?;
        let head = decoder.map(|decoder| self.head(decoder)).transpose()?;
        let (name, width) = (format!("{}pooler.dense", self.prefix), self.width());
        let pooler = self.has_pooler.then(|| self.builder.linear(&name, width, width, true)).transpose()?;
        Ok(Body { is_decoder: false, embeddings, order, blocks, final_norm: None, head, pooler })
    }
}

/// Builds a model of the family, with or without the prefix of its names.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(in crate::model) fn build(
    dialect: &Dialect,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<Box<dyn Model>> {
    transformer(dialect, config, builder).map(|model| Box::new(model) as Box<dyn Model>)
}

pub(in crate::model) fn transformer(
    dialect: &Dialect,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<Transformer> {
    let fields = BertFields::read(dialect, config)?;
    let (context, mask) = (fields.context(config)?, fields.trained_mask(dialect, config)?);
    let body = Loader::new(dialect, config, &fields, builder)?.body(config)?;
    let is_limited = fields.variant.has_table();
    let other_mask = fields.variant.other_mask.and_then(|mask| OtherMask::odd(mask, fields.layers));
    let trained = Trained { is_limited, ..Trained::new(dialect.family, context, mask, other_mask) };
    Transformer::new(trained, body, builder, &[])
}

/// An error for options of BERT's configuration that are not implemented.
fn expect_implemented(config: &Config) -> Result<()> {
    let positions: Option<String> = config.optional("position_embedding_type")?;
    if let Some(kind) = positions.filter(|kind| kind != "absolute") {
        return Err(config.wrong("position_embedding_type", &format!("{kind:?}"), "\"absolute\""));
    }
    if config.optional("add_cross_attention")?.unwrap_or(false) {
        let expected = "false: BERT as the decoder of an encoder-decoder is not implemented";
        return Err(config.wrong("add_cross_attention", "true", expected));
    }
    Ok(())
}
