//! [`Set`]: the parameters of rotary positions, from any field in which a configuration may state them.
//!
//! **Conventions**: only one set counts: `rope_scaling` (the old name) if it is present and not empty, otherwise
//! `rope_parameters`. The base is that set's `rope_theta`, otherwise the field `rope_theta` beside it, otherwise the
//! default. The kind is the set's `rope_type`, otherwise its `type`, otherwise `default`. The original context is the
//! field `original_max_position_embeddings`, otherwise the set's, otherwise `max_position_embeddings`. The share of
//! rotated coordinates is the set's, otherwise that of the field beside it.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::Config;

/// The set of parameters that counts, and the name of its field.
pub(super) struct Set<'a> {
    pub(super) config: &'a Config,
    pub(super) field: &'static str,
    parameters: Map<String, Value>,
}

impl<'a> Set<'a> {
    pub(super) fn read(config: &'a Config) -> Result<Self> {
        let scaling: Map<String, Value> = config.optional("rope_scaling")?.unwrap_or_default();
        let (field, parameters) = match scaling.is_empty() {
            false => ("rope_scaling", scaling),
            true => ("rope_parameters", config.optional("rope_parameters")?.unwrap_or_default()),
        };
        let set = Set { config, field, parameters };
        match set.parameters.iter().find(|(_, value)| value.is_object()) {
            None => Ok(set),
            Some((key, _)) => {
                Err(set.wrong(key, "an object", "a number or a text: one set of parameters for all layers"))
            }
        }
    }

    pub(super) fn kind(&self) -> Result<&str> {
        let kind = ["rope_type", "type"].iter().find_map(|&key| Some((key, self.parameters.get(key)?)));
        match kind {
            None => Ok("default"),
            Some((_, Value::String(kind))) => Ok(kind),
            Some((key, other)) => Err(self.wrong(key, &other.to_string(), "a text")),
        }
    }

    pub(super) fn base(&self) -> Result<f64> {
        const USUAL: f64 = 10_000.0;
        if let Some(base) = self.optional_positive("rope_theta")? {
            return Ok(base);
        }
        match self.config.optional("rope_theta")?.unwrap_or(USUAL) {
            base if base > 0.0 => Ok(base),
            base => Err(self.config.wrong("rope_theta", &base.to_string(), "a positive number")),
        }
    }

    /// The context that the model was trained on before it was stretched to `context`.
    pub(super) fn original_context(&self, context: usize) -> Result<f64> {
        const FIELD: &str = "original_max_position_embeddings";
        match self.config.optional_size(FIELD)? {
            Some(original) => Ok(original as f64),
            None => Ok(self.optional_positive(FIELD)?.unwrap_or(context as f64)),
        }
    }

    /// The share of coordinates that are rotated, from 0 to 1.
    pub(super) fn share(&self) -> Result<Option<f64>> {
        const FIELD: &str = "partial_rotary_factor";
        let share = match self.optional_number(FIELD)? {
            Some(share) => Some(share),
            None => self.config.optional(FIELD)?,
        };
        match share {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(self.config.wrong(FIELD, &share.to_string(), "a number from 0 to 1"))
            }
            share => Ok(share),
        }
    }

    /// An error if only a share of the coordinates is rotated.
    pub(super) fn expect_whole_heads(&self) -> Result<()> {
        match self.share()? {
            None | Some(1.0) => Ok(()),
            Some(share) => {
                let expected = format!("1: the family turns whole heads with a {} of this type", self.field);
                Err(self.config.wrong("partial_rotary_factor", &share.to_string(), &expected))
            }
        }
    }

    /// One positive number for each of `pairs` pairs.
    pub(super) fn factors(&self, key: &str, pairs: usize) -> Result<Vec<f64>> {
        let expected = format!("a list of {pairs} positive numbers, one for each pair of coordinates");
        let Some(Value::Array(list)) = self.parameters.get(key) else {
            let got = self.parameters.get(key).map_or("missing".to_owned(), Value::to_string);
            return Err(self.wrong(key, &got, &expected));
        };
        let numbers = list.iter().filter_map(Value::as_f64).filter(|&number| number > 0.0);
        match numbers.collect::<Vec<_>>() {
            numbers if numbers.len() == pairs && list.len() == pairs => Ok(numbers),
            numbers => {
                let got = format!("a list of {}, {} of them positive numbers", list.len(), numbers.len());
                Err(self.wrong(key, &got, &expected))
            }
        }
    }

    pub(super) fn optional_number(&self, key: &str) -> Result<Option<f64>> {
        match self.parameters.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_f64().map(Some);
                number.ok_or_else(|| self.wrong(key, &value.to_string(), "a number"))
            }
        }
    }

    pub(super) fn optional_flag(&self, key: &str) -> Result<Option<bool>> {
        match self.parameters.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value) => Err(self.wrong(key, &value.to_string(), "true or false")),
        }
    }

    pub(super) fn optional_positive(&self, key: &str) -> Result<Option<f64>> {
        match self.optional_number(key)? {
            Some(number) if number <= 0.0 => Err(self.wrong(key, &number.to_string(), "a positive number")),
            number => Ok(number),
        }
    }

    pub(super) fn positive(&self, key: &str) -> Result<f64> {
        let number = self.optional_positive(key)?;
        number.ok_or_else(|| self.wrong(key, "missing", "a positive number"))
    }

    pub(super) fn wrong(&self, key: &str, got: &str, expected: &str) -> Error {
        self.config.wrong(&format!("{}.{key}", self.field), got, expected)
    }
}
