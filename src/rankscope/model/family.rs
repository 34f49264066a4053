//! The registry of families: one entry for each `model_type` that can be built.

use super::{Builder, Config, Model};
use super::{bert, decllm, gpt1, gpt2, llama, redllm, t5, variant};
use crate::error::Result;

/// One family of models.
pub struct Family {
    /// The name, as in `model_type` of `config.json`.
    pub name: &'static str,
    /// A description of the family.
    pub summary: &'static str,
    /// Whether its models are an encoder and a decoder, and not one stack.
    pub is_pair: bool,
    /// Whether the fields of a variant (`attention`, `directions`, …) are allowed in its configuration.
    has_variants: bool,
    /// The prefix of its class names in `architectures`.
    pub(super) class: &'static str,
    pub(super) build: fn(&Config, &mut Builder<'_>) -> Result<Box<dyn Model>>,
}

impl Family {
    /// The family that a configuration names.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if it is none of [`FAMILIES`], or `architectures` names a class of
    /// another family.
    pub fn of(config: &Config) -> Result<&'static Family> {
        let name: String = config.get("model_type")?;
        let Some(family) = FAMILIES.iter().find(|family| family.name == name) else {
            let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
            let expected = format!("one of {}", names.join(", "));
            return Err(config.wrong("model_type", &format!("{name:?}"), &expected));
        };
        if !family.has_variants {
            variant::expect_none(config)?;
        }
        let classes = config.classes()?;
        let is_ours = |class: &String| class.to_lowercase().starts_with(family.class.to_lowercase().as_str());
        match classes.iter().find(|class| !is_ours(class)) {
            None => Ok(family),
            Some(class) => {
                let expected = format!("a class of {}…, since model_type is {name:?}", family.class);
                Err(config.wrong("architectures", &format!("{class:?}"), &expected))
            }
        }
    }
}

/// Every family that can be built.
pub static FAMILIES: &[Family] = &[
    Family {
        name: "openai-gpt",
        summary: "GPT-1: decoder, causal, post-norm, learned positions (Radford et al. 2018)",
        is_pair: false,
        has_variants: true,
        class: "OpenAIGPT",
        build: gpt1::build,
    },
    Family {
        name: "gpt2",
        summary: "GPT-2 and GPT-3: decoder, causal, pre-norm, learned positions (Radford et al. 2019)",
        is_pair: false,
        has_variants: true,
        class: "GPT2",
        build: gpt2::build,
    },
    Family {
        name: "bert",
        summary: "encoder, bidirectional, post-norm (Devlin et al. 2018)",
        is_pair: false,
        has_variants: true,
        class: "Bert",
        build: |config, builder| bert::build(&bert::BERT, config, builder),
    },
    Family {
        name: "roberta",
        summary: "BERT's encoder with positions that begin behind the padding's (Liu et al. 2019)",
        is_pair: false,
        has_variants: true,
        class: "Roberta",
        build: |config, builder| bert::build(&bert::ROBERTA, config, builder),
    },
    Family {
        name: "distilbert",
        summary: "BERT's encoder without segments and pooler (Sanh et al. 2019)",
        is_pair: false,
        has_variants: true,
        class: "DistilBert",
        build: |config, builder| bert::build(&bert::DISTILBERT, config, builder),
    },
    Family {
        name: "unilm",
        summary: "BERT's encoder trained under three masks; as trained, a prefix-LM (Dong et al. 2019)",
        is_pair: false,
        has_variants: true,
        class: "Bert",
        build: |config, builder| bert::build(&bert::UNILM, config, builder),
    },
    Family {
        name: "llama",
        summary: "decoder, causal, pre-norm, rotary positions, grouped queries (Touvron et al. 2023)",
        is_pair: false,
        has_variants: false,
        class: "Llama",
        build: |config, builder| Ok(Box::new(llama::build(&llama::LLAMA, config, builder)?)),
    },
    Family {
        name: "mistral",
        summary: "LLaMA's decoder with a sliding window (Jiang et al. 2023)",
        is_pair: false,
        has_variants: false,
        class: "Mistral",
        build: |config, builder| Ok(Box::new(llama::build(&llama::MISTRAL, config, builder)?)),
    },
    Family {
        name: "qwen2",
        summary: "LLaMA's decoder with biases of queries, keys and values (Yang et al. 2024)",
        is_pair: false,
        has_variants: false,
        class: "Qwen2",
        build: |config, builder| Ok(Box::new(llama::build(&llama::QWEN2, config, builder)?)),
    },
    Family {
        name: "mixtral",
        summary: "LLaMA's decoder with a mixture of experts (Jiang et al. 2024)",
        is_pair: false,
        has_variants: false,
        class: "Mixtral",
        build: |config, builder| Ok(Box::new(llama::build(&llama::MIXTRAL, config, builder)?)),
    },
    Family {
        name: "decllm",
        summary: "decoder with normalised heads and tied embeddings (arXiv 2510.26622)",
        is_pair: false,
        has_variants: false,
        class: "DecLLM",
        build: decllm::build,
    },
    Family {
        name: "redllm",
        summary: "encoder-decoder with normalised heads and one count of positions (arXiv 2510.26622)",
        is_pair: true,
        has_variants: false,
        class: "RedLLM",
        build: redllm::build,
    },
    Family {
        name: "t5",
        summary: "encoder-decoder, pre-norm, relative position buckets (Raffel et al. 2019)",
        is_pair: true,
        has_variants: false,
        class: "T5",
        build: t5::build,
    },
];
