//! `config.json` of a checkpoint folder, read with errors that name the field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{defaults, foreign, python_json};
use crate::error::{Error, Result, excerpt};

/// The largest size of the file: larger than any real configuration, and small enough to read at once.
const MAX_BYTES: u64 = 1 << 20;

/// The largest size that a field may state.
const MOST: usize = 1 << 24;

/// A parsed `config.json`.
#[derive(Clone, Debug)]
pub struct Config {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl Config {
    /// Reads `directory/config.json`.
    ///
    /// # Errors
    /// [`Error::Model`] if there is no such file, [`Error::Io`] or [`Error::Format`] if it cannot be read.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("config.json");
        if !path.is_file() {
            return Err(foreign::no_config(directory));
        }
        Config::read(path)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if it cannot be read.
    pub fn read(path: PathBuf) -> Result<Self> {
        let size = std::fs::metadata(&path).map_err(|error| Error::io(&path, error))?.len();
        if size > MAX_BYTES {
            let problem = format!("{size} bytes long, expected a configuration of at most {MAX_BYTES}");
            return Err(Error::format(&path, problem));
        }
        let not_json = |error: String| foreign::unreadable(&path, format!("not a JSON object: {error}"));
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => not_json(error.to_string()),
            _ => Error::io(&path, error),
        })?;
        let fields = python_json::parse(&text).map_err(|error| not_json(error.to_string()))?;
        Ok(Config { path, fields })
    }

    /// A configuration from a JSON object; errors show `name` in place of a file's path.
    ///
    /// # Errors
    /// [`Error::Format`] if `value` is not an object.
    ///
    /// ```
    /// use rankscope::model::Config;
    /// let config = Config::from_value("toy", serde_json::json!({"hidden_size": 12}))?;
    /// assert_eq!(config.size("hidden_size")?, 12);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn from_value(name: &str, value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Config { path: name.into(), fields }),
            other => Err(Error::format(name, format!("{} is not a JSON object", excerpt(other)))),
        }
    }

    /// The file, or the name that the configuration was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fields as JSON, in the order in which they were read.
    pub fn to_json(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// Whether the field is present, even if it is null.
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// A required field.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field if it is missing or of another type.
    pub fn get<T: DeserializeOwned>(&self, field: &str) -> Result<T> {
        match self.optional(field)? {
            Some(value) => Ok(value),
            None => Err(self.wrong(field, "missing", kind_of::<T>())),
        }
    }

    /// A field that may be absent or null.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field if it is of another type.
    pub fn optional<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>> {
        match self.value(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                .map_err(|_| self.wrong(field, &python_json::shown(&value), kind_of::<T>())),
        }
    }

    /// The value of a field: as stated under its name or an alias of it, otherwise the family's default.
    fn value(&self, field: &str) -> Option<Value> {
        let family = self.fields.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let stated = |field: &str| self.fields.get(field).cloned();
        stated(field)
            .or_else(|| defaults::other_name(family, field).and_then(stated))
            .or_else(|| defaults::usual(family, field))
    }

    /// A size: a whole number from 1 to 2²⁴.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub fn size(&self, field: &str) -> Result<usize> {
        let size = self.get(field)?;
        self.expect_size(field, size)
    }

    /// The names in `architectures`, as `GPT2LMHeadModel`; none where it is absent.
    ///
    /// # Errors
    /// [`Error::Format`] if it is no list of texts.
    pub(super) fn classes(&self) -> Result<Vec<String>> {
        Ok(self.optional("architectures")?.unwrap_or_default())
    }

    /// Whether one of [`classes`](Self::classes) ends in one of `ends`.
    ///
    /// # Errors
    /// As [`classes`](Self::classes).
    pub(super) fn is_of_class(&self, ends: &[&str]) -> Result<bool> {
        Ok(self.classes()?.iter().any(|class| ends.iter().any(|end| class.ends_with(end))))
    }

    /// H, G and D of a model of this width, as LLaMA and its relatives state them.
    ///
    /// **Conventions**: G is H where it is null.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field: heads that do not divide the width (unless `head_dim` is stated too), or
    /// key/value heads that do not divide the heads.
    pub(super) fn grouped_heads(&self, width: usize) -> Result<[usize; 3]> {
        let heads = self.size("num_attention_heads")?;
        let kv_heads = self.optional_size("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of num_attention_heads = {heads}");
            return Err(self.wrong("num_key_value_heads", &kv_heads.to_string(), &expected));
        }
        let head_size = match self.optional_size("head_dim")? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let expected = format!("a multiple of num_attention_heads = {heads} (or head_dim beside it)");
                return Err(self.wrong("hidden_size", &width.to_string(), &expected));
            }
        };
        self.expect_heads("num_attention_heads", heads, head_size)?;
        Ok([heads, kv_heads, head_size])
    }

    /// An error if `heads`, stated by `field`, are together wider than the largest allowed size.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub(super) fn expect_heads(&self, field: &str, heads: usize, head_size: usize) -> Result<()> {
        if heads * head_size <= MOST {
            return Ok(());
        }
        let expected = format!("at most {} heads of {head_size}", MOST / head_size);
        Err(self.wrong(field, &heads.to_string(), &expected))
    }

    /// The number of layers: a whole number from 1 to 10 000.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub fn layers(&self, field: &str) -> Result<usize> {
        const DEEPEST: usize = 10_000;
        match self.get(field)? {
            layers @ 1..=DEEPEST => Ok(layers),
            other => {
                Err(self.wrong(field, &other.to_string(), &format!("a whole number from 1 to {DEEPEST}")))
            }
        }
    }

    /// A size that may be absent.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub fn optional_size(&self, field: &str) -> Result<Option<usize>> {
        self.optional(field)?.map(|size| self.expect_size(field, size)).transpose()
    }

    fn expect_size(&self, field: &str, size: usize) -> Result<usize> {
        if (1..=MOST).contains(&size) {
            return Ok(size);
        }
        Err(self.wrong(field, &size.to_string(), &format!("a whole number from 1 to {MOST}")))
    }

    /// The ε that is added to a variance before its root is taken: 0 or more; `None` if the field is absent.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub(super) fn epsilon(&self, field: &str) -> Result<Option<f32>> {
        match self.optional::<f32>(field)? {
            Some(epsilon) if !(epsilon >= 0.0 && epsilon.is_finite()) => {
                Err(self.wrong(field, &epsilon.to_string(), "a number from 0 on, such as 1e-5"))
            }
            epsilon => Ok(epsilon),
        }
    }

    /// As [`epsilon`](Self::epsilon), for a required field.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub(super) fn stated_epsilon(&self, field: &str) -> Result<f32> {
        self.epsilon(field)?.ok_or_else(|| self.wrong(field, "missing", "a number"))
    }

    /// An error about one field of this file.
    pub fn wrong(&self, field: &str, got: &str, expected: &str) -> Error {
        Error::format(&self.path, format!("{field} is {}, expected {expected}", excerpt(got)))
    }
}

/// The type of a field in words.
fn kind_of<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "usize" | "u32" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" => "true or false",
        name if name.contains("Vec") => "a list of texts",
        name if name.contains("Map") => "an object",
        name if name.ends_with("String") => "a text",
        _ => "another kind of value",
    }
}
