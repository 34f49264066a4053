//! Decoders: GPT, LLaMA and their kin.

use super::{bare, even_heads, grouped_heads};
use crate::error::Result;
use crate::model::Config;
use crate::model::count::{Attention, FeedForward, Output, Plan, Sees, Stack};
use crate::model::llama::{Dialect, experts, is_tied};
use crate::model::rope::Rotation;
use crate::model::variant::Variant;

/// GPT-1: norms after the sums and none at the end.
pub(super) fn gpt1(config: &Config) -> Result<Plan> {
    let plan = gpt2(config)?;
    // Its networks are 4·C wide whatever n_inner says.
    let of_stack = |stack: Stack| {
        let feed_forward = FeedForward { width: 4 * plan.width, ..stack.feed_forward };
        Stack { has_final_norm: false, feed_forward, ..stack }
    };
    let decoder = plan.decoder.map(of_stack);
    Ok(Plan { decoder, ..plan })
}

/// GPT-2 and 3: everything biased, the output tied.
pub(super) fn gpt2(config: &Config) -> Result<Plan> {
    let (width, heads) = (config.size("n_embd")?, config.size("n_head")?);
    let variant = Variant::read(config, ["n_embd", "n_head"])?;
    variant.expect_causal(config)?;
    let context = config.size("n_positions")?;
    let feed_forward = FeedForward {
        width: config.optional_size("n_inner")?.unwrap_or(4 * width),
        matrices: 2,
        has_bias: true,
        experts: 1,
        active: 1,
    };
    let stack = Stack {
        layers: config.layers("n_layer")?,
        self_attention: even_heads(&variant, heads),
        cross_attention: None,
        feed_forward,
        norms: 2,
        has_final_norm: true,
        norm_size: 2 * width,
        position_biases: 0,
        sees: Sees::Past,
        full_layers: 0,
    };
    let is_tied = config.optional("tie_word_embeddings")?.unwrap_or(true);
    Ok(Plan {
        context: Some(context),
        positions: context,
        decoder: Some(stack),
        output: if is_tied { Output::Tied } else { Output::Own },
        ..bare(config, width, config.size("vocab_size")?)?
    })
}

/// LLaMA and its dialects: Mistral (a window), Qwen2 (biased queries, keys and values, a window in some layers).
pub(super) fn llama(config: &Config) -> Result<Plan> {
    let (width, layers) = (config.size("hidden_size")?, config.layers("num_hidden_layers")?);
    let plan = bare(config, width, config.size("vocab_size")?)?;
    let dialect = Dialect::of(&plan.family);
    let [biased, output_biased, inner_biased] =
        dialect.map_or(Ok([false; 3]), |dialect| dialect.biases(config))?;
    let windows =
        dialect.map_or_else(|| Ok(vec![None; layers]), |dialect| dialect.windows(config, layers))?;
    let attention = grouped_heads(config, width)?;
    let context = config.size("max_position_embeddings")?;
    let stack = Stack {
        layers,
        self_attention: Attention { has_bias: biased, has_output_bias: output_biased, ..attention },
        cross_attention: None,
        feed_forward: gated(config.size("intermediate_size")?, inner_biased),
        norms: 2,
        has_final_norm: true,
        norm_size: width,
        position_biases: 0,
        sees: windows.iter().flatten().next().map_or(Sees::Past, |&window| Sees::Window(window)),
        full_layers: windows.iter().filter(|window| window.is_none()).count() % layers,
    };
    let output = if is_tied(config)? { Output::Tied } else { Output::Own };
    let context = Rotation::read(config, attention.head_size, context)?.context(context);
    Ok(Plan { context: Some(context), decoder: Some(stack), output, ..plan })
}

/// Mixtral: LLaMA with a router over several feed-forward networks.
pub(super) fn mixtral(config: &Config) -> Result<Plan> {
    let (experts, active) = experts(config)?;
    let plan = llama(config)?;
    let decoder = plan
        .decoder
        .map(|stack| Stack { feed_forward: FeedForward { experts, active, ..stack.feed_forward }, ..stack });
    Ok(Plan { decoder, ..plan })
}

/// DecLLM: LLaMA's parts with norms of queries, keys and values that have no parameters, and tied ends.
pub(super) fn decllm(config: &Config) -> Result<Plan> {
    Ok(Plan { output: Output::Tied, ..llama(config)? })
}

/// PaLM: one key/value head, attention and feed-forward network side by side, no biases, tied ends.
///
/// The paper does not say what a norm holds, so norms are not counted.
pub(super) fn palm(config: &Config) -> Result<Plan> {
    let plan = llama(config)?;
    let decoder = plan.decoder.map(|stack| Stack { norm_size: 0, ..stack });
    Ok(Plan { decoder, output: Output::Tied, ..plan })
}

/// GLM-130B: its matrices. What biases and norms there are its paper does not say.
pub(super) fn glm(config: &Config) -> Result<Plan> {
    palm(config)
}

fn gated(width: usize, has_bias: bool) -> FeedForward {
    FeedForward { width, matrices: 3, has_bias, experts: 1, active: 1 }
}
