//! GPT-2, and GPT-3, which is larger: a causal decoder with learned positions and layer norm before each update.
//!
//! x ← x + attention(norm(x)), x ← x + W₂·GELU(W₁·norm(x)), then a norm and the tied output layer.
//!
//! **Conventions**: `gelu_new` is the tanh approximation, as in the released code. F is `n_inner`, otherwise 4·C.
//! GPT-3's alternating sparse layers (section 2.1) are not published in detail; all layers are dense here.
//!
//! **Source**: Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.3; Brown et
//! al. 2020 (arXiv 2005.14165), section 2.1; tensor names as on the Hugging Face hub. Variants of our own:
//! [`Variant`].

use super::Config;
use super::bert::activation;
use super::builder::Builder;
use super::gpt::{Gpt, Plan};
use super::transformer::Transformer;
use super::variant::Variant;
use crate::error::Result;

/// Builds a GPT-2.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Transformer<Gpt>> {
    for (field, usual) in [
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
        ("add_cross_attention", false),
    ] {
        if config.optional(field)?.is_some_and(|value: bool| value != usual) {
            let expected = format!("{usual}: the other is not implemented");
            return Err(config.wrong(field, &(!usual).to_string(), &expected));
        }
    }
    let variant = Variant::read(config, ["n_embd", "n_head"])?;
    variant.expect_causal(config)?;
    let plan = Plan {
        family: "gpt2",
        tables: ["wte", "wpe"],
        feed_forward: match config.optional_size("n_inner")? {
            Some(size) => size,
            None => 4 * config.size("n_embd")?,
        },
        activation: activation(config, "activation_function")?,
        is_pre_norm: true,
        final_norm: Some("ln_f"),
        variant,
    };
    plan.build(config, builder)
}
