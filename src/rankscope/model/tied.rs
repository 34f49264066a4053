//! Tied weights: one matrix under two names, kept once and counted once.
//!
//! **Conventions**: as `transformers` 5 does it (`PreTrainedModel.tie_weights`, checked against 5.23). Where
//! the configuration ties and the checkpoint stores one of the two names, whichever, both uses share it.
//! Where it stores both with the same bits, they are one as well. Where it stores both and they *differ*,
//! the numbers are believed and not the configuration: nothing is tied. (Version 4 let the embedding win.)

use super::{Checkpoint, Config, FAMILIES};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::weight::Weight;

#[cfg(test)]
#[path = "tied_tests.rs"]
mod tests;

/// What a family ties.
pub(super) struct Ties {
    /// Whether weights are tied where `tie_word_embeddings` is absent.
    pub(super) by_default: bool,
    /// The embedding first, then the output's copy.
    pub(super) pairs: &'static [(&'static str, &'static str)],
}

impl Ties {
    /// Whether this model ties its weights.
    pub(super) fn wanted(&self, config: &Config) -> Result<bool> {
        Ok(config.optional("tie_word_embeddings")?.unwrap_or(self.by_default))
    }
}

/// The two weights called `names` on `device`: one handle twice where they are tied, uploaded once.
///
/// # Errors
/// As [`Checkpoint::weight`], for a name that is missing and not tied to one that is there; as
/// [`Weight::to_device`].
pub(super) fn pair(
    checkpoint: &Checkpoint,
    names: (&str, &str),
    axes: [(Axis, usize); 2],
    wanted: bool,
    device: &Device,
) -> Result<(Weight, Weight)> {
    let (first, second) = names;
    let shared = match (checkpoint.has(first), checkpoint.has(second)) {
        _ if !wanted => None,
        (true, true) => checkpoint.same(first, second).then_some(first),
        (false, true) => Some(second),
        _ => Some(first),
    };
    let load = |name: &str| checkpoint.weight(name, axes)?.to_device(device);
    match shared {
        Some(name) => load(name).map(|weight| (weight.clone(), weight)),
        None => Ok((load(first)?, load(second)?)),
    }
}

/// Numbers in the checkpoint, tied ones counted once.
///
/// # Errors
/// An error naming the field of the configuration that is not of its type.
pub(super) fn parameters(config: &Config, checkpoint: &Checkpoint) -> Result<usize> {
    let name: Option<String> = config.optional("model_type")?;
    let family = FAMILIES.iter().find(|family| Some(family.name) == name.as_deref());
    let ties = family.map(|family| &family.ties);
    let pairs = match ties {
        Some(ties) if ties.wanted(config)? => ties.pairs,
        _ => &[],
    };
    let twice = pairs.iter().filter(|(first, second)| checkpoint.same(first, second));
    let copies: usize = twice.map(|(_, second)| checkpoint.numbers(second)).sum();
    Ok(checkpoint.parameters() - copies)
}
