//! Models: configuration → blocks → logits, loaded from Hugging Face folders.
//!
//! One file a family; [`FAMILIES`] is the registry. A model runs under any mask and any probe, on
//! either device.

pub mod architecture;
mod bert;
mod builder;
#[cfg(test)]
mod builder_tests;
mod cache;
mod checkpoint;
mod config;
pub mod count;
mod decllm;
mod encoder_decoder;
pub mod generate;
mod gpt;
mod gpt1;
mod gpt2;
pub mod heads;
mod input;
mod llama;
mod mask_choice;
mod memory;
mod mixture;
pub mod preset;
mod record;
mod redllm;
pub mod reuse;
mod rope;
mod source;
pub mod stack;
pub mod store;
mod t5;
mod tokenizer;
mod transformer;
mod variant;

use std::path::Path;

pub use builder::Builder;
pub use cache::{CacheLayout, KvCache, LayerCache};
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use input::Input;
pub use mask_choice::MaskChoice;
pub use memory::Memory;
pub use record::Record;
pub use source::{Fresh, Seeded, Source};
pub use tokenizer::{Tokenizer, Tokens};

use crate::axis::Shape;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Dtype;

/// What a model is: its family and its sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The family's name on [`FAMILIES`].
    pub family: &'static str,
    /// L.
    pub layers: usize,
    /// H, query heads a layer.
    pub heads: usize,
    /// G, key/value heads a layer.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// C.
    pub width: usize,
    /// F.
    pub feed_forward: usize,
    /// V.
    pub vocab: usize,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// The mask that the weights were trained under.
    pub trained_mask: Mask,
    /// The encoder, where there is one beside the decoder that the other sizes are about.
    pub encoder: Option<EncoderDescription>,
    /// The one of the layers 1, 3, 5, …, where they look in another direction than the layers 0, 2, 4, ….
    pub other_mask: Option<Mask>,
    /// Numbers in the tensors that the model is built from, tied ones counted once.
    pub parameters: usize,
    /// How the weights are stored.
    pub dtype: Dtype,
}

/// The encoder of an encoder-decoder, as far as it differs from the decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderDescription {
    /// Its L.
    pub layers: usize,
    /// The mask that it was trained under.
    pub trained_mask: Mask,
    /// The token that a decoder begins with.
    pub start: Option<u32>,
}

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct Output {
    /// The residual stream after the last layer and the final norm, `[B, T, C]`.
    pub hidden: Tensor,
    /// Scores of every vocabulary entry, `[B, T, V]`; `None` for a model without an output head.
    pub logits: Option<Tensor>,
}

/// A transformer that can be run under any mask and any probe.
pub trait Model: Send + Sync {
    /// Family and sizes.
    fn description(&self) -> &Description;

    /// Where the weights are.
    fn device(&self) -> &Device;

    /// The tensors that it was built from, and its configuration.
    fn record(&self) -> &Record;

    /// The residual stream after the last layer (and the final norm, where there is one), `[B, T, C]`; in an
    /// encoder-decoder, the decoder's.
    ///
    /// # Errors
    /// An error naming the input that does not fit, a weight that is not finite, or the probe's own.
    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor>;

    /// Scores of every vocabulary entry, `[B, T, V]`, visited as `logits`; `None` without an output head.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>>;

    /// Whether every weight of attention that a mask allows is positive in exact arithmetic: what theorems about
    /// the mask ask for. Softmax makes it so, linear attention with some features does not.
    fn has_positive_weights(&self) -> bool {
        true
    }

    /// A vector for the whole sequence, `[B, C]`, made of the first token's hidden state `[B, T, C]` and visited
    /// as `pooled`; `None` for a model without a pooler.
    ///
    /// # Errors
    /// A shape error naming what does not fit; the probe's own.
    fn pooled(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let _ = (hidden, probe);
        Ok(None)
    }

    /// An empty cache for `batch` sequences, to be filled by [`hidden_after`](Model::hidden_after).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a family that keeps no cache; [`Error::Gpu`] if the GPU fails.
    fn cache(&self, batch: usize) -> Result<KvCache> {
        let _ = batch;
        Err(no_cache(self.description()))
    }

    /// As [`hidden`](Model::hidden), for T tokens that follow the S tokens in the cache, which then holds
    /// S + T: position t of the input stands at S + t.
    ///
    /// **Conventions**: probes see keys and values of the T new positions, and scores and weights
    /// `[B, H, T, S + T]`. An error leaves the cache as it was. In an encoder-decoder these are the decoder's
    /// tokens; the encoder runs in the first pass, whose cross-attention's keys and values the cache keeps, and
    /// the input names the same encoder's ids in all of them: another text needs another cache.
    ///
    /// # Errors
    /// As [`hidden`](Model::hidden), and an error naming a cache of another model, other sizes or another
    /// device; a mask under which cached positions would see new ones; a family that keeps no cache.
    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let _ = (cache, input, mask, probe, run);
        Err(no_cache(self.description()))
    }

    /// The whole pass.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    fn forward(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Output> {
        let hidden = self.hidden(input, mask, probe, run)?;
        let logits = self.logits(&hidden, probe)?;
        Ok(Output { hidden, logits })
    }
}

/// One family of models.
pub struct Family {
    /// The name, as `model_type` has it in `config.json`.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// How the names in `architectures` begin.
    class: &'static str,
    build: fn(&Config, &mut Builder<'_>) -> Result<Box<dyn Model>>,
}

impl Family {
    /// The family that a configuration names.
    ///
    /// # Errors
    /// [`Error::Format`] if it is none of [`FAMILIES`], or `architectures` speaks of another.
    pub fn of(config: &Config) -> Result<&'static Family> {
        let name: String = config.get("model_type")?;
        let Some(family) = FAMILIES.iter().find(|family| family.name == name) else {
            let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
            let expected = format!("one of {}", names.join(", "));
            return Err(config.wrong("model_type", &format!("{name:?}"), &expected));
        };
        let classes: Vec<String> = config.optional("architectures")?.unwrap_or_default();
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
        class: "OpenAIGPT",
        build: |config, builder| Ok(Box::new(gpt1::build(config, builder)?)),
    },
    Family {
        name: "gpt2",
        summary: "GPT-2 and GPT-3: decoder, causal, pre-norm, learned positions (Radford et al. 2019)",
        class: "GPT2",
        build: |config, builder| Ok(Box::new(gpt2::build(config, builder)?)),
    },
    Family {
        name: "bert",
        summary: "encoder, bidirectional, post-norm (Devlin et al. 2018)",
        class: "Bert",
        build: |config, builder| bert::build(&bert::BERT, config, builder),
    },
    Family {
        name: "roberta",
        summary: "BERT's encoder with positions that begin behind the padding's (Liu et al. 2019)",
        class: "Roberta",
        build: |config, builder| bert::build(&bert::ROBERTA, config, builder),
    },
    Family {
        name: "distilbert",
        summary: "BERT's encoder without segments and pooler (Sanh et al. 2019)",
        class: "DistilBert",
        build: |config, builder| bert::build(&bert::DISTILBERT, config, builder),
    },
    Family {
        name: "unilm",
        summary: "BERT's encoder trained under three masks; as trained, a prefix-LM (Dong et al. 2019)",
        class: "Bert",
        build: |config, builder| bert::build(&bert::UNILM, config, builder),
    },
    Family {
        name: "llama",
        summary: "decoder, causal, pre-norm, rotary positions, grouped queries (Touvron et al. 2023)",
        class: "Llama",
        build: |config, builder| Ok(Box::new(llama::build(&llama::LLAMA, config, builder)?)),
    },
    Family {
        name: "mistral",
        summary: "LLaMA's decoder with a sliding window (Jiang et al. 2023)",
        class: "Mistral",
        build: |config, builder| Ok(Box::new(llama::build(&llama::MISTRAL, config, builder)?)),
    },
    Family {
        name: "qwen2",
        summary: "LLaMA's decoder with biases of queries, keys and values (Yang et al. 2024)",
        class: "Qwen2",
        build: |config, builder| Ok(Box::new(llama::build(&llama::QWEN2, config, builder)?)),
    },
    Family {
        name: "mixtral",
        summary: "LLaMA's decoder with a mixture of experts (Jiang et al. 2024)",
        class: "Mixtral",
        build: |config, builder| Ok(Box::new(llama::build(&llama::MIXTRAL, config, builder)?)),
    },
    Family {
        name: "decllm",
        summary: "decoder with normalised heads and tied embeddings (arXiv 2510.26622)",
        class: "DecLLM",
        build: |config, builder| Ok(Box::new(decllm::build(config, builder)?)),
    },
    Family {
        name: "redllm",
        summary: "encoder-decoder with normalised heads and one count of positions (arXiv 2510.26622)",
        class: "RedLLM",
        build: |config, builder| Ok(Box::new(redllm::build(config, builder)?)),
    },
    Family {
        name: "t5",
        summary: "encoder-decoder, pre-norm, relative position buckets (Raffel et al. 2019)",
        class: "T5",
        build: |config, builder| Ok(Box::new(t5::build(config, builder)?)),
    },
];

/// Loads the model in a Hugging Face folder onto `device`.
///
/// # Errors
/// An error naming the file, field or tensor that is missing, wrong or unknown, or the family that is not
/// implemented.
pub fn load(directory: &Path, device: &Device) -> Result<Box<dyn Model>> {
    let config = Config::open(directory)?;
    let family = Family::of(&config)?;
    let mut checkpoint = Checkpoint::open(directory)?;
    if device.is_gpu() {
        // On the CPU the output is looked at instead, which costs nothing; here it would be a readback.
        checkpoint.expect_finite_weights()?;
    }
    (family.build)(&config, &mut Builder::new(&config, &mut checkpoint, device))
}

/// A new model of a configuration on `device`: matrices N(0, 1/in), gains 1, biases 0, each tensor drawn from
/// the seed and its name.
///
/// # Errors
/// An error naming the field that is missing or wrong, or a model of more than 2³¹ numbers.
///
/// ```
/// use rankscope::model::{self, Config};
/// let config = serde_json::json!({
///     "model_type": "llama", "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2,
///     "intermediate_size": 20, "hidden_act": "silu", "vocab_size": 17, "max_position_embeddings": 9,
///     "rms_norm_eps": 1e-5,
/// });
/// let config = Config::from_value("toy", config)?;
/// let model = model::seeded(&config, 7, &rankscope::Device::Cpu)?;
/// let embeddings = 2 * 17 * 12;
/// assert_eq!(model.description().parameters, embeddings + 2 * (4 * 12 * 12 + 3 * 12 * 20 + 2 * 12) + 12);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn seeded(config: &Config, seed: u64, device: &Device) -> Result<Box<dyn Model>> {
    /// 8 GiB of f32.
    const MOST: usize = 1 << 31;
    let parameters = outline(config)?.description.parameters;
    if parameters > MOST {
        let what = format!("number of parameters of {}", config.path().display());
        return Err(Error::invalid(what, parameters, format!("at most {MOST} for a new model")));
    }
    build(config, &mut Seeded::new(seed), device)
}

/// Builds the model of a configuration from any source.
///
/// # Errors
/// As [`load`].
pub fn build(config: &Config, source: &mut dyn Source, device: &Device) -> Result<Box<dyn Model>> {
    (Family::of(config)?.build)(config, &mut Builder::new(config, source, device))
}

/// What a model is made of, without its numbers.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Family and sizes.
    pub description: Description,
    /// Every tensor's name and shape as they are stored, in the order of building, each tied one once.
    pub tensors: Vec<(String, Shape)>,
}

/// What the model of a configuration would be made of: nothing is allocated, so that it may be of any size.
///
/// # Errors
/// An error naming the field that is missing or wrong, or the family that is not implemented.
pub fn outline(config: &Config) -> Result<Outline> {
    outline_of(config, None)
}

/// As [`outline`], of the model in a checkpoint, which decides about heads that a configuration leaves open.
fn outline_of(config: &Config, checkpoint: Option<Checkpoint>) -> Result<Outline> {
    let model = build(config, &mut source::Shapes(checkpoint), &Device::Cpu)?;
    let tensors = model.record().tensors().iter();
    let tensors = tensors.map(|(name, weight)| (name.clone(), weight.shape().clone())).collect();
    Ok(Outline { description: model.description().clone(), tensors })
}

/// Numbers in a checkpoint, tied ones counted once; all that are stored, if no family here can be built from it.
fn parameters_of(config: &Config, checkpoint: &Checkpoint) -> usize {
    let outline = outline_of(config, Some(checkpoint.clone()));
    outline.map_or_else(|_| checkpoint.parameters(), |outline| outline.description.parameters)
}

fn no_cache(model: &Description) -> Error {
    Error::invalid("family of a model with a cache", model.family, "one with a decoder, such as llama")
}
