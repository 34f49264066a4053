//! DecLLM: the decoder-only model that RedLLM is compared with.
//!
//! RMS pre-norm, SwiGLU, rotary positions, one matrix for embedding and output, and attention
//! softmax(N(Q)·N(K)ᵀ / √D)·N(V), N being RMS norm over D without parameters: LLaMA but for the norms and the tie.
//!
//! With bidirectional input it runs under the mask `prefix(p)`, p being the length of the input: choose the mask
//! for a text, or state `prefix_length` in the configuration of a model that was trained so.
//!
//! No checkpoint is published. **Tensors**: `model.embed_tokens.weight`, `model.layers.N.…` and
//! `model.norm.weight`, named as in LLaMA. **Fields**: as LLaMA's, see [`redllm`](super::redllm);
//! `num_hidden_layers`, and `prefix_length` if the input is bidirectional.
//!
//! **Source**: Encoder-Decoder or Decoder-Only? (arXiv 2510.26622), sections on DecLLM and, for bidirectional
//! input, on finetuning.

use super::builder::Builder;
use super::encoder_decoder::Network;
use super::llama::Layers;
use super::redllm::Sizes;
use super::transformer::Transformer;
use super::{Config, Description};
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;

/// A DecLLM model: LLaMA's layers, whose attention is another.
type DecLlm = Transformer<Layers<Network>>;

/// Builds the model.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<DecLlm> {
    let sizes = Sizes::read(config)?;
    let (layers, vocab) = (config.layers("num_hidden_layers")?, (Axis::Vocab, sizes.vocab));
    let prefix: Option<usize> = config.optional("prefix_length")?;
    let embedding = builder.matrix("model.embed_tokens.weight", [vocab, sizes.width()])?;
    let blocks = (0..layers)
        .map(|layer| sizes.block(builder, &format!("model.layers.{layer}"), sizes.mechanism()))
        .collect::<Result<Vec<_>>>()?;
    let final_norm = builder.gain("model.norm.weight", sizes.width())?;
    let record = builder.finish(&[])?;
    let description = Description {
        family: "decllm",
        layers,
        heads: sizes.heads,
        kv_heads: sizes.kv_heads,
        head_size: sizes.head_size,
        width: sizes.width,
        feed_forward: sizes.feed_forward,
        vocab: vocab.1,
        context: sizes.context,
        trained_mask: prefix.map_or_else(Mask::causal, Mask::prefix),
        encoder: None,
        other_mask: None,
        parameters: record.parameters(),
        dtype: embedding.dtype(),
    };
    let (rotation, epsilon, output) = (sizes.rotation, sizes.epsilon, Some(embedding.clone()));
    let body = Layers { rotation, epsilon, embedding, blocks, final_norm, output };
    Ok(Transformer { description, device: builder.device().clone(), record, body })
}
