//! Encoder-decoders: T5 and RedLLM.

use super::{bare, grouped_heads};
use crate::error::Result;
use crate::model::Config;
use crate::model::count::{Attention, FeedForward, Output, Plan, Sees, Stack};
use crate::model::rope::Rotation;
use crate::model::t5::{activation, is_encoder_alone};

/// T5, or its encoder alone: no biases, relative position biases shared by the layers of a stack, a head of its own
/// in v1.1.
pub(super) fn t5(config: &Config) -> Result<Plan> {
    let width = config.size("d_model")?;
    let (heads, head_size) = (config.size("num_heads")?, config.size("d_kv")?);
    let attention = Attention {
        heads,
        kv_heads: heads,
        head_size,
        has_bias: false,
        has_output_bias: false,
        is_linear: false,
    };
    let (is_gated, _) = activation(config)?;
    let matrices = if is_gated { 3 } else { 2 };
    let feed_forward =
        FeedForward { width: config.size("d_ff")?, matrices, has_bias: false, experts: 1, active: 1 };
    let encoder = Stack {
        layers: config.layers("num_layers")?,
        self_attention: attention,
        cross_attention: None,
        feed_forward,
        norms: 2,
        has_final_norm: true,
        norm_size: width,
        position_biases: config.size("relative_attention_num_buckets")? * heads,
        sees: Sees::All,
        full_layers: 0,
    };
    if is_encoder_alone(config)? {
        let plan = bare(config, width, config.size("vocab_size")?)?;
        return Ok(Plan { encoder: Some(encoder), output: Output::None, ..plan });
    }
    let layers = match config.optional_size("num_decoder_layers")? {
        Some(_) => config.layers("num_decoder_layers")?,
        None => encoder.layers,
    };
    let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
    Ok(Plan {
        decoder: Some(reader_of(&encoder, layers)),
        encoder: Some(encoder),
        output: if is_tied { Output::Tied } else { Output::Own },
        ..bare(config, width, config.size("vocab_size")?)?
    })
}

/// RedLLM: LLaMA's parts in both stacks, one embedding for all three ends.
pub(super) fn redllm(config: &Config) -> Result<Plan> {
    let width = config.size("hidden_size")?;
    let feed_forward = FeedForward {
        width: config.size("intermediate_size")?,
        matrices: 3,
        has_bias: false,
        experts: 1,
        active: 1,
    };
    let encoder = Stack {
        layers: config.layers("num_encoder_layers")?,
        self_attention: grouped_heads(config, width)?,
        cross_attention: None,
        feed_forward,
        norms: 2,
        has_final_norm: true,
        norm_size: width,
        position_biases: 0,
        sees: Sees::All,
        full_layers: 0,
    };
    let context = config.size("max_position_embeddings")?;
    let rotation = Rotation::read(config, encoder.self_attention.head_size, context)?;
    Ok(Plan {
        context: Some(rotation.context(context)),
        decoder: Some(reader_of(&encoder, config.layers("num_decoder_layers")?)),
        encoder: Some(encoder),
        ..bare(config, width, config.size("vocab_size")?)?
    })
}

/// The decoder of the same sizes: causal, with a cross-attention and its norm in every layer.
fn reader_of(encoder: &Stack, layers: usize) -> Stack {
    let cross_attention = Some(encoder.self_attention);
    Stack { layers, cross_attention, norms: 3, sees: Sees::Past, ..encoder.clone() }
}
