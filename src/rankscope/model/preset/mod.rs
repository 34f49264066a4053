//! Published sizes under names such as `gpt2-xl`, each as its family's own configuration.
//!
//! A preset counts the parameters of the model as its paper does: BERT with its pooler and without a
//! masked-language-model head, T5 with its tied head, LLaMA with its output layer.

mod bert;
mod gpt;
mod llama;
mod partial;
mod red;
mod t5;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub(crate) use red::PairSizes;

use super::Config;
use super::count::{ModelSizes, Part};
use crate::error::{Error, Result};
use crate::label::alike;

/// A published size.
pub struct Preset {
    /// Family and size in lower case: `gpt2-xl`.
    pub name: &'static str,
    /// Where the sizes are published.
    pub source: &'static str,
    /// What that source states, and what is taken from elsewhere.
    pub stated: &'static str,
    known: Known,
}

/// What is published about a model.
enum Known {
    /// Every size of a family that can be built: its `config.json`.
    Config(fn() -> Value),
    /// The sizes of a family that cannot be built, because its paper leaves something else out.
    Sizes(fn() -> ModelSizes),
    /// Only totals: for each part all parameters and the active ones, and why nothing more is known.
    Totals { parts: &'static [(&'static str, u128, u128)], missing: &'static str },
}

impl Preset {
    /// The configuration.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a model without published sizes.
    pub fn config(&self) -> Result<Config> {
        match &self.known {
            Known::Config(make) => Config::from_value(self.name, make()),
            Known::Sizes(_) => Err(self.unknown("a model of a family that can be built")),
            Known::Totals { missing, .. } => Err(self.unknown(missing)),
        }
    }

    fn unknown(&self, expected: &str) -> Error {
        Error::invalid(format!("configuration of {}", self.name), "not known", expected)
    }

    /// The sizes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a model of which only totals are known.
    pub fn sizes(&self) -> Result<ModelSizes> {
        match &self.known {
            Known::Config(_) => ModelSizes::of(&self.config()?),
            Known::Sizes(sizes) => Ok(sizes()),
            Known::Totals { missing, .. } => Err(self.unknown(missing)),
        }
    }

    /// The parts with their parameters: by formula from the sizes, or as they are published.
    ///
    /// # Errors
    /// As [`ModelSizes::of`].
    pub fn parts(&self) -> Result<Vec<Part>> {
        match &self.known {
            Known::Config(_) | Known::Sizes(_) => Ok(self.sizes()?.parts()),
            Known::Totals { parts, .. } => {
                let part = |&(name, parameters, active): &(&str, u128, u128)| Part {
                    name: name.to_owned(),
                    parameters,
                    active,
                    is_head: false,
                };
                Ok(parts.iter().map(part).collect())
            }
        }
    }

    /// Whether sizes are known, and not only totals.
    pub fn has_sizes(&self) -> bool {
        !matches!(self.known, Known::Totals { .. })
    }
}

/// Every preset, family by family.
pub fn presets() -> impl Iterator<Item = &'static Preset> {
    [gpt::PRESETS, bert::PRESETS, t5::PRESETS, llama::PRESETS, red::PRESETS, partial::PRESETS]
        .into_iter()
        .flatten()
}

/// The preset called `name`.
///
/// # Errors
/// [`Error::Invalid`] with similar names, or all names.
///
/// ```
/// use rankscope::model::preset;
/// assert!(preset::find("gpt-2-xl").err().unwrap().to_string().contains("gpt2-xl"));
/// ```
pub fn find(name: &str) -> Result<&'static Preset> {
    if let Some(preset) = presets().find(|preset| preset.name == name) {
        return Ok(preset);
    }
    let near = alike(name, presets().map(|preset| preset.name));
    let expected = match near[..] {
        [] => format!("one of {}", presets().map(|preset| preset.name).collect::<Vec<_>>().join(", ")),
        _ => format!("a known name, such as {}", near.join(", ")),
    };
    Err(Error::invalid("preset", format!("{name:?}"), expected))
}
