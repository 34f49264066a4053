//! GPT-2, and GPT-3, which is larger: a causal decoder with learned positions and layer norm before each update.
//!
//! x ← x + attention(norm(x)), x ← x + W₂·GELU(W₁·norm(x)), then a norm and the tied output layer.
//!
//! **Conventions**: `gelu_new` is the tanh approximation, as in the released code. F is `n_inner`, otherwise 4·C.
//! Scores are divided by √D unless `scale_attn_weights` is false, and in layer i by i + 1 as well where
//! `scale_attn_by_inverse_layer_idx` is true.
//! GPT-3's alternating sparse layers (section 2.1) are not published in detail; all layers are dense here.
//!
//! **Source**: Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.3; Brown et
//! al. 2020 (arXiv 2005.14165), section 2.1; tensor names as on the Hugging Face hub. Variants of this library:
//! [`AttentionVariant`].

use super::builder::Builder;
use super::feed_forward::Activation;
use super::gpt::{GptFields, Scale};
use super::variant::{AttentionVariant, Kind};
use super::{Config, Model};
use crate::error::Result;

/// Builds a GPT-2.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
    if config.optional("add_cross_attention")?.unwrap_or(false) {
        return Err(config.wrong("add_cross_attention", "true", "false: the other is not implemented"));
    }
    let variant = AttentionVariant::read(config, ["n_embd", "n_head", "n_positions"])?;
    let fields = GptFields {
        family: "gpt2",
        tables: ["wte", "wpe"],
        feed_forward: match config.optional_size("n_inner")? {
            Some(size) => size,
            None => 4 * config.size("n_embd")?,
        },
        activation: Activation::read(config, "activation_function")?,
        scale: scale(config, &variant)?,
        is_pre_norm: true,
        final_norm: Some("ln_f"),
        variant,
    };
    fields.build(config, builder)
}

/// `scale_attn_weights` and `scale_attn_by_inverse_layer_idx`. `reorder_and_upcast_attn` is about the order of
/// half-precision operations and changes nothing in f32.
fn scale(config: &Config, variant: &AttentionVariant) -> Result<Scale> {
    let by_size = config.optional("scale_attn_weights")?.unwrap_or(true);
    let by_layer = config.optional("scale_attn_by_inverse_layer_idx")?.unwrap_or(false);
    match (by_size, by_layer) {
        (true, false) => Ok(Scale::Usual),
        _ if variant.kind == Kind::Softmax => Ok(Scale::Stated { by_size, by_layer }),
        _ => {
            let field = if by_layer { "scale_attn_by_inverse_layer_idx" } else { "scale_attn_weights" };
            let expected = format!("{}: only softmax attention takes another scale", !by_layer);
            Err(config.wrong(field, &by_layer.to_string(), &expected))
        }
    }
}
