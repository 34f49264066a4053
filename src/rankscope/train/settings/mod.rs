//! [`Settings`]: everything that determines a training run, as one flat list of keys.

mod architecture;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::OptimiserSettings;
use crate::error::{Error, Result, excerpt};
use crate::label::alike;

/// Everything that determines a training run: together with the program, the settings determine every number of it.
///
/// **Conventions**: a file of settings is a JSON object of these keys; missing keys have their default. Two runs are
/// compared key by key ([`differences`](Self::differences)).
///
/// ```
/// use rankscope::train::Settings;
/// let mut settings = Settings::default();
/// settings.set("layers=4")?;
/// assert_eq!(settings.differences(&Settings::default()), [("layers".into(), "4".into(), "2".into())]);
/// let error = settings.set("layer=4").unwrap_err().to_string();
/// assert!(error.contains("layers"), "{error}");
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A name on [`FAMILIES`](crate::model::FAMILIES).
    pub family: String,
    /// L; in an encoder-decoder it counts what `layers_of` states.
    pub layers: usize,
    /// In an encoder-decoder, whether each stack has that many layers (`each-stack`: a token goes through as many
    /// layers as in a single stack) or both together (`both-stacks`: about as many parameters as a single stack).
    pub layers_of: LayersOf,
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// D; C / H if null.
    pub head_size: Option<usize>,
    /// F; 4C if null.
    pub feed_forward: Option<usize>,
    /// The variant of positions, for GPT and BERT: `learned`, `none`, `rotary`, `alibi`, `relative`.
    pub positions: Option<String>,
    /// The variant of attention, for GPT and BERT.
    pub attention: Option<String>,
    /// The directions in which heads or layers look, for BERT: `mixed`, `alternating`.
    pub directions: Option<String>,
    /// Further fields of the model's `config.json`, such as `config.num_local_experts=4`.
    pub config: BTreeMap<String, Value>,
    /// A model by name, or the folder of a checkpoint, whose weights training continues from, in place of new weights.
    pub from: Option<PathBuf>,
    /// The mask of self-attention; `usual` is the objective's mask, `as-trained` the family's, and `given` in a mask is
    /// the number of given tokens.
    pub mask: String,
    /// The data of training: a text by name, a file or a folder, all of it or some bytes (`english(bytes=8000)`), or a
    /// task.
    pub data: String,
    /// The folder of a tokenizer for texts; the bytes of the text if null.
    pub tokenizer: Option<PathBuf>,
    /// Which tokens are predicted from which: a name on the list of objectives.
    pub objective: String,
    /// The length of an example in tokens.
    pub length: usize,
    /// Examples of one pass.
    pub batch: usize,
    /// Passes whose gradients are averaged for one step.
    pub accumulate: usize,
    /// Steps of the optimiser.
    pub steps: usize,
    /// A name on the list of optimisers.
    pub optimiser: String,
    /// The largest learning rate.
    pub rate: f64,
    /// Steps in which the learning rate rises from 0.
    pub warmup: usize,
    /// How it falls afterwards: a name on the list of schedules.
    pub schedule: String,
    /// β₁ of AdamW.
    pub beta1: f64,
    /// β₂ of AdamW.
    pub beta2: f64,
    /// μ of SGD and Muon.
    pub momentum: f64,
    /// The decay of matrices.
    pub decay: f64,
    /// The largest norm of all gradients together; no limit if null.
    pub clip: Option<f64>,
    /// The probability with which each number of the residual stream's updates is dropped.
    pub dropout: f64,
    /// The same probability for attention weights.
    pub attention_dropout: f64,
    /// The part of a target's probability that is spread evenly over all tokens.
    pub label_smoothing: f64,
    /// The seed of weights, data and dropout.
    pub seed: u64,
    /// The number of steps between evaluations on held-out data, and between saved checkpoints.
    pub evaluate_every: usize,
    /// The number of batches of an evaluation.
    pub evaluation_batches: usize,
    /// Further lengths of held-out examples, in tokens, that the last evaluation uses.
    pub evaluate_lengths: Vec<usize>,
    /// The number of steps between records of attention's ranks; 0 for no records.
    pub record_every: usize,
}

/// The layers that `layers` counts in an encoder-decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayersOf {
    /// The layers of each stack.
    EachStack,
    /// The layers of both stacks together.
    BothStacks,
}

impl Default for Settings {
    /// A GPT-2 of two layers that learns the English text byte by byte, for a minute.
    fn default() -> Self {
        Settings {
            family: "gpt2".into(),
            layers: 2,
            layers_of: LayersOf::EachStack,
            width: 64,
            heads: 4,
            head_size: None,
            feed_forward: None,
            positions: None,
            attention: None,
            directions: None,
            config: BTreeMap::new(),
            from: None,
            mask: "usual".into(),
            data: "english".into(),
            tokenizer: None,
            objective: "causal-lm".into(),
            length: 64,
            batch: 16,
            accumulate: 1,
            steps: 1000,
            optimiser: "adamw".into(),
            rate: 3e-3,
            warmup: 100,
            schedule: "linear".into(),
            beta1: 0.9,
            beta2: 0.98,
            momentum: 0.95,
            decay: 0.01,
            clip: Some(1.0),
            dropout: 0.0,
            attention_dropout: 0.0,
            label_smoothing: 0.0,
            seed: 0,
            evaluate_every: 100,
            evaluation_batches: 20,
            evaluate_lengths: Vec::new(),
            record_every: 0,
        }
    }
}

impl Settings {
    /// The settings in a JSON file.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file and the key that is unknown or of a wrong type.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let value = serde_json::from_str(&text)
            .map_err(|error| Error::format(path, format!("no JSON object of settings: {error}")))?;
        let mut settings = Settings::default();
        match value {
            Value::Object(fields) => {
                fields.into_iter().try_for_each(|(key, value)| settings.put(&key, value))
            }
            other => Err(Error::invalid("settings", excerpt(other), "a JSON object")),
        }
        .map_err(|error| Error::format(path, error))?;
        Ok(settings)
    }

    /// Changes one key: `key=value`, the value as in JSON or a plain word; `config.FIELD=value` for a field of the
    /// model's `config.json`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the unknown key, and a similar one, or the value of a wrong type.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(Error::invalid("setting", format!("{assignment:?}"), "key=value, such as layers=4"));
        };
        let value = value.trim();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        self.put(key.trim(), value)
    }

    fn put(&mut self, key: &str, value: Value) -> Result<()> {
        let mut fields = self.to_map();
        if let Some(field) = key.strip_prefix("config.") {
            self.config.insert(field.to_owned(), value);
            return Ok(());
        }
        let Some(known) = fields.get_mut(key) else {
            let keys = fields.keys().map(String::as_str);
            let near =
                alike(key, keys).first().map(|near| format!("; {near} is near it")).unwrap_or_default();
            let all = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("setting", format!("{key:?}"), format!("one of {all}{near}")));
        };
        let usual = Settings::default().to_map()[key].clone();
        let got = excerpt(&value);
        // A number where a text is expected, such as a folder called 7.
        *known = match (value, usual) {
            (Value::Number(number), Value::String(_)) => Value::String(number.to_string()),
            (value, _) => value,
        };
        *self = serde_json::from_value(Value::Object(fields)).map_err(|error| {
            let expected = format!("{} ({error})", kind(key));
            Error::invalid(format!("setting {key}"), got, expected)
        })?;
        Ok(())
    }

    /// Changes several keys: `width=16,heads=2`, each as in [`set`](Self::set). Commas in parentheses or brackets
    /// belong to a value.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_all(&mut self, assignments: &str) -> Result<()> {
        let filled = at_commas(assignments).into_iter().filter(|assignment| !assignment.is_empty());
        filled.into_iter().try_for_each(|assignment| self.set(&assignment))
    }

    /// The keys that differ from the default, with their values: the shortest file of these settings. They are in
    /// alphabetical order, so that their hash is always the same.
    pub(super) fn changes(&self) -> BTreeMap<String, Value> {
        let usual = Settings::default().to_map();
        self.to_map().into_iter().filter(|(key, value)| usual.get(key) != Some(value)).collect()
    }

    /// The keys in which `self` differs from `other`: key, value here, value there.
    pub fn differences(&self, other: &Settings) -> Vec<(String, String, String)> {
        let (here, there) = (self.flat(), other.flat());
        let keys = here.keys().chain(there.keys().filter(|&key| !here.contains_key(key)));
        let value = |fields: &Map<String, Value>, key: &str| fields.get(key).map_or("null".into(), shown);
        let changed = keys.map(|key| (key.clone(), value(&here, key), value(&there, key)));
        changed.filter(|(_, here, there)| here != there).collect()
    }

    /// The value of a key in words, `config.FIELD` included; `None` if there is no such key.
    pub fn value(&self, key: &str) -> Option<String> {
        self.flat().get(key).map(shown)
    }

    /// The differences of `self` from `base`, as a name: `layers=4 rate=0.01`; empty if there are none.
    pub fn name(&self, base: &Settings) -> String {
        let parts = self.differences(base).into_iter().map(|(key, here, _)| format!("{key}={here}"));
        parts.collect::<Vec<_>>().join(" ")
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("settings are a JSON object"),
        }
    }

    /// All keys, those of `config` as `config.FIELD`.
    fn flat(&self) -> Map<String, Value> {
        let mut fields = self.to_map();
        fields.remove("config");
        fields.extend(self.config.iter().map(|(key, value)| (format!("config.{key}"), value.clone())));
        fields
    }

    /// The settings of the optimiser.
    pub fn optimiser(&self) -> OptimiserSettings {
        OptimiserSettings {
            optimiser: self.optimiser.clone(),
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            momentum: self.momentum as f32,
            decay: self.decay as f32,
            clip: self.clip.map(|clip| clip as f32),
            ..OptimiserSettings::default()
        }
    }

    /// An error naming the first setting with a value that no run can have. The model, the data, the objective and the
    /// optimiser check their own settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the key, the value and the expected value.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
            ("length", self.length),
            ("batch", self.batch),
            ("accumulate", self.accumulate),
            ("evaluate_every", self.evaluate_every),
            ("evaluation_batches", self.evaluation_batches),
        ];
        if let Some((key, _)) = sizes.iter().find(|&&(_, size)| size == 0) {
            return Err(Error::invalid(format!("setting {key}"), 0, "1 or more"));
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::invalid("setting rate", self.rate, "a number above 0"));
        }
        let shares = [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("label_smoothing", self.label_smoothing),
        ];
        match shares.iter().find(|(_, share)| !(0.0..1.0).contains(share)) {
            Some((key, share)) => {
                Err(Error::invalid(format!("setting {key}"), share, "from 0 up to, but not including, 1"))
            }
            None => Ok(()),
        }
    }
}

/// The parts of a list, separated at its commas, except commas inside parentheses or brackets.
pub fn at_commas(list: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0i32, vec![String::new()]);
    for c in list.chars() {
        depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// A value in words: texts without quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The kind of value that a key takes, in words.
fn kind(key: &str) -> &'static str {
    match Settings::default().to_map().get(key) {
        Some(Value::String(_)) if key == "layers_of" => "each-stack or both-stacks",
        Some(Value::String(_)) => "a text",
        Some(Value::Number(number)) if number.is_f64() => "a number",
        Some(Value::Number(_)) => "a whole number from 0 on",
        Some(Value::Object(_)) => "an object of fields",
        Some(Value::Array(_)) => "a list of whole numbers, such as [128,256]",
        _ => match key {
            "head_size" | "feed_forward" => "a whole number or null",
            _ => "a text or null",
        },
    }
}
