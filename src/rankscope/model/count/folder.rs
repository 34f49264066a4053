//! The sizes of a configuration or of a model folder, with the heads on top of the body.

use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use super::parameters::{Part, total};
use super::sizes::{ModelSizes, Output};
use crate::error::{Error, Result};
use crate::model::checkpoint::{INDEX, SINGLE};
use crate::model::make::shapes_of;
use crate::model::{Checkpoint, Config, Description, Family, Record};
use crate::weight::Weight;

/// The name in a count of the head that predicts masked words.
const WORDS: &str = "masked_language_model_head";

/// The name in a count of the head that predicts whether one sentence follows another.
const NEXT: &str = "next_sentence_head";

/// The first parts of the tensor names of heads, which are outside the body.
const HEADS: [&str; 6] =
    ["classifier", "score", "v_head", "qa_outputs", "multiple_choice_head", "classification_head"];

/// Name endings of tensors that are no parameters: masks, positions, frequencies, copies of the embedding, and a bias
/// that T5 never reads.
const NO_PARAMETERS: [&str; 6] = [
    ".attn.bias",
    ".attn.masked_bias",
    "position_ids",
    "inv_freq",
    "coder.embed_tokens.weight",
    "EncDecAttention.relative_attention_bias.weight",
];

impl ModelSizes {
    /// The sizes of the model that a configuration describes, with the heads that its class in `architectures` puts on
    /// top of the body.
    ///
    /// # Errors
    /// As [`outline`](crate::model::outline).
    pub fn of(config: &Config) -> Result<ModelSizes> {
        let sizes = shapes_of(config, None)?.sizes();
        Ok(ModelSizes { apart: apart(config, &sizes)?, ..sizes })
    }

    /// The sizes of the model in a folder, with the output layer, the pooler and the heads that its checkpoint holds;
    /// without a checkpoint, those that its configuration states.
    ///
    /// **Conventions**: two matrices that the configuration ties are one, unless both are stored and differ. Tensors
    /// that do not belong to the body are counted as heads, of any kind.
    ///
    /// # Errors
    /// The errors of loading the model, and [`Error::Format`] if the checkpoint does not hold exactly as many numbers
    /// as all parts together.
    pub fn of_folder(folder: &Path) -> Result<ModelSizes> {
        let config = Config::open(folder)?;
        if ![SINGLE, INDEX].iter().any(|name| folder.join(name).is_file()) {
            return ModelSizes::of(&config);
        }
        let checkpoint = Checkpoint::open(folder)?;
        let model = shapes_of(&config, Some(checkpoint.clone()))?;
        let mut sizes = model.sizes();
        let left = left_out(model.record(), &checkpoint)?;
        for (name, numbers) in &left {
            add(&mut sizes.task_heads, head_of(name, model.description()).unwrap_or(root(name)), *numbers);
        }
        let left: u128 = left.iter().map(|(_, numbers)| numbers).sum();
        let (counted, held) = (total(&sizes.parts()), model.record().parameters() as u128 + left);
        if counted == held {
            return Ok(sizes);
        }
        let problem =
            format!("holds {held} numbers, expected the {counted} that its configuration describes");
        Err(Error::format(checkpoint.path(), problem))
    }
}

/// Heads of the family's published models that a configuration leaves out.
fn apart(config: &Config, sizes: &ModelSizes) -> Result<Vec<Part>> {
    let classes = config.classes()?;
    let Some(class) = classes.first() else {
        let is_encoder = sizes.encoder.is_some() && sizes.decoder.is_none();
        if !is_encoder || sizes.family == "t5" {
            return Ok(Vec::new());
        }
        let mut with_head = config.to_json();
        with_head["architectures"] = json!([format!("{}ForMaskedLM", Family::of(config)?.class)]);
        let with_head = Config::from_value(&config.path().display().to_string(), with_head)?;
        return Ok(shapes_of(&with_head, None)?.sizes().task_heads);
    };
    let is_bare = sizes.output == Output::None && sizes.task_heads.is_empty();
    let is_unknown = is_bare && !class.ends_with("Model");
    Ok(Vec::from_iter(is_unknown.then(|| Part::head(format!("the head of {class}"), 0))))
}

/// The heads among the tensors that a model was built from.
pub(super) fn heads(tensors: &[(String, Weight)], model: &Description) -> Vec<Part> {
    let mut heads = Vec::new();
    for (name, weight) in tensors {
        if let Some(head) = head_of(name, model) {
            add(&mut heads, head, weight.shape().len() as u128);
        }
    }
    heads
}

fn add(heads: &mut Vec<Part>, name: &str, parameters: u128) {
    match heads.iter_mut().find(|part| part.name == name) {
        Some(part) => *part = Part::head(name, part.parameters + parameters),
        None => heads.push(Part::head(name, parameters)),
    }
}

/// The first part of a tensor's name.
fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The head that a tensor belongs to; `None` for a tensor of the body or of the output layer.
fn head_of<'a>(name: &'a str, model: &Description) -> Option<&'a str> {
    let has_words = ["bert", "unilm", "roberta", "distilbert"].contains(&model.family);
    match root(name) {
        _ if name.starts_with("cls.seq_relationship.") => Some(NEXT),
        "cls" | "vocab_transform" | "vocab_layer_norm" | "vocab_projector" => Some(WORDS),
        "lm_head" if has_words => Some(WORDS),
        "pre_classifier" => Some("classifier"),
        first if HEADS.contains(&first) => Some(first),
        _ => None,
    }
}

/// Names and numbers of the checkpoint's tensors that the model does not use, except those that are no parameters.
fn left_out(record: &Record, checkpoint: &Checkpoint) -> Result<Vec<(String, u128)>> {
    let taken: HashSet<&str> = record.tensors().iter().map(|(name, _)| name.as_str()).collect();
    let mut left = checkpoint.names();
    left.retain(|name| {
        let is_taken = taken.contains(name.as_str());
        !is_taken && !NO_PARAMETERS.iter().any(|end| name.ends_with(end))
    });
    left.sort();
    let mut numbers = Vec::new();
    for name in left {
        let mut is_copy = false;
        for other in &taken {
            is_copy = is_copy || checkpoint.same(&name, other)?;
        }
        match checkpoint.numbers(&name) as u128 {
            count @ 1.. if !is_copy => numbers.push((name, count)),
            _ => {}
        }
    }
    Ok(numbers)
}
