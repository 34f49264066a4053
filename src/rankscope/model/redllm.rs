//! RedLLM: an encoder-decoder built like today's decoders.
//!
//! RMS pre-norm, SwiGLU, and rotary positions in encoder, decoder and cross-attention, where the decoder's positions
//! continue after the encoder's, as if both sides were one text. Every attention is N(softmax(N(Q)·N(K)ᵀ / √D)·N(V)), N
//! being RMS norm over D without parameters: no score exceeds √D. One matrix is the embedding of both sides and the
//! output layer.
//!
//! It is trained as a prefix-LM: the encoder reads a prefix, the decoder the tokens after it ([`Input::split`]).
//!
//! No checkpoint is published. **Tensors**, named in the style of the hub: `model.embed_tokens.weight`;
//! `model.encoder.layers.N.` with `input_layernorm.weight`, `self_attn.{q,k,v,o}_proj.weight`,
//! `post_attention_layernorm.weight`, `mlp.{gate,up,down}_proj.weight`; `model.encoder.norm.weight`; the same under
//! `model.decoder.`, with `cross_attn_layernorm.weight` and `cross_attn.{q,k,v,o}_proj.weight` in each layer.
//! **Fields**: `num_encoder_layers`, `num_decoder_layers`, and as in LLaMA `vocab_size`, `hidden_size`,
//! `intermediate_size`, `num_attention_heads`, `num_key_value_heads`, `head_dim`, `hidden_act` (`silu`),
//! `rms_norm_eps`, `rope_theta`, `max_position_embeddings` (of both sides together); `decoder_start_token_id` if the
//! decoder has a start token.
//!
//! **Source**: Encoder-Decoder or Decoder-Only? (arXiv 2510.26622); the norm of the context is over each head's D
//! numbers, like the other norms.
//!
//! [`Input::split`]: super::Input::split

use super::block::CrossBlock;
use super::builder::Builder;
use super::embeddings::{LanguageHead, Order};
use super::encoder_decoder::{EncoderDecoder, Stacks};
use super::llama::{Dialect, LlamaFields, REDLLM};
use super::transformer::Trained;
use super::{Config, EncoderDescription, Model};
use crate::attention::NormalisedDotProduct;
use crate::error::Result;
use crate::mask::Mask;

/// The fields of `config.json` that RedLLM and DecLLM share: LLaMA's fields, but only with SwiGLU and one matrix for
/// embedding and output. Queries, keys and values are normalised, and in RedLLM the context too.
pub(super) fn fields(dialect: &Dialect, config: &Config, normalises_context: bool) -> Result<LlamaFields> {
    let activation: String = config.get("hidden_act")?;
    if activation != "silu" {
        return Err(config.wrong("hidden_act", &format!("{activation:?}"), "\"silu\""));
    }
    if config.optional("tie_word_embeddings")? == Some(false) {
        let expected = "true: all embeddings and the output layer are one matrix";
        return Err(config.wrong("tie_word_embeddings", "false", expected));
    }
    let mut fields = LlamaFields::read(dialect, config)?;
    let normalised = NormalisedDotProduct::new(fields.head_size).with_values().with_epsilon(fields.epsilon);
    let mechanism = if normalises_context { normalised.with_context() } else { normalised };
    fields.mechanism = mechanism.into();
    Ok(fields)
}

/// Builds the model.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
    let fields = fields(&REDLLM, config, true)?;
    let (layers, decoder_layers) =
        (config.layers("num_encoder_layers")?, config.layers("num_decoder_layers")?);
    let words = builder.matrix("model.embed_tokens.weight", [fields.vocab(), fields.width()])?;
    let norm = |name: &str, builder: &mut Builder<'_>| {
        builder.rms_norm(&format!("model.{name}"), fields.width().1, fields.epsilon)
    };
    let encoder = (0..layers)
        .map(|layer| fields.block(builder, &format!("model.encoder.layers.{layer}")))
        .collect::<Result<_>>()?;
    let encoder_norm = norm("encoder.norm", builder)?;
    let decoder = (0..decoder_layers)
        .map(|layer| {
            let path = format!("decoder.layers.{layer}");
            Ok(CrossBlock {
                block: fields.block(builder, &format!("model.{path}"))?,
                cross_norm: norm(&format!("{path}.cross_attn_layernorm"), builder)?,
                cross_attention: fields.attention(builder, &format!("model.{path}.cross_attn"))?,
            })
        })
        .collect::<Result<_>>()?;
    let decoder_norm = norm("decoder.norm", builder)?;
    let description = EncoderDescription {
        layers,
        trained_mask: Mask::bidirectional(),
        start: config.optional("decoder_start_token_id")?,
        shares_context: true,
    };
    let trained = Trained::new("redllm", fields.context, Mask::causal(), None);
    let stacks = Stacks {
        head: Some(LanguageHead::of_words(words.clone())),
        embedding: words,
        orders: [Order::Rotary(fields.rotation.clone()), Order::Rotary(fields.rotation)],
        encoder,
        encoder_norm,
        decoder,
        decoder_norm,
        device: builder.device().clone(),
    };
    Ok(Box::new(EncoderDecoder::new(trained, description, stacks, builder)?))
}
