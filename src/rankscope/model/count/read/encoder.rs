//! Encoders: BERT and its kin.

use super::{bare, even_heads};
use crate::error::Result;
use crate::model::Config;
use crate::model::count::{FeedForward, Output, Plan, Sees, Stack};
use crate::model::variant::Variant;

/// BERT and RoBERTa, with a pooler and without a head.
pub(super) fn bert(config: &Config) -> Result<Plan> {
    let layers = config.layers("num_hidden_layers")?;
    let names = ["hidden_size", "num_attention_heads"];
    let plan = encoder(config, names, layers, config.size("intermediate_size")?)?;
    // RoBERTa's positions begin behind that of the padding.
    let taken = match plan.family.as_str() {
        "roberta" => config.optional("pad_token_id")?.unwrap_or(1usize).saturating_add(1),
        _ => 0,
    };
    let context = plan.positions.saturating_sub(taken);
    if context == 0 {
        let expected = format!("more than {taken}, the positions before the first token's");
        return Err(config.wrong("max_position_embeddings", &plan.positions.to_string(), &expected));
    }
    let segments = config.size("type_vocab_size")?;
    Ok(Plan { context: Some(context), segments, has_pooler: true, ..plan })
}

/// DistilBERT: neither segments nor a pooler.
pub(super) fn distilbert(config: &Config) -> Result<Plan> {
    encoder(config, ["dim", "n_heads"], config.layers("n_layers")?, config.size("hidden_dim")?)
}

fn encoder(config: &Config, names: [&str; 2], layers: usize, inner: usize) -> Result<Plan> {
    let [width, heads] = [config.size(names[0])?, config.size(names[1])?];
    let variant = Variant::read(config, names)?;
    let stack = Stack {
        layers,
        self_attention: even_heads(&variant, heads),
        cross_attention: None,
        feed_forward: FeedForward { width: inner, matrices: 2, has_bias: true, experts: 1, active: 1 },
        norms: 2,
        has_final_norm: false,
        norm_size: 2 * width,
        position_biases: 0,
        // Heads or layers that look one way see as many pairs whichever way it is.
        sees: if variant.mask.is_some() { Sees::Past } else { Sees::All },
        full_layers: 0,
    };
    let context = config.size("max_position_embeddings")?;
    Ok(Plan {
        context: Some(context),
        positions: context,
        embedding_norm: 2 * width,
        encoder: Some(stack),
        output: Output::None,
        ..bare(config, width, config.size("vocab_size")?)?
    })
}
