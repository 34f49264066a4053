//! The rotary frequencies that a configuration asks for: base and scaling, in either spelling.
//!
//! **Conventions**: as `transformers` 5.23 reads them. One set of parameters counts: `rope_scaling` (the old
//! spelling) where it is there and not empty, otherwise `rope_parameters`. The base is that set's
//! `rope_theta`, otherwise the field `rope_theta` beside it, otherwise 10 000. The kind is the set's
//! `rope_type`, otherwise its `type`, otherwise `default`. The context that `llama3` speaks of is the field
//! `original_max_position_embeddings`, otherwise the set's, otherwise `max_position_embeddings`.
//!
//! **Source**: `transformers`, `modeling_rope_utils.py`; "llama3" is from Meta's Llama 3.1 release.

use std::f64::consts::PI;

use serde_json::{Map, Value};

use super::Config;
use crate::error::{Error, Result};

#[cfg(test)]
#[path = "rope_tests.rs"]
mod tests;

const DEFAULT_BASE: f64 = 10_000.0;

/// The angular frequencies of the pairs of a head's coordinates, in radians a position, `[D/2]`.
///
/// `default`: ωᵢ = base^(−2i/D). `linear`: ωᵢ / factor. `llama3`: with ρᵢ = context · ωᵢ / 2π, the turns
/// that pair i makes in the original context, and s = (ρᵢ − low) / (high − low) clamped to \[0, 1\]:
/// ωᵢ · (s + (1 − s) / factor), so that fast pairs stay and slow ones stretch.
///
/// # Errors
/// [`Error::Format`] naming the field that is missing, out of range, or asks for what is not implemented.
pub(super) fn frequencies(config: &Config, head_size: usize) -> Result<Vec<f64>> {
    if !head_size.is_multiple_of(2) {
        return Err(config.wrong("head_dim", &head_size.to_string(), "an even number for rotary positions"));
    }
    let rope = Rope::read(config)?;
    let base = rope.base()?;
    let pairs = (0..head_size / 2).map(|pair| base.powf(-2.0 * pair as f64 / head_size as f64));
    match rope.kind()? {
        "default" => Ok(pairs.collect()),
        "linear" => {
            let factor = rope.positive("factor")?;
            Ok(pairs.map(|frequency| frequency / factor).collect())
        }
        "llama3" => {
            let (factor, context) = (rope.positive("factor")?, rope.original_context()?);
            let (low, high) = (rope.positive("low_freq_factor")?, rope.positive("high_freq_factor")?);
            if low >= high {
                let expected = format!("less than high_freq_factor = {high}");
                return Err(rope.wrong("low_freq_factor", &low.to_string(), &expected));
            }
            let scaled = |frequency: f64| {
                let turns = context * frequency / (2.0 * PI);
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / factor)
            };
            Ok(pairs.map(scaled).collect())
        }
        other => {
            let expected = "type \"default\", \"linear\" or \"llama3\"";
            Err(config.wrong(rope.field, &format!("of type {other:?}"), expected))
        }
    }
}

/// The set of parameters that counts, and the field that it stands in.
struct Rope<'a> {
    config: &'a Config,
    field: &'static str,
    parameters: Map<String, Value>,
}

impl<'a> Rope<'a> {
    fn read(config: &'a Config) -> Result<Self> {
        let scaling: Map<String, Value> = config.optional("rope_scaling")?.unwrap_or_default();
        let (field, parameters) = match scaling.is_empty() {
            false => ("rope_scaling", scaling),
            true => ("rope_parameters", config.optional("rope_parameters")?.unwrap_or_default()),
        };
        let rope = Rope { config, field, parameters };
        if let Some((key, _)) = rope.parameters.iter().find(|(_, value)| value.is_object()) {
            let expected = "a number or a text: one set of parameters for all layers";
            return Err(rope.wrong(key, "an object", expected));
        }
        let inside = rope.optional_number("partial_rotary_factor")?;
        match inside.map_or_else(|| config.optional("partial_rotary_factor"), |part| Ok(Some(part)))? {
            None | Some(1.0) => Ok(rope),
            Some(part) => {
                let expected = "1: partly rotated heads are not implemented";
                Err(config.wrong("partial_rotary_factor", &part.to_string(), expected))
            }
        }
    }

    fn kind(&self) -> Result<&str> {
        let kind = ["rope_type", "type"].iter().find_map(|&key| Some((key, self.parameters.get(key)?)));
        match kind {
            None => Ok("default"),
            Some((_, Value::String(kind))) => Ok(kind),
            Some((key, other)) => Err(self.wrong(key, &other.to_string(), "a text")),
        }
    }

    fn base(&self) -> Result<f64> {
        if self.parameters.get("rope_theta").is_some_and(|base| !base.is_null()) {
            return self.positive("rope_theta");
        }
        match self.config.optional("rope_theta")?.unwrap_or(DEFAULT_BASE) {
            base if base > 0.0 => Ok(base),
            base => Err(self.config.wrong("rope_theta", &base.to_string(), "a positive number")),
        }
    }

    fn original_context(&self) -> Result<f64> {
        const FIELD: &str = "original_max_position_embeddings";
        match self.config.optional_size(FIELD)? {
            Some(context) => Ok(context as f64),
            None if self.parameters.contains_key(FIELD) => self.positive(FIELD),
            None => Ok(self.config.size("max_position_embeddings")? as f64),
        }
    }

    fn optional_number(&self, key: &str) -> Result<Option<f64>> {
        match self.parameters.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_f64().map(Some);
                number.ok_or_else(|| self.wrong(key, &value.to_string(), "a number"))
            }
        }
    }

    fn positive(&self, key: &str) -> Result<f64> {
        match self.optional_number(key)? {
            Some(number) if number > 0.0 => Ok(number),
            Some(number) => Err(self.wrong(key, &number.to_string(), "a positive number")),
            None => Err(self.wrong(key, "missing", "a positive number")),
        }
    }

    fn wrong(&self, key: &str, got: &str, expected: &str) -> Error {
        self.config.wrong(&format!("{}.{key}", self.field), got, expected)
    }
}
