//! The encoder and the decoder.

use super::T5Fields;
use super::parts::{decoder_block, encoder_block, relative};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::builder::Builder;
use crate::model::embeddings::{LanguageHead, Order};
use crate::model::encoder_decoder::{EncoderDecoder, Stacks};
use crate::model::{Config, EncoderDescription};
use crate::weight::Weight;

/// Builds both stacks.
pub(super) fn build(
    fields: &T5Fields,
    prefix: &str,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<EncoderDecoder> {
    let layers = config.layers("num_layers")?;
    let decoder_layers = match config.optional_size("num_decoder_layers")? {
        Some(_) => config.layers("num_decoder_layers")?,
        None => layers,
    };
    let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
    let (embedding, output) = tables(fields, prefix, config, builder, is_tied)?;
    let [encoder_name, decoder_name] = ["encoder", "decoder"].map(|stack| format!("{prefix}{stack}"));
    // A bias that the first release stored but never used.
    builder.ignore(&format!("{decoder_name}.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"));
    let encoder_bias = relative(fields, config, builder, &encoder_name)?;
    let encoder = (0..layers)
        .map(|block| encoder_block(fields, builder, &encoder_name, block))
        .collect::<Result<_>>()?;
    let encoder_norm = fields.norm(builder, &format!("{encoder_name}.final_layer_norm"))?;
    let decoder_bias = relative(fields, config, builder, &decoder_name)?;
    let decoder = (0..decoder_layers)
        .map(|block| decoder_block(fields, builder, &decoder_name, block))
        .collect::<Result<_>>()?;
    let decoder_norm = fields.norm(builder, &format!("{decoder_name}.final_layer_norm"))?;
    let description = EncoderDescription {
        layers,
        trained_mask: Mask::bidirectional(),
        start: config.optional("decoder_start_token_id")?,
        shares_context: false,
    };
    let is_scaled = config.optional("scale_decoder_outputs")?.unwrap_or(is_tied);
    let scale = is_scaled.then(|| 1.0 / (fields.width as f32).sqrt());
    let stacks = Stacks {
        embedding,
        orders: [Order::Relative(encoder_bias), Order::Relative(decoder_bias)],
        encoder,
        encoder_norm,
        decoder,
        decoder_norm,
        head: output.map(|output| LanguageHead { scale, ..LanguageHead::of_words(output) }),
        device: builder.device().clone(),
    };
    EncoderDecoder::new(fields.trained(config, Mask::causal())?, description, stacks, builder)
}

/// The embedding, under any of its names, and the output layer: the embedding itself where they are tied, and none for
/// a bare model or a model with another head.
fn tables(
    fields: &T5Fields,
    prefix: &str,
    config: &Config,
    builder: &mut Builder<'_>,
    is_tied: bool,
) -> Result<(Weight, Option<Weight>)> {
    let names = ["shared", "encoder.embed_tokens", "decoder.embed_tokens"];
    let names = names.map(|name| format!("{prefix}{name}.weight"));
    let embedding = builder.one_of(&names.each_ref().map(String::as_str))?;
    let axes = [fields.vocab(), fields.width()];
    if !config.classes()?.is_empty() && !config.is_of_class(&["ForConditionalGeneration", "LMHeadModel"])? {
        return Ok((builder.matrix(embedding, axes)?, None));
    }
    let [embedding, output] = builder.tied([embedding, "lm_head.weight"], axes, is_tied)?;
    Ok((embedding, Some(output)))
}
