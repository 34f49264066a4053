//! T5: an encoder and a decoder with RMS pre-norm and a learned bias for every bucket of distances; and its encoder as
//! a model of its own.
//!
//! Version 1.0: W₂·ReLU(W₁·x), one matrix for embedding and output, hidden states times C^(−1/2) before it.
//! Version 1.1: W₂(GELU(W₁·x) · W₃·x), an output layer of its own, no scaling. In both: scores without 1/√D, one
//! position bias for all blocks of a stack (stored in block 0), none in cross-attention, and no bias in any linear
//! layer.
//!
//! **Conventions**: hidden states are scaled if `scale_decoder_outputs` is true, or, where it is absent, if
//! `tie_word_embeddings` is: `transformers` 5 writes the former, and sets the latter to true for version 1.1 too. The
//! shared embedding may be stored under the name of either stack.
//!
//! **Source**: Raffel et al. 2019 (arXiv 1910.10683), section 2.1; the gated network: Shazeer 2020 (arXiv
//! 2002.05202); tensor names as on the Hugging Face hub.

mod encoder;
mod pair;
mod parts;

use super::block::Norm;
use super::builder::{Builder, NamedSize};
use super::feed_forward::Activation;
use super::transformer::Trained;
use super::{Config, Model};
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;
use crate::ops::GeluForm;

/// The longest text that is accepted where `n_positions` is absent: the length that T5 was trained on. Its positions
/// are relative, so it has no longest sequence of its own.
const TRAINED_LENGTH: usize = 512;

/// The fields of `config.json` that determine the blocks' shapes.
struct T5Fields {
    width: usize,
    feed_forward: usize,
    heads: usize,
    head_size: usize,
    is_gated: bool,
    activation: Activation,
    buckets: usize,
    max_distance: usize,
    vocab: usize,
    epsilon: f32,
}

impl T5Fields {
    fn read(config: &Config) -> Result<Self> {
        let (is_gated, activation) = activation(config)?;
        let (heads, head_size) = (config.size("num_heads")?, config.size("d_kv")?);
        config.expect_heads("num_heads", heads, head_size)?;
        Ok(T5Fields {
            width: config.size("d_model")?,
            feed_forward: config.size("d_ff")?,
            heads,
            head_size,
            is_gated,
            activation,
            buckets: config.size("relative_attention_num_buckets")?,
            max_distance: config.size("relative_attention_max_distance")?,
            vocab: config.size("vocab_size")?,
            epsilon: config.stated_epsilon("layer_norm_epsilon")?,
        })
    }

    fn width(&self) -> NamedSize {
        (Axis::Width, self.width)
    }

    fn norm(&self, builder: &mut Builder<'_>, name: &str) -> Result<Norm> {
        builder.rms_norm(name, self.width, self.epsilon)
    }

    fn vocab(&self) -> NamedSize {
        (Axis::Vocab, self.vocab)
    }

    /// How the decoder, or an encoder-only model, was trained.
    fn trained(&self, config: &Config, mask: Mask) -> Result<Trained> {
        let context = config.optional_size("n_positions")?.unwrap_or(TRAINED_LENGTH);
        Ok(Trained::new("t5", context, mask, None))
    }
}

/// Whether the configuration is that of an encoder-only model, by its class or, without one, by `is_encoder_decoder`.
///
/// # Errors
/// [`Error::Format`] if the two contradict each other.
fn is_encoder_alone(config: &Config) -> Result<bool> {
    let classes = config.classes()?;
    let is_pair: Option<bool> = config.optional("is_encoder_decoder")?;
    match (classes.first(), is_pair) {
        _ if config.is_of_class(&["EncoderModel", "ForTokenClassification"])? => Ok(true),
        (Some(class), Some(false)) => {
            let expected = format!("true, since architectures is {class:?}");
            Err(config.wrong("is_encoder_decoder", "false", &expected))
        }
        (_, is_pair) => Ok(is_pair == Some(false)),
    }
}

/// Whether there is a gate, and the activation: `feed_forward_proj`, in which `gated-gelu` means the tanh form, or
/// `is_gated_act` and `dense_act_fn` where they are stated.
fn activation(config: &Config) -> Result<(bool, Activation)> {
    let name: String = config.get("feed_forward_proj")?;
    let (is_gated, function) = match name.split_once('-') {
        Some(("gated", "gelu")) => (true, Some(Activation::Gelu(GeluForm::Tanh))),
        Some(("gated", function)) => (true, Activation::named(function)),
        _ => (false, Activation::named(&name)),
    };
    let Some(function) = function else {
        let expected = "\"relu\", \"gelu\" or \"silu\", or one of them behind \"gated-\"";
        return Err(config.wrong("feed_forward_proj", &format!("{name:?}"), expected));
    };
    let function = match config.has("dense_act_fn") {
        true => Activation::read(config, "dense_act_fn")?,
        false => function,
    };
    Ok((config.optional("is_gated_act")?.unwrap_or(is_gated), function))
}

/// Builds the model, with or without the prefix `transformer.` of its names.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
    let is_prefixed = builder.has("transformer.encoder.final_layer_norm.weight", false);
    let prefix = if is_prefixed { "transformer." } else { "" };
    let holds_decoder = builder.has(&format!("{prefix}decoder.final_layer_norm.weight"), true);
    // If the configuration names no class, only the tensors show it.
    let is_half = config.classes()?.is_empty() && !holds_decoder;
    let fields = T5Fields::read(config)?;
    Ok(match is_encoder_alone(config)? || is_half {
        true => Box::new(encoder::build(&fields, prefix, config, builder)?),
        false => Box::new(pair::build(&fields, prefix, config, builder)?),
    })
}
