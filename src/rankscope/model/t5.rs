//! T5: an encoder and a decoder with RMS pre-norm and a learned bias for every bucket of distances.
//!
//! Version 1.0: W₂·ReLU(W₁·x), one matrix for embedding and output, hidden states times C^(−1/2) before it.
//! Version 1.1: W₂(GELU(W₁·x) · W₃·x), an output layer of its own, no scaling. In both: scores without 1/√D, one
//! bias of positions for all blocks of a stack (it stands in block 0), none in cross-attention, no bias in any
//! linear layer.
//!
//! **Source**: Raffel et al. 2019 (arXiv 1910.10683), section 2.1; the gated network: Shazeer 2020 (arXiv
//! 2002.05202); tensor names as on the Hugging Face hub.

use super::builder::{Builder, NamedSize};
use super::encoder_decoder::{Activation, Block, CrossBlock, EncoderDecoder, Network, Order, Stacks};
use super::{Config, Description, EncoderDescription, Fresh};
use crate::attention::{Linear, MultiHead, RelativeBias, RelativeBuckets, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::GeluForm;

/// What the length of a text is held against where `n_positions` is absent: what T5 was trained on. Its
/// positions are relative, so it has no longest sequence of its own.
const TRAINED_LENGTH: usize = 512;

/// The fields of `config.json` that decide the blocks' shapes.
struct Sizes {
    width: usize,
    feed_forward: usize,
    heads: usize,
    head_size: usize,
    is_gated: bool,
    activation: Activation,
    buckets: usize,
    max_distance: usize,
}

impl Sizes {
    fn read(config: &Config) -> Result<Self> {
        let (is_gated, activation) = activation(config)?;
        let (heads, head_size) = (config.size("num_heads")?, config.size("d_kv")?);
        config.expect_heads("num_heads", heads, head_size)?;
        Ok(Sizes {
            width: config.size("d_model")?,
            feed_forward: config.size("d_ff")?,
            heads,
            head_size,
            is_gated,
            activation,
            buckets: config.optional_size("relative_attention_num_buckets")?.unwrap_or(32),
            max_distance: config.optional_size("relative_attention_max_distance")?.unwrap_or(128),
        })
    }

    fn width(&self) -> NamedSize {
        (Axis::Width, self.width)
    }

    fn buckets(&self, config: &Config, is_bidirectional: bool) -> Result<RelativeBuckets> {
        let made = RelativeBuckets::new(self.buckets, self.max_distance, is_bidirectional);
        made.map_err(|error| match error {
            Error::Invalid { what, got, expected } if what.starts_with("number") => {
                config.wrong("relative_attention_num_buckets", &got, &expected)
            }
            Error::Invalid { got, expected, .. } => {
                config.wrong("relative_attention_max_distance", &got, &expected)
            }
            other => other,
        })
    }
}

/// An error if the configuration is that of an encoder alone.
pub(in crate::model) fn expect_pair(config: &Config) -> Result<()> {
    match config.optional("is_encoder_decoder")? {
        Some(false) => {
            let expected = "true: an encoder without its decoder is not implemented";
            Err(config.wrong("is_encoder_decoder", "false", expected))
        }
        _ => Ok(()),
    }
}

/// Whether `feed_forward_proj` asks for a gate, and for which function. `gated-gelu` means the tanh form.
pub(in crate::model) fn activation(config: &Config) -> Result<(bool, Activation)> {
    let name: String = config.optional("feed_forward_proj")?.unwrap_or_else(|| "relu".to_owned());
    match name.as_str() {
        "relu" => Ok((false, Activation::Relu)),
        "gelu" => Ok((false, Activation::Gelu(GeluForm::Exact))),
        "gated-gelu" => Ok((true, Activation::Gelu(GeluForm::Tanh))),
        "gated-silu" => Ok((true, Activation::Silu)),
        "gated-relu" => Ok((true, Activation::Relu)),
        _ => {
            let expected = "\"relu\", \"gelu\", \"gated-gelu\", \"gated-silu\" or \"gated-relu\"";
            Err(config.wrong("feed_forward_proj", &format!("{name:?}"), expected))
        }
    }
}

/// Builds the model.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<EncoderDecoder> {
    expect_pair(config)?;
    let sizes = Sizes::read(config)?;
    let layers = config.layers("num_layers")?;
    let decoder_layers = if config.optional_size("num_decoder_layers")?.is_some() {
        config.layers("num_decoder_layers")?
    } else {
        layers
    };
    let (vocab, width) = ((Axis::Vocab, config.size("vocab_size")?), sizes.width());
    let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
    let [embedding, output] = builder.tied(["shared.weight", "lm_head.weight"], [vocab, width], is_tied)?;
    // Copies of the embedding, and a bias that the first release stored and never read.
    builder.ignore("encoder.embed_tokens.weight");
    builder.ignore("decoder.embed_tokens.weight");
    builder.ignore("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight");
    let encoder_bias = relative(&sizes, config, builder, "encoder")?;
    let encoder = (0..layers).map(|block| encoder_block(&sizes, builder, block)).collect::<Result<_>>()?;
    let encoder_norm = builder.gain("encoder.final_layer_norm.weight", width)?;
    let decoder_bias = relative(&sizes, config, builder, "decoder")?;
    let decoder =
        (0..decoder_layers).map(|block| decoder_block(&sizes, builder, block)).collect::<Result<_>>()?;
    let decoder_norm = builder.gain("decoder.final_layer_norm.weight", width)?;
    let record = builder.finish(&[])?;
    let start = config.optional("decoder_start_token_id")?;
    let description = Description {
        family: "t5",
        layers: decoder_layers,
        heads: sizes.heads,
        kv_heads: sizes.heads,
        head_size: sizes.head_size,
        width: sizes.width,
        feed_forward: sizes.feed_forward,
        vocab: vocab.1,
        context: config.optional_size("n_positions")?.unwrap_or(TRAINED_LENGTH),
        trained_mask: Mask::causal(),
        encoder: Some(EncoderDescription {
            layers,
            trained_mask: Mask::bidirectional(),
            start,
            shares_context: false,
        }),
        other_mask: None,
        parameters: record.parameters(),
        dtype: embedding.dtype(),
    };
    let stacks = Stacks {
        embedding,
        encoder,
        encoder_norm,
        decoder,
        decoder_norm,
        output,
        output_scale: is_tied.then(|| 1.0 / (sizes.width as f32).sqrt()),
        order: Order::Relative(Box::new([encoder_bias, decoder_bias])),
        epsilon: config.epsilon("layer_norm_epsilon")?.unwrap_or(1e-6),
        device: builder.device().clone(),
    };
    Ok(EncoderDecoder { description, record, stacks })
}

/// The bias of a stack, which stands in its block 0.
fn relative(sizes: &Sizes, config: &Config, builder: &mut Builder<'_>, stack: &str) -> Result<RelativeBias> {
    let buckets = sizes.buckets(config, stack == "encoder")?;
    let name = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    let axes = [(Axis::Row, sizes.buckets), (Axis::Head, sizes.heads)];
    RelativeBias::new(buckets, builder.stored(&name, Shape::new(axes), Fresh::normal(sizes.width))?)
}

fn encoder_block(sizes: &Sizes, builder: &mut Builder<'_>, block: usize) -> Result<Block> {
    let layer = |layer: usize| format!("encoder.block.{block}.layer.{layer}");
    Ok(Block {
        attention_norm: builder.gain(&format!("{}.layer_norm.weight", layer(0)), sizes.width())?,
        self_attention: attention(sizes, builder, &format!("{}.SelfAttention", layer(0)))?,
        feed_forward_norm: builder.gain(&format!("{}.layer_norm.weight", layer(1)), sizes.width())?,
        feed_forward: network(sizes, builder, &format!("{}.DenseReluDense", layer(1)))?,
    })
}

fn decoder_block(sizes: &Sizes, builder: &mut Builder<'_>, block: usize) -> Result<CrossBlock> {
    let layer = |layer: usize| format!("decoder.block.{block}.layer.{layer}");
    let norm = |index: usize, builder: &mut Builder<'_>| {
        builder.gain(&format!("{}.layer_norm.weight", layer(index)), sizes.width())
    };
    let attention_norm = norm(0, builder)?;
    let self_attention = attention(sizes, builder, &format!("{}.SelfAttention", layer(0)))?;
    let cross_norm = norm(1, builder)?;
    let cross_attention = attention(sizes, builder, &format!("{}.EncDecAttention", layer(1)))?;
    let feed_forward_norm = norm(2, builder)?;
    let feed_forward = network(sizes, builder, &format!("{}.DenseReluDense", layer(2)))?;
    let block = Block { attention_norm, self_attention, feed_forward_norm, feed_forward };
    Ok(CrossBlock { block, cross_norm, cross_attention })
}

/// Scores without 1/√D: new queries are N(0, 1/(C·D)) instead of N(0, 1/C), which comes to the same.
fn attention(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<MultiHead> {
    let (width, inner) = (sizes.width(), sizes.heads * sizes.head_size);
    let (all, shared) = ((Axis::HeadWidth, inner), (Axis::KvWidth, inner));
    let fresh = Fresh::normal(sizes.width * sizes.head_size);
    let query = builder.stored(&format!("{path}.q.weight"), Shape::new([all, width]), fresh)?;
    Ok(MultiHead {
        heads: sizes.heads,
        kv_heads: sizes.heads,
        query: Linear { weight: query.to_device(builder.device())?, bias: None },
        key: builder.linear(&format!("{path}.k"), shared, width, false)?,
        value: builder.linear(&format!("{path}.v"), shared, width, false)?,
        output: builder.linear(&format!("{path}.o"), width, all, false)?,
        mechanism: ScaledDotProduct::with_factor(1.0).into(),
    })
}

fn network(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<Network> {
    let (width, inner) = (sizes.width(), (Axis::FeedForward, sizes.feed_forward));
    let mut linear = |part: &str, out, from| builder.linear(&format!("{path}.{part}"), out, from, false);
    let (gate, up) = match sizes.is_gated {
        true => (Some(linear("wi_0", inner, width)?), linear("wi_1", inner, width)?),
        false => (None, linear("wi", inner, width)?),
    };
    Ok(Network { gate, up, down: linear("wo", width, inner)?, activation: sizes.activation })
}
