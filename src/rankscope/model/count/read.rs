//! From a configuration to a plan, one function a family.

mod decoder;
mod encoder;
mod encoder_decoder;

use super::plan::{Attention, Plan};
use crate::error::Result;
use crate::model::Config;

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
    /// The sizes that a configuration states.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) naming the field that is missing, wrong or contradicts another,
    /// or a family that is not counted.
    pub fn of(config: &Config) -> Result<Plan> {
        let family: String = config.get("model_type")?;
        match READERS.iter().find(|(name, _)| *name == family) {
            Some((_, read)) => read(config),
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
    })
}

/// Attention of H heads that share the width, D = C / H, unless `head_size` sets them free.
fn even_heads(
    config: &Config,
    width: (&str, usize),
    heads: (&str, usize),
    biased: bool,
) -> Result<Attention> {
    let head_size = match config.optional_size("head_size")? {
        Some(size) => size,
        None if width.1.is_multiple_of(heads.1) => width.1 / heads.1,
        None => {
            let expected = format!("a multiple of {} = {}", heads.0, heads.1);
            return Err(config.wrong(width.0, &width.1.to_string(), &expected));
        }
    };
    let kind: Option<String> = config.optional("attention")?;
    let is_linear = match kind.as_deref() {
        None | Some("softmax") => false,
        Some("linear") => true,
        Some(other) => {
            return Err(config.wrong("attention", &format!("{other:?}"), "\"softmax\" or \"linear\""));
        }
    };
    let heads = heads.1;
    let (has_bias, has_output_bias) = (biased, biased);
    Ok(Attention { heads, kv_heads: heads, head_size, has_bias, has_output_bias, is_linear })
}

/// Attention with `num_attention_heads`, `num_key_value_heads` and `head_dim`, the last two optional.
fn grouped_heads(config: &Config, width: usize) -> Result<Attention> {
    let [heads, kv_heads, head_size] = config.grouped_heads(width)?;
    Ok(Attention { heads, kv_heads, head_size, has_bias: false, has_output_bias: false, is_linear: false })
}
