//! From a configuration to a plan, one function a family.

mod decoder;
mod encoder;
mod encoder_decoder;

use super::plan::{Attention, Plan};
use crate::attention::Mechanism;
use crate::error::Result;
use crate::model::variant::Variant;
use crate::model::{Config, FAMILIES, Family};

/// A family that can be counted: its `model_type`, and how its configuration is read.
type Reader = (&'static str, fn(&Config) -> Result<Plan>);

/// Every family that can be counted: those that can be built, and two whose papers state a shape only.
const READERS: [Reader; 15] = [
    ("openai-gpt", decoder::gpt1),
    ("gpt2", decoder::gpt2),
    ("llama", decoder::llama),
    ("mistral", decoder::llama),
    ("qwen2", decoder::llama),
    ("mixtral", decoder::mixtral),
    ("decllm", decoder::decllm),
    ("palm", decoder::palm),
    ("glm", decoder::glm),
    ("bert", encoder::bert),
    ("roberta", encoder::bert),
    ("unilm", encoder::bert),
    ("distilbert", encoder::distilbert),
    ("t5", encoder_decoder::t5),
    ("redllm", encoder_decoder::redllm),
];

impl Plan {
    /// The sizes that a configuration states, with what its class in `architectures` puts on top of the body.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) naming the field that is missing, wrong or contradicts another,
    /// or a family that is not counted.
    pub fn of(config: &Config) -> Result<Plan> {
        let family: String = config.get("model_type")?;
        if FAMILIES.iter().any(|known| known.name == family) {
            Family::of(config)?;
        }
        match READERS.iter().find(|(name, _)| *name == family) {
            Some((_, read)) => read(config)?.with_class(config),
            None => {
                let names: Vec<_> = READERS.iter().map(|(name, _)| *name).collect();
                let expected = format!("one of {}", names.join(", "));
                Err(config.wrong("model_type", &format!("{family:?}"), &expected))
            }
        }
    }
}

/// A plan with the fields that all families share, and nothing else yet.
fn bare(config: &Config, width: usize, vocab: usize) -> Result<Plan> {
    Ok(Plan {
        family: config.get("model_type")?,
        width,
        vocab,
        context: None,
        positions: 0,
        segments: 0,
        embedding_norm: 0,
        encoder: None,
        decoder: None,
        output: super::Output::Tied,
        has_pooler: false,
        task_heads: Vec::new(),
        apart: Vec::new(),
    })
}

/// Biased attention of H heads that share the width, D = C / H, unless `head_size` sets them free.
fn even_heads(variant: &Variant, heads: usize) -> Attention {
    Attention {
        heads,
        kv_heads: heads,
        head_size: variant.head_size,
        has_bias: true,
        has_output_bias: true,
        is_linear: matches!(variant.mechanism, Mechanism::Linear(_)),
    }
}

/// Attention with `num_attention_heads`, `num_key_value_heads` and `head_dim`, the last two optional.
fn grouped_heads(config: &Config, width: usize) -> Result<Attention> {
    let [heads, kv_heads, head_size] = config.grouped_heads(width)?;
    Ok(Attention { heads, kv_heads, head_size, has_bias: false, has_output_bias: false, is_linear: false })
}
