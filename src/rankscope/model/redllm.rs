//! RedLLM: an encoder-decoder in the recipe of today's decoders.
//!
//! RMS pre-norm, SwiGLU, and rotary positions in encoder, decoder and cross-attention, those of the decoder going
//! on where the encoder's end, as if both sides were one text. Every attention is
//! N(softmax(N(Q)·N(K)ᵀ / √D)·N(V)), N being RMS norm over D without parameters: no score exceeds √D. One matrix
//! is the embedding of both sides and the output layer.
//!
//! Trained as a prefix-LM: the encoder reads a prefix, the decoder what follows it ([`Input::split`]).
//!
//! No checkpoint is published. **Tensors**, named in the style of the hub: `model.embed_tokens.weight`;
//! `model.encoder.layers.N.` with `input_layernorm.weight`, `self_attn.{q,k,v,o}_proj.weight`,
//! `post_attention_layernorm.weight`, `mlp.{gate,up,down}_proj.weight`; `model.encoder.norm.weight`; the same under
//! `model.decoder.`, with `cross_attn_layernorm.weight` and `cross_attn.{q,k,v,o}_proj.weight` in each layer.
//! **Fields**: `num_encoder_layers`, `num_decoder_layers`, and as in LLaMA `vocab_size`, `hidden_size`,
//! `intermediate_size`, `num_attention_heads`, `num_key_value_heads`, `head_dim`, `hidden_act` (`silu`),
//! `rms_norm_eps`, `rope_theta`, `max_position_embeddings` (of both sides together); `decoder_start_token_id` if
//! the decoder has a token to begin with.
//!
//! **Source**: Encoder-Decoder or Decoder-Only? (arXiv 2510.26622); the norm of the context is taken over each
//! head's D numbers, like the others.
//!
//! [`Input::split`]: super::Input::split

use super::builder::{Builder, NamedSize};
use super::encoder_decoder::{Activation, Block, CrossBlock, EncoderDecoder, Network, Order, Stacks};
use super::rope::Rotation;
use super::{Config, Description, EncoderDescription};
use crate::attention::{Mechanism, MultiHead, NormalisedDotProduct};
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;

/// The fields of `config.json` that RedLLM and DecLLM share.
pub(super) struct Sizes {
    pub(super) width: usize,
    pub(super) feed_forward: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_size: usize,
    pub(super) epsilon: f32,
    pub(super) vocab: usize,
    pub(super) context: usize,
    pub(super) rotation: Rotation,
}

impl Sizes {
    pub(super) fn read(config: &Config) -> Result<Self> {
        let width = config.size("hidden_size")?;
        let [heads, kv_heads, head_size] = config.grouped_heads(width)?;
        let activation: String = config.get("hidden_act")?;
        if activation != "silu" {
            return Err(config.wrong("hidden_act", &format!("{activation:?}"), "\"silu\""));
        }
        let context = config.size("max_position_embeddings")?;
        let rotation = Rotation::read(config, head_size, context)?;
        if config.optional("tie_word_embeddings")? == Some(false) {
            let expected = "true: all embeddings and the output layer are one matrix";
            return Err(config.wrong("tie_word_embeddings", "false", expected));
        }
        Ok(Sizes {
            width,
            feed_forward: config.size("intermediate_size")?,
            heads,
            kv_heads,
            head_size,
            epsilon: config.stated_epsilon("rms_norm_eps")?,
            vocab: config.size("vocab_size")?,
            context: rotation.context(context),
            rotation,
        })
    }

    pub(super) fn width(&self) -> NamedSize {
        (Axis::Width, self.width)
    }

    /// Queries, keys and values normalised; the context too in RedLLM.
    pub(super) fn mechanism(&self) -> NormalisedDotProduct {
        NormalisedDotProduct::new(self.head_size).with_values().with_epsilon(self.epsilon)
    }

    /// A block of attention and SwiGLU.
    pub(super) fn block(
        &self,
        builder: &mut Builder<'_>,
        path: &str,
        mechanism: impl Into<Mechanism>,
    ) -> Result<Block> {
        let (width, inner) = (self.width(), (Axis::FeedForward, self.feed_forward));
        let norm = |name: &str| format!("{path}.{name}.weight");
        let attention_norm = builder.gain(&norm("input_layernorm"), width)?;
        let self_attention = self.attention(builder, &format!("{path}.self_attn"), mechanism)?;
        let feed_forward_norm = builder.gain(&norm("post_attention_layernorm"), width)?;
        let mut linear =
            |part: &str, out, from| builder.linear(&format!("{path}.mlp.{part}_proj"), out, from, false);
        let feed_forward = Network {
            gate: Some(linear("gate", inner, width)?),
            up: linear("up", inner, width)?,
            down: linear("down", width, inner)?,
            activation: Activation::Silu,
        };
        Ok(Block { attention_norm, self_attention, feed_forward_norm, feed_forward })
    }

    fn attention(
        &self,
        builder: &mut Builder<'_>,
        path: &str,
        mechanism: impl Into<Mechanism>,
    ) -> Result<MultiHead> {
        let Sizes { heads, kv_heads, head_size, .. } = *self;
        let width = self.width();
        let (all, shared) = ((Axis::HeadWidth, heads * head_size), (Axis::KvWidth, kv_heads * head_size));
        let mut linear =
            |part: &str, out, from| builder.linear(&format!("{path}.{part}_proj"), out, from, false);
        Ok(MultiHead {
            heads,
            kv_heads,
            query: linear("q", all, width)?,
            key: linear("k", shared, width)?,
            value: linear("v", shared, width)?,
            output: linear("o", width, all)?,
            mechanism: mechanism.into(),
        })
    }
}

/// Builds the model.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<EncoderDecoder> {
    let sizes = Sizes::read(config)?;
    let (layers, decoder_layers) =
        (config.layers("num_encoder_layers")?, config.layers("num_decoder_layers")?);
    let (vocab, width) = ((Axis::Vocab, sizes.vocab), sizes.width());
    let embedding = builder.matrix("model.embed_tokens.weight", [vocab, width])?;
    let mechanism = sizes.mechanism().with_context();
    let encoder = (0..layers)
        .map(|layer| sizes.block(builder, &format!("model.encoder.layers.{layer}"), mechanism))
        .collect::<Result<_>>()?;
    let encoder_norm = builder.gain("model.encoder.norm.weight", width)?;
    let decoder = (0..decoder_layers)
        .map(|layer| {
            let path = format!("model.decoder.layers.{layer}");
            let block = sizes.block(builder, &path, mechanism)?;
            let cross_norm = builder.gain(&format!("{path}.cross_attn_layernorm.weight"), width)?;
            let cross_attention = sizes.attention(builder, &format!("{path}.cross_attn"), mechanism)?;
            Ok(CrossBlock { block, cross_norm, cross_attention })
        })
        .collect::<Result<_>>()?;
    let decoder_norm = builder.gain("model.decoder.norm.weight", width)?;
    let record = builder.finish(&[])?;
    let start = config.optional("decoder_start_token_id")?;
    let description = Description {
        family: "redllm",
        layers: decoder_layers,
        heads: sizes.heads,
        kv_heads: sizes.kv_heads,
        head_size: sizes.head_size,
        width: sizes.width,
        feed_forward: sizes.feed_forward,
        vocab: vocab.1,
        context: sizes.context,
        trained_mask: Mask::causal(),
        encoder: Some(EncoderDescription {
            layers,
            trained_mask: Mask::bidirectional(),
            start,
            shares_context: true,
        }),
        other_mask: None,
        parameters: record.parameters(),
        dtype: embedding.dtype(),
    };
    let stacks = Stacks {
        output: Some(embedding.clone()),
        embedding,
        encoder,
        encoder_norm,
        decoder,
        decoder_norm,
        output_scale: None,
        order: Order::Continued { rotation: sizes.rotation },
        epsilon: sizes.epsilon,
        device: builder.device().clone(),
    };
    Ok(EncoderDecoder { description, record, stacks })
}
