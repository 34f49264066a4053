//! DecLLM: the decoder-only model that RedLLM is compared with.
//!
//! RMS pre-norm, SwiGLU, rotary positions, one matrix for embedding and output, and attention
//! softmax(N(Q)·N(K)ᵀ / √D)·N(V), N being RMS norm over D without parameters: LLaMA except for the norms and the tied
//! matrices.
//!
//! With bidirectional input it runs under the mask `prefix(p)`, p being the length of the input: choose the mask
//! for a text, or state `prefix_length` in the configuration of a model that was trained with it.
//!
//! No checkpoint is published. **Tensors**: `model.embed_tokens.weight`, `model.layers.N.…` and
//! `model.norm.weight`, named as in LLaMA. **Fields**: as LLaMA's, see [`redllm`](super::redllm);
//! `num_hidden_layers`, and `prefix_length` if the input is bidirectional.
//!
//! **Source**: Encoder-Decoder or Decoder-Only? (arXiv 2510.26622), sections on DecLLM and, for bidirectional
//! input, on finetuning.

use super::builder::Builder;
use super::llama::DECLLM;
use super::redllm::fields;
use super::transformer::{Trained, Transformer};
use super::{Config, Model};
use crate::error::Result;
use crate::mask::Mask;

/// Builds the model.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
    let fields = fields(&DECLLM, config, false)?;
    let layers = config.layers("num_hidden_layers")?;
    let prefix: Option<usize> = config.optional("prefix_length")?;
    let words = builder.matrix("model.embed_tokens.weight", [fields.vocab(), fields.width()])?;
    let mask = prefix.map_or_else(Mask::causal, Mask::prefix);
    let trained = Trained::new("decllm", fields.context, mask, None);
    let body = fields.decoder(builder, "model.", layers, words.clone(), Some(words))?;
    Ok(Box::new(Transformer::new(trained, body, builder, &[])?))
}
