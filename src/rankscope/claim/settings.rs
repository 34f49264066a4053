//! [`Settings`]: the values that recreate an experiment.

use std::path::PathBuf;

use serde_json::{Map, json};

use super::Claim;
use super::parameter::{Allowed::Integer, Parameter, Value, set};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::train::Kept;

/// The time that an experiment may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Effort {
    /// Seconds.
    #[default]
    Quick,
    /// Minutes: more draws, larger matrices.
    Full,
}

/// The parameter that every claim has.
const SEED: Parameter =
    set("seed", "the first of the seeds of everything random", Integer(0, u32::MAX as u64), ["0"; 2]);

/// The settings of one claim's experiment: a value for each of its parameters, and the device.
#[derive(Clone, Debug)]
pub struct Settings {
    claim: &'static str,
    values: Vec<(Parameter, Value)>,
    device: Device,
    runs: RunsAt,
}

/// Where the outcomes of trained runs are looked up before training, and kept afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsAt {
    /// Whether shipped results are used.
    pub shipped: bool,
    /// The folder of this user; new results are not kept without one.
    pub folder: Option<PathBuf>,
}

impl RunsAt {
    /// The outcomes that are kept there.
    pub(super) fn open(&self) -> Result<Kept> {
        let kept = if self.shipped { Kept::shipped()? } else { Kept::default() };
        self.folder.iter().try_fold(kept, |kept, folder| kept.in_folder(folder))
    }
}

impl Settings {
    /// The claim's own values for this effort.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a default lies outside its own range (a test checks all of them).
    pub fn new(claim: &Claim, effort: Effort, device: Device) -> Result<Self> {
        let parameters = claim.parameters().iter().chain([&SEED]);
        let values = parameters.map(|parameter| {
            let default = match effort {
                Effort::Quick => parameter.quick,
                Effort::Full => parameter.full,
            };
            Ok((*parameter, parameter.parse(default)?))
        });
        let values = values.collect::<Result<_>>()?;
        let runs = RunsAt { shipped: true, folder: None };
        Ok(Settings { claim: claim.about().id, values, device, runs })
    }

    /// Changes where trained runs are looked up and kept: by default, shipped results are used and new ones are not
    /// kept.
    pub fn keep_runs(&mut self, runs: RunsAt) {
        self.runs = runs;
    }

    /// Where trained runs are kept.
    pub(super) fn runs(&self) -> &RunsAt {
        &self.runs
    }

    /// Sets one parameter from text.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter, what was given, and what is allowed.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let names = || self.values.iter().map(|(parameter, _)| parameter.name).collect::<Vec<_>>().join(", ");
        let Some(index) = self.values.iter().position(|(parameter, _)| parameter.name == name) else {
            let what = format!("setting of {}", self.claim);
            return Err(Error::invalid(what, format!("{name:?}"), format!("one of {}", names())));
        };
        let (parameter, value) = &mut self.values[index];
        *value = parameter.parse(text)?;
        Ok(())
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(parameter, _)| parameter.name == name)
    }

    /// The device of the experiment.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The first seed.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn seed(&self) -> Result<u64> {
        self.integer(SEED.name).map(|seed| seed as u64)
    }

    /// The seeds of the draws, as many as the setting `count` states.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn seeds(&self, count: &str) -> Result<Vec<u64>> {
        let first = self.seed()?;
        Ok((0..self.integer(count)? as u64).map(|draw| first + draw).collect())
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such parameter, or it has another type.
    pub fn integer(&self, name: &str) -> Result<usize> {
        match self.value(name)? {
            Value::Integer(value) => Ok(*value as usize),
            other => Err(Error::invalid(name, other, "a whole number")),
        }
    }

    /// Whole numbers.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn integers(&self, name: &str) -> Result<Vec<usize>> {
        match self.value(name)? {
            Value::Integers(values) => Ok(values.iter().map(|&value| value as usize).collect()),
            other => Err(Error::invalid(name, other, "whole numbers")),
        }
    }

    /// Whole numbers in ascending order, each once.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub(super) fn ascending(&self, name: &str) -> Result<Vec<usize>> {
        let mut values = self.integers(name)?;
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// The width and the number of heads, which must divide it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they do not.
    pub(super) fn width_and_heads(&self) -> Result<(usize, usize)> {
        let (width, heads) = (self.integer("width")?, self.integer("heads")?);
        if !width.is_multiple_of(heads) {
            return Err(Error::invalid("heads", heads, format!("a divisor of width = {width}")));
        }
        Ok((width, heads))
    }

    /// A number.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn number(&self, name: &str) -> Result<f64> {
        match self.value(name)? {
            Value::Number(value) => Ok(*value),
            other => Err(Error::invalid(name, other, "a number")),
        }
    }

    /// Numbers.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        match self.value(name)? {
            Value::Numbers(values) => Ok(values.clone()),
            other => Err(Error::invalid(name, other, "numbers")),
        }
    }

    /// A word or a text.
    ///
    /// # Errors
    /// As [`integer`](Self::integer).
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.value(name)? {
            Value::Text(text) => Ok(text),
            other => Err(Error::invalid(name, other, "a text")),
        }
    }

    /// Every value under its name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(parameter, value)| (parameter.name, value))
    }

    /// The settings that recreate the experiment; every figure and export has them.
    pub fn record(&self) -> serde_json::Value {
        let mut record = Map::new();
        record.insert("claim".into(), json!(self.claim));
        record.insert("version".into(), json!(crate::VERSION));
        record.insert("device".into(), json!(self.device.to_string()));
        record.extend(self.values().map(|(name, value)| (name.to_owned(), json!(value))));
        record.into()
    }

    /// The command that runs the experiment again.
    pub fn command(&self) -> String {
        let set = self.values().map(|(name, value)| match value {
            // Quoted for a shell: the quotation ends before an apostrophe, and begins again after it.
            Value::Text(text) if !is_plain(text) => {
                format!(" --set '{name}={}'", text.replace('\'', r"'\''"))
            }
            value => format!(" --set {name}={value}"),
        });
        let (set, device) = (set.collect::<String>(), self.device_word());
        format!("rankscope claims run {}{set} --device {device}", self.claim)
    }

    /// Whether all these settings, `name=value` with spaces between, have these values; `device` is `cpu` or `gpu`.
    pub(super) fn are(&self, wanted: &str) -> bool {
        let is = |pair: &str| match pair.strip_prefix("device=") {
            Some(device) => device == self.device_word(),
            None => self.values().any(|(name, value)| format!("{name}={value}") == pair),
        };
        wanted.split_whitespace().all(is)
    }

    fn device_word(&self) -> &'static str {
        if self.device == Device::Cpu { "cpu" } else { "gpu" }
    }

    /// The id of the claim that they are for.
    pub(super) fn claim(&self) -> &'static str {
        self.claim
    }

    fn value(&self, name: &str) -> Result<&Value> {
        let found = self.values.iter().find(|(parameter, _)| parameter.name == name);
        let missing = || Error::invalid("setting", format!("{name:?}"), "a parameter of the claim");
        found.map(|(_, value)| value).ok_or_else(missing)
    }
}

/// Whether a shell reads this text literally without quotes.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./,:+@".contains(c))
}
