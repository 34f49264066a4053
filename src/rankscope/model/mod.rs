//! Models: configuration → blocks → logits, loaded from Hugging Face folders.
//!
//! One file a family; [`FAMILIES`] is the registry. A model runs under any mask and any probe, on
//! either device.

pub mod architecture;
mod bert;
mod cache;
mod checkpoint;
mod config;
pub mod heads;
mod input;
mod llama;
mod rope;
pub mod stack;
pub mod store;
mod tied;
mod tokenizer;

use std::path::Path;

pub use bert::Bert;
pub use cache::{CacheLayout, KvCache, LayerCache};
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use input::{Input, MaskChoice};
pub use llama::Llama;
pub use tokenizer::{Tokenizer, Tokens};

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
    /// Numbers in the checkpoint, tied ones counted once.
    pub parameters: usize,
    /// How the weights are stored.
    pub dtype: Dtype,
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

    /// The residual stream after the last layer (and the final norm, where there is one), `[B, T, C]`.
    ///
    /// # Errors
    /// An error naming the input that does not fit, a weight that is not finite, or the probe's own.
    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor>;

    /// Scores of every vocabulary entry, `[B, T, V]`, visited as `logits`; `None` without an output head.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>>;

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
    /// `[B, H, T, S + T]`. An error leaves the cache as it was.
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
    ties: &'static tied::Ties,
    load: fn(&Config, &Checkpoint, &Device) -> Result<Box<dyn Model>>,
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

/// Every family that can be loaded.
pub static FAMILIES: &[Family] = &[
    Family {
        name: "bert",
        summary: "encoder, bidirectional, post-norm (Devlin et al. 2018)",
        class: "Bert",
        ties: &bert::TIES,
        load: |config, checkpoint, device| Ok(Box::new(Bert::load(config, checkpoint, device)?)),
    },
    Family {
        name: "llama",
        summary: "decoder, causal, pre-norm, rotary positions, grouped queries (Touvron et al. 2023)",
        class: "Llama",
        ties: &llama::TIES,
        load: |config, checkpoint, device| Ok(Box::new(Llama::load(config, checkpoint, device)?)),
    },
];

/// Loads the model in a Hugging Face folder onto `device`.
///
/// # Errors
/// An error naming the file, field or tensor that is missing or wrong, or the family that is not
/// implemented.
pub fn load(directory: &Path, device: &Device) -> Result<Box<dyn Model>> {
    let config = Config::open(directory)?;
    let family = Family::of(&config)?;
    let checkpoint = Checkpoint::open(directory)?;
    if device.is_gpu() {
        // On the CPU the output is looked at instead, which costs nothing; here it would be a readback.
        checkpoint.expect_finite_weights()?;
    }
    (family.load)(&config, &checkpoint, device)
}

fn no_cache(model: &Description) -> Error {
    Error::invalid("family of a model with a cache", model.family, "one with a decoder, such as llama")
}

/// `values` itself, after a look for NaN where that is free: on the CPU.
fn expect_finite(checkpoint: &Checkpoint, what: &str, values: Tensor) -> Result<Tensor> {
    if let Some(values) = values.as_slice() {
        checkpoint.expect_finite(what, values)?;
    }
    Ok(values)
}
