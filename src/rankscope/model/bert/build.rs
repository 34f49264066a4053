//! From a configuration to a BERT.

use super::dialect::Dialect;
use super::{Bert, Embeddings, Head, Layer};
use crate::attention::MultiHead;
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::builder::{Builder, NamedSize};
use crate::model::encoder_decoder::Activation;
use crate::model::transformer::Transformer;
use crate::model::variant::Variant;
use crate::model::{Config, Description, Model, OtherMask};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The fields that decide what is built.
struct Sizes {
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
    variant: Variant,
}

impl Sizes {
    fn read(dialect: &Dialect, config: &Config) -> Result<Self> {
        let fields = &dialect.fields;
        expect_implemented(config)?;
        let padding_id = match dialect.counts_tokens {
            true => Some(config.optional("pad_token_id")?.unwrap_or(1)),
            false => None,
        };
        Ok(Sizes {
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
            variant: Variant::read(config, [fields.width, fields.heads])?,
        })
    }

    /// The most tokens that the table of positions has room for.
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

/// Takes the parts from the builder, with the sizes that they share.
struct Loader<'a, 'b> {
    dialect: &'a Dialect,
    sizes: &'a Sizes,
    builder: &'a mut Builder<'b>,
    /// `bert.`, or nothing.
    prefix: &'static str,
    has_head: bool,
    has_pooler: bool,
}

impl<'a, 'b> Loader<'a, 'b> {
    /// A checkpoint says by its tensors whether it has a head, a pooler and a prefix, a new model by its class.
    fn new(
        dialect: &'a Dialect,
        config: &Config,
        sizes: &'a Sizes,
        builder: &'a mut Builder<'b>,
    ) -> Result<Self> {
        let has_head =
            config.is_of_class(&["ForMaskedLM", "ForPreTraining", "LMHeadModel", "ForCausalLM"])?;
        let has_head = builder.has(&format!("{}.weight", dialect.head.transform), has_head);
        let probe = format!("{}embeddings.position_embeddings.weight", dialect.prefix);
        let prefix = if builder.has(&probe, has_head) { dialect.prefix } else { "" };
        let pooler = format!("{prefix}pooler.dense.weight");
        let has_pooler =
            dialect.has_segments && builder.has(&pooler, !config.is_of_class(dialect.without_pooler)?);
        Ok(Loader { dialect, sizes, builder, prefix, has_head, has_pooler })
    }

    fn width(&self) -> NamedSize {
        (Axis::Width, self.sizes.width)
    }

    fn table(&mut self, name: &str, entries: NamedSize) -> Result<Weight> {
        let axes = [entries, self.width()];
        self.builder.matrix(&format!("{}embeddings.{name}.weight", self.prefix), axes)
    }

    fn embeddings(&mut self, words: Weight) -> Result<Embeddings> {
        let Sizes { width, positions, type_count, epsilon, padding_id, .. } = *self.sizes;
        let has_segments = self.dialect.has_segments;
        Ok(Embeddings {
            words,
            positions: self.table("position_embeddings", (Axis::Position, positions))?,
            types: match has_segments {
                true => Some(self.table("token_type_embeddings", (Axis::Row, type_count))?),
                false => None,
            },
            type_count,
            norm: self.builder.layer_norm(&format!("{}embeddings.LayerNorm", self.prefix), width, epsilon)?,
            padding_id,
        })
    }

    fn layer(&mut self, index: usize) -> Result<Layer> {
        let Sizes { width: c, heads, feed_forward, epsilon, activation, ref variant, .. } = *self.sizes;
        let path = |part: &str| format!("{}{}.{index}.{part}", self.prefix, self.dialect.layers);
        let (width, inner, parts) =
            ((Axis::Width, c), (Axis::FeedForward, feed_forward), &self.dialect.parts);
        let size = heads * variant.head_size;
        let (all, shared) = ((Axis::HeadWidth, size), (Axis::KvWidth, size));
        let builder = &mut *self.builder;
        Ok(Layer {
            self_attention: MultiHead {
                heads,
                kv_heads: heads,
                query: builder.linear(&path(parts.query), all, width, true)?,
                key: builder.linear(&path(parts.key), shared, width, true)?,
                value: builder.linear(&path(parts.value), shared, width, true)?,
                output: builder.linear(&path(parts.output), width, all, true)?,
                mechanism: variant.mechanism,
            },
            attention_norm: builder.layer_norm(&path(parts.attention_norm), c, epsilon)?,
            up: builder.linear(&path(parts.up), inner, width, true)?,
            down: builder.linear(&path(parts.down), width, inner, true)?,
            output_norm: builder.layer_norm(&path(parts.output_norm), c, epsilon)?,
            activation,
        })
    }

    /// The words, and the decoder where there is a head: the same handle where they are tied.
    fn words(&mut self) -> Result<(Weight, Option<Weight>)> {
        let vocab = (Axis::Vocab, self.sizes.vocab);
        if !self.has_head {
            return Ok((self.table("word_embeddings", vocab)?, None));
        }
        let name = format!("{}embeddings.word_embeddings.weight", self.prefix);
        let (decoder, axes) = (format!("{}.weight", self.dialect.head.decoder), [vocab, self.width()]);
        let [words, decoder] = self.builder.tied([&name, &decoder], axes, self.sizes.is_tied)?;
        Ok((words, Some(decoder)))
    }

    fn head(&mut self, decoder: Weight) -> Result<Head> {
        let Sizes { width: c, epsilon, activation, .. } = *self.sizes;
        let (width, names) = (self.width(), &self.dialect.head);
        Ok(Head {
            transform: self.builder.linear(names.transform, width, width, true)?,
            activation: names.activation.unwrap_or(activation),
            norm: self.builder.layer_norm(names.norm, c, epsilon)?,
            decoder,
            bias: self.head_bias()?,
        })
    }

    /// The decoder adds its own bias; the other name is for checkpoints that tie the two.
    fn head_bias(&mut self) -> Result<Tensor> {
        let own = format!("{}.bias", self.dialect.head.decoder);
        let vocab = (Axis::Vocab, self.sizes.vocab);
        match self.dialect.head.bias {
            Some(tied) if !self.builder.has(&own, !self.sizes.is_tied) && self.builder.has(tied, true) => {
                self.builder.bias(tied, vocab)
            }
            tied => {
                tied.into_iter().for_each(|tied| self.builder.ignore(tied));
                self.builder.bias(&own, vocab)
            }
        }
    }

    fn body(mut self) -> Result<Bert> {
        let (words, decoder) = self.words()?;
        let embeddings = self.embeddings(words)?;
        let layers = (0..self.sizes.layers).map(|index| self.layer(index)).collect::<Result<Vec<_>>>()?;
        let head = decoder.map(|decoder| self.head(decoder)).transpose()?;
        let pooler = match self.has_pooler {
            true => {
                let (name, width) = (format!("{}pooler.dense", self.prefix), self.width());
                Some(self.builder.linear(&name, width, width, true)?)
            }
            false => None,
        };
        Ok(Bert { embeddings, layers, head, pooler })
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
) -> Result<Transformer<Bert>> {
    let sizes = Sizes::read(dialect, config)?;
    let (context, trained_mask) = (sizes.context(config)?, sizes.trained_mask(dialect, config)?);
    let body = Loader::new(dialect, config, &sizes, builder)?.body()?;
    let record = builder.finish(&[])?;
    let Sizes { width, heads, feed_forward, layers, vocab, variant, .. } = sizes;
    let description = Description {
        family: dialect.family,
        layers,
        heads,
        kv_heads: heads,
        head_size: variant.head_size,
        width,
        feed_forward,
        vocab,
        context,
        trained_mask,
        encoder: None,
        other_mask: variant.other_mask.and_then(|mask| OtherMask::odd(mask, layers)),
        parameters: record.parameters(),
        dtype: body.embeddings.words.dtype(),
    };
    Ok(Transformer { description, device: builder.device().clone(), record, body })
}

/// An error for what BERT's configuration can ask for and nobody uses.
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
