//! [`AttentionVariant`]: fields of our own that change the attention of a BERT or a GPT.
//!
//! | field | values | what it does |
//! |---|---|---|
//! | `head_size` | a size | heads of D numbers whatever the width: FixedMultiHead (Bhojanapalli et al. 2020) |
//! | `attention` | `softmax`, `linear` | features in place of the softmax (Katharopoulos et al. 2020) |
//! | `feature_map` | `elu+1`, `relu` | which features, with `attention: "linear"` |
//! | `directions` | `mixed`, `alternating` | half of the heads, or every second layer, look back, the others ahead |
//!
//! A model without them is the published one. With them, a checkpoint is still in the hub's format, but other programs
//! cannot compute with it.

use super::Config;
use crate::attention::{LinearAttention, Mechanism, ScaledDotProduct};
use crate::error::Result;
use crate::mask::Mask;
use crate::ops::FeatureMap;

/// The fields.
const FIELDS: [&str; 4] = ["head_size", "attention", "feature_map", "directions"];

/// An error if the configuration of a family that has no variants states one of the fields, which would have
/// no effect.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) naming the field.
pub(super) fn expect_none(config: &Config) -> Result<()> {
    for field in FIELDS {
        if let Some(value) = config.optional::<serde_json::Value>(field)? {
            let family: String = config.get("model_type")?;
            let expected = format!("absent: {family} has no variants, as bert and gpt2 have");
            return Err(config.wrong(field, &value.to_string(), &expected));
        }
    }
    Ok(())
}

/// How the attention of a configuration differs from the published one.
pub(super) struct AttentionVariant {
    /// D.
    pub(super) head_size: usize,
    /// How queries, keys and values meet.
    pub(super) mechanism: Mechanism,
    /// The mask of the layers 0, 2, 4, …, if it is not the family's.
    pub(super) mask: Option<Mask>,
    /// The mask of the layers 1, 3, 5, …, if it is another one.
    pub(super) other_mask: Option<Mask>,
}

impl AttentionVariant {
    /// Reads the fields beside `width` and `heads`, which the family calls `names`.
    ///
    /// # Errors
    /// An error naming the field that is wrong, or heads that do not divide the width.
    pub(super) fn read(config: &Config, names: [&str; 2]) -> Result<Self> {
        let [width, heads] = [config.size(names[0])?, config.size(names[1])?];
        let head_size = match config.optional_size("head_size")? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let expected = format!("a multiple of {} = {heads} (or head_size beside it)", names[1]);
                return Err(config.wrong(names[0], &width.to_string(), &expected));
            }
        };
        config.expect_heads(names[1], heads, head_size)?;
        let (mask, other_mask) = directions(config, names[1], heads)?;
        Ok(AttentionVariant { head_size, mechanism: mechanism(config, head_size)?, mask, other_mask })
    }

    /// An error if heads or layers look ahead: in a family that predicts the next token they would see it.
    pub(super) fn expect_causal(&self, config: &Config) -> Result<()> {
        match self.mask {
            None => Ok(()),
            Some(_) => {
                let got: String = config.get("directions")?;
                let expected = "absent: a model that predicts the next token may not look ahead";
                Err(config.wrong("directions", &format!("{got:?}"), expected))
            }
        }
    }
}

fn mechanism(config: &Config, head_size: usize) -> Result<Mechanism> {
    let (attention, map): (Option<String>, Option<String>) =
        (config.optional("attention")?, config.optional("feature_map")?);
    match (attention.as_deref().unwrap_or("softmax"), map.as_deref()) {
        ("softmax", None) => Ok(ScaledDotProduct::new(head_size).into()),
        ("softmax", Some(map)) => {
            let expected = "absent, since attention is not \"linear\"";
            Err(config.wrong("feature_map", &format!("{map:?}"), expected))
        }
        ("linear", None | Some("elu+1")) => Ok(LinearAttention::new(FeatureMap::EluPlusOne).into()),
        ("linear", Some("relu")) => Ok(LinearAttention::new(FeatureMap::Relu).into()),
        ("linear", Some(map)) => {
            Err(config.wrong("feature_map", &format!("{map:?}"), "\"elu+1\" or \"relu\""))
        }
        (other, _) => Err(config.wrong("attention", &format!("{other:?}"), "\"softmax\" or \"linear\"")),
    }
}

/// The masks that `directions` asks for.
fn directions(config: &Config, name: &str, heads: usize) -> Result<(Option<Mask>, Option<Mask>)> {
    let directions: Option<String> = config.optional("directions")?;
    match directions.as_deref() {
        None => Ok((None, None)),
        Some("mixed") if heads.is_multiple_of(2) => Ok((Some(Mask::mixed_direction()), None)),
        Some("mixed") => {
            let expected = "an even number, since directions is \"mixed\": half of the heads look back";
            Err(config.wrong(name, &heads.to_string(), expected))
        }
        Some("alternating") => Ok((Some(Mask::causal()), Some(Mask::anti_causal()))),
        Some(other) => Err(config.wrong("directions", &format!("{other:?}"), "\"mixed\" or \"alternating\"")),
    }
}
