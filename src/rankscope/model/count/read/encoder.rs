//! Encoders: BERT and its kin.

use super::{bare, even_heads};
use crate::error::Result;
use crate::model::Config;
use crate::model::count::{FeedForward, Output, Plan, Sees, Stack};

/// BERT and RoBERTa, with a pooler and without a head.
pub(super) fn bert(config: &Config) -> Result<Plan> {
    let width = ("hidden_size", config.size("hidden_size")?);
    let heads = ("num_attention_heads", config.size("num_attention_heads")?);
    let layers = config.layers("num_hidden_layers")?;
    let plan = encoder(config, width, heads, layers, config.size("intermediate_size")?)?;
    Ok(Plan { segments: config.size("type_vocab_size")?, has_pooler: true, ..plan })
}

/// DistilBERT: neither segments nor a pooler.
pub(super) fn distilbert(config: &Config) -> Result<Plan> {
    let width = ("dim", config.size("dim")?);
    let heads = ("n_heads", config.size("n_heads")?);
    encoder(config, width, heads, config.layers("n_layers")?, config.size("hidden_dim")?)
}

fn encoder(
    config: &Config,
    width: (&str, usize),
    heads: (&str, usize),
    layers: usize,
    inner: usize,
) -> Result<Plan> {
    // Heads or layers that look one way see as many pairs whichever way it is.
    let is_directed = config.optional::<String>("directions")?.is_some();
    let stack = Stack {
        layers,
        self_attention: even_heads(config, width, heads, true)?,
        cross_attention: None,
        feed_forward: FeedForward { width: inner, matrices: 2, has_bias: true, experts: 1, active: 1 },
        norms: 2,
        has_final_norm: false,
        norm_size: 2 * width.1,
        position_biases: 0,
        sees: if is_directed { Sees::Past } else { Sees::All },
    };
    let context = config.size("max_position_embeddings")?;
    Ok(Plan {
        context: Some(context),
        positions: context,
        embedding_norm: 2 * width.1,
        encoder: Some(stack),
        output: Output::None,
        ..bare(config, width.1, config.size("vocab_size")?)?
    })
}
