//! Models from checkpoints, from seeds, and from shapes only.

use std::path::Path;

use super::source::Shapes;
use super::store::Store;
use super::{Builder, Checkpoint, Config, Description, Family, Model, Seeded, Source, Tokenizer};
use crate::axis::Shape;
use crate::device::Device;
use crate::error::{Error, Result};

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
        // On the CPU the output is checked instead, which is cheap; on a GPU that check would need a readback.
        checkpoint.expect_finite_weights()?;
    }
    (family.build)(&config, &mut Builder::new(&config, &mut checkpoint, device))
}

/// The model called `name` in the store, on the CPU, and its tokenizer.
///
/// ```
/// let (model, tokenizer) = rankscope::model::open("glass-en")?;
/// assert_eq!(model.description().family, "llama");
/// assert!(!tokenizer.encode("Alice had a boat.")?.ids.is_empty());
/// # Ok::<(), rankscope::Error>(())
/// ```
///
/// # Errors
/// As [`Store::find`], [`load`] and [`Tokenizer::load`].
pub fn open(name: &str) -> Result<(Box<dyn Model>, Tokenizer)> {
    let folder = Store::open()?.find(name)?;
    Ok((load(&folder, &Device::Cpu)?, Tokenizer::load(&folder)?))
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
    expect_room(&outline(config)?.description, config)?;
    build(config, &mut Seeded::new(seed), device)
}

/// A new model that is to be trained: as [`seeded`], but matrices whose products are added to the residual stream are
/// N(0, 1/(in·N)), with N the number of such products one after the other in its deepest stack: 2L, or 3L of a decoder
/// with cross-attention.
///
/// **Source**: Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.3.
///
/// # Errors
/// As [`seeded`].
pub fn untrained(config: &Config, seed: u64, device: &Device) -> Result<Box<dyn Model>> {
    let description = outline(config)?.description;
    expect_room(&description, config)?;
    let updates = match &description.encoder {
        None => 2 * description.layers,
        Some(encoder) => (2 * encoder.layers).max(3 * description.layers),
    };
    build(config, &mut Seeded::new(seed).with_updates(updates), device)
}

/// An error for a new model of too many numbers.
fn expect_room(description: &Description, config: &Config) -> Result<()> {
    /// 8 GiB of f32.
    const MOST: usize = 1 << 31;
    match description.parameters {
        parameters if parameters > MOST => {
            let what = format!("number of parameters of {}", config.path().display());
            Err(Error::invalid(what, parameters, format!("at most {MOST} for a new model")))
        }
        _ => Ok(()),
    }
}

/// Builds the model of a configuration from any source.
///
/// # Errors
/// As [`load`].
pub fn build(config: &Config, source: &mut dyn Source, device: &Device) -> Result<Box<dyn Model>> {
    (Family::of(config)?.build)(config, &mut Builder::new(config, source, device))
}

/// The description and the tensors' shapes of a model, without its numbers.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Family and sizes.
    pub description: Description,
    /// Every tensor's name and shape as stored, in the order of building; each tied tensor once.
    pub tensors: Vec<(String, Shape)>,
}

/// The outline of the model of a configuration. No numbers are allocated, so the model may be of any size.
///
/// # Errors
/// An error naming the field that is missing or wrong, or the family that is not implemented.
pub fn outline(config: &Config) -> Result<Outline> {
    let model = shapes_of(config, None)?;
    let tensors = model.record().tensors().iter();
    let tensors = tensors.map(|(name, weight)| (name.clone(), weight.shape().clone())).collect();
    Ok(Outline { description: model.description().clone(), tensors })
}

/// The model of a configuration, or the one in a checkpoint, without its numbers: it can only be counted. A checkpoint
/// decides about heads that a configuration leaves open.
pub(super) fn shapes_of(config: &Config, checkpoint: Option<Checkpoint>) -> Result<Box<dyn Model>> {
    build(config, &mut Shapes(checkpoint), &Device::Cpu)
}

/// How many numbers a checkpoint holds, tied tensors counted once; all stored numbers, if no family here can be built
/// from it.
pub(crate) fn parameters_of(config: &Config, checkpoint: &Checkpoint) -> usize {
    let model = shapes_of(config, Some(checkpoint.clone()));
    model.map_or_else(|_| checkpoint.parameters(), |model| model.description().parameters)
}
