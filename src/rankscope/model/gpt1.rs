//! GPT-1: a causal decoder with learned positions and layer norm after each residual sum, as in the first
//! transformer; no norm at the end.
//!
//! h₀ = W_e·U + W_p; n = norm(h + attention(h)), h ← norm(n + W₂·GELU(W₁·n)); P = softmax(h·W_eᵀ).
//!
//! **Conventions**: `afn: "gelu"` is the tanh approximation here, as in the released code. F = 4·C.
//!
//! **Source**: Radford et al. 2018, *Improving Language Understanding by Generative Pre-Training*, equations 2;
//! tensor names as on the Hugging Face hub.

use super::builder::Builder;
use super::feed_forward::Activation;
use super::gpt::{GptFields, Scale};
use super::variant::AttentionVariant;
use super::{Config, Model};
use crate::error::Result;
use crate::ops::GeluForm;

/// Builds a GPT-1.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(super) fn build(config: &Config, builder: &mut Builder<'_>) -> Result<Box<dyn Model>> {
    let name: String = config.get("afn")?;
    let activation = match name.as_str() {
        "gelu" => Activation::Gelu(GeluForm::Tanh),
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        _ => {
            let expected = "\"gelu\", \"relu\", \"silu\" or \"swish\"";
            return Err(config.wrong("afn", &format!("{name:?}"), expected));
        }
    };
    let fields = GptFields {
        family: "openai-gpt",
        tables: ["tokens_embed", "positions_embed"],
        feed_forward: 4 * config.size("n_embd")?,
        activation,
        scale: Scale::Usual,
        is_pre_norm: false,
        final_norm: None,
        variant: AttentionVariant::read(config, ["n_embd", "n_head", "n_positions"])?,
    };
    fields.build(config, builder)
}
