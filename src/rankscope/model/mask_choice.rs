//! [`MaskChoice`]: the mask to run a model under.

use std::fmt;
use std::str::FromStr;

use super::Description;
use crate::error::{Error, Result};
use crate::mask::Mask;

/// The mask to run a model under.
///
/// **Conventions**: in an encoder-decoder another mask takes the place of the trained one in the self-attention
/// of both stacks, or of the one that it names; each stack has positions of its own, from 0 on.
/// Cross-attention always sees the whole encoder. A model of one stack has one self-attention, so there the
/// three kinds of another mask are the same.
///
/// ```
/// use rankscope::{Mask, model::MaskChoice};
/// assert_eq!("as-trained".parse::<MaskChoice>()?, MaskChoice::AsTrained);
/// assert_eq!("prefix:3".parse::<MaskChoice>()?, MaskChoice::Override(Mask::prefix(3)));
/// assert_eq!("encoder:causal".parse::<MaskChoice>()?, MaskChoice::Encoder(Mask::causal()));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MaskChoice {
    /// The mask that the weights were trained under.
    #[default]
    AsTrained,
    /// Another one: the weights then see what they never saw in training.
    Override(Mask),
    /// Another one in the encoder's self-attention.
    Encoder(Mask),
    /// Another one in the decoder's self-attention.
    Decoder(Mask),
}

impl MaskChoice {
    /// The mask itself; in an encoder-decoder, the one of the decoder's self-attention.
    pub fn resolve(&self, model: &Description) -> Mask {
        match self {
            MaskChoice::Override(mask) | MaskChoice::Decoder(mask) => mask.clone(),
            MaskChoice::Encoder(mask) if model.encoder.is_none() => mask.clone(),
            MaskChoice::Encoder(_) | MaskChoice::AsTrained => model.trained_mask.clone(),
        }
    }

    /// The mask of the encoder's self-attention; `None` in a model of one stack.
    pub fn of_encoder(&self, model: &Description) -> Option<Mask> {
        let encoder = model.encoder.as_ref()?;
        Some(match self {
            MaskChoice::Override(mask) | MaskChoice::Encoder(mask) => mask.clone(),
            MaskChoice::Decoder(_) | MaskChoice::AsTrained => encoder.trained_mask.clone(),
        })
    }

    /// The mask of one layer: where layers look in turns, the trained one depends on it.
    pub(super) fn of_layer(&self, layer: usize, model: &Description) -> Mask {
        match (self, &model.other_mask) {
            (MaskChoice::AsTrained, Some(other)) if layer % 2 == 1 => other.clone(),
            _ => self.resolve(model),
        }
    }

    /// What must be said beside every number computed under this mask, if it is not the trained one.
    pub fn note(&self, model: &Description) -> Option<String> {
        let trained = model.encoder.as_ref().map(|encoder| &encoder.trained_mask);
        let is_same = |mask: &Mask, trained: &Mask| mask.is_same(trained, model.heads);
        let changed =
            |mask: Mask, trained: &Mask| (!is_same(&mask, trained)).then(|| (mask, trained.clone()));
        let resolved = self.resolve(model);
        let decoder = match &model.other_mask {
            // Trained under two masks, layer by layer: any one for all layers is another.
            Some(other) if *self != MaskChoice::AsTrained && is_same(&resolved, &model.trained_mask) => {
                Some((resolved, other.clone()))
            }
            _ => changed(resolved, &model.trained_mask),
        };
        let encoder = trained.zip(self.of_encoder(model)).and_then(|(trained, mask)| changed(mask, trained));
        let sides = match (trained.is_some(), encoder, decoder) {
            (false, _, Some((mask, trained))) => vec![("", mask, trained)],
            (_, encoder, decoder) => {
                let encoder = encoder.map(|(mask, trained)| ("encoder ", mask, trained));
                encoder
                    .into_iter()
                    .chain(decoder.map(|(mask, trained)| ("decoder ", mask, trained)))
                    .collect()
            }
        };
        let said = |(side, mask, trained): &(&str, Mask, Mask)| {
            format!("{side}mask {mask}: the weights were trained under another mask ({trained})")
        };
        (!sides.is_empty()).then(|| sides.iter().map(said).collect::<Vec<_>>().join("; "))
    }
}

/// The first position from `from` on, below `length`, that an earlier one sees: who sees it, and which it is.
///
/// Where there is none, whatever a model says of `from` and of what follows is said without having seen it.
pub(super) fn first_look_ahead(mask: &Mask, from: usize, length: usize) -> Option<(usize, usize)> {
    let mut later = (from..length).flat_map(|key| (0..key).map(move |query| (query, key)));
    later.find(|&(query, key)| mask.may_attend(query, key))
}

impl FromStr for MaskChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim() == "as-trained" {
            return Ok(MaskChoice::AsTrained);
        }
        match text.trim().split_once(':') {
            Some(("encoder", mask)) => Mask::parse(mask).map(MaskChoice::Encoder),
            Some(("decoder", mask)) => Mask::parse(mask).map(MaskChoice::Decoder),
            _ => Mask::parse(text).map(MaskChoice::Override),
        }
    }
}

impl fmt::Display for MaskChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskChoice::AsTrained => f.write_str("as-trained"),
            MaskChoice::Override(mask) => mask.fmt(f),
            MaskChoice::Encoder(mask) => write!(f, "encoder:{mask}"),
            MaskChoice::Decoder(mask) => write!(f, "decoder:{mask}"),
        }
    }
}
