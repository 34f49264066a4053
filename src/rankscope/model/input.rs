//! What goes into a model: token ids, and the choice of a mask.

use std::fmt;
use std::str::FromStr;

use super::Description;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions};

/// Token ids, `[B, T]`, with what some models want beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    batch: usize,
    ids: Vec<u32>,
    token_types: Option<Vec<u32>>,
    padding: Option<Padding>,
}

impl Input {
    /// One sequence.
    pub fn new(ids: Vec<u32>) -> Self {
        Input { batch: 1, ids, token_types: None, padding: None }
    }

    /// `batch` sequences of equal length, one after the other.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the ids do not divide into that many sequences.
    pub fn batch(ids: Vec<u32>, batch: usize) -> Result<Self> {
        if batch == 0 || !ids.len().is_multiple_of(batch) {
            return Err(Error::invalid(
                "number of ids",
                ids.len(),
                format!("a multiple of the batch size {batch}"),
            ));
        }
        Ok(Input { batch, ..Input::new(ids) })
    }

    /// With the segment of every token (BERT), as many as ids.
    pub fn with_token_types(self, token_types: Vec<u32>) -> Self {
        Input { token_types: Some(token_types), ..self }
    }

    /// With padding.
    pub fn with_padding(self, padding: Padding) -> Self {
        Input { padding: Some(padding), ..self }
    }

    /// B.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// T: tokens in each sequence.
    pub fn len(&self) -> usize {
        self.ids.len() / self.batch
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All ids, sequence after sequence.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The segment of every token, where given.
    pub fn token_types(&self) -> Option<&[u32]> {
        self.token_types.as_deref()
    }

    /// Which keys are tokens, where some are not.
    pub fn padding(&self) -> Option<&Padding> {
        self.padding.as_ref()
    }

    /// Where the queries of a full pass stand.
    pub(super) fn positions(&self) -> Positions {
        Positions { first_query: 0 }
    }

    /// Checks the sizes against the model.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no token, too many tokens, an id out of range, or the wrong number of segments.
    pub(super) fn check(&self, model: &Description) -> Result<()> {
        self.check_after(model, 0)
    }

    /// As [`check`](Self::check), for tokens that follow `cached` others.
    pub(super) fn check_after(&self, model: &Description, cached: usize) -> Result<()> {
        if self.is_empty() {
            return Err(Error::invalid("number of tokens", 0, "at least one token (the text may be empty)"));
        }
        if cached + self.len() > model.context {
            let what =
                if cached == 0 { "number of tokens" } else { "number of tokens, with the cached ones," };
            let expected = format!("at most {}, the model's context", model.context);
            return Err(Error::invalid(what, cached + self.len(), expected));
        }
        if let Some(at) = self.ids.iter().position(|&id| id as usize >= model.vocab) {
            let expected = format!("less than {}, the size of the vocabulary", model.vocab);
            return Err(Error::invalid(
                format!("token id at position {}", at % self.len()),
                self.ids[at],
                expected,
            ));
        }
        if let Some(types) = self.token_types.as_ref().filter(|types| types.len() != self.ids.len()) {
            let expected = format!("{}, one for each id", self.ids.len());
            return Err(Error::invalid("number of token type ids", types.len(), expected));
        }
        Ok(())
    }
}

/// The mask to run a model under.
///
/// ```
/// use rankscope::{Mask, model::MaskChoice};
/// assert_eq!("as-trained".parse::<MaskChoice>()?, MaskChoice::AsTrained);
/// assert_eq!("prefix:3".parse::<MaskChoice>()?, MaskChoice::Override(Mask::prefix(3)));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MaskChoice {
    /// The mask that the weights were trained under.
    #[default]
    AsTrained,
    /// Another one: the weights then see what they never saw in training.
    Override(Mask),
}

impl MaskChoice {
    /// The mask itself.
    pub fn resolve(&self, model: &Description) -> Mask {
        match self {
            MaskChoice::AsTrained => model.trained_mask.clone(),
            MaskChoice::Override(mask) => mask.clone(),
        }
    }

    /// What must be said beside every number computed under this mask, if it is not the trained one.
    pub fn note(&self, model: &Description) -> Option<String> {
        match self {
            MaskChoice::Override(mask) if *mask != model.trained_mask => Some(format!(
                "mask {mask}: the weights were trained under another mask ({})",
                model.trained_mask
            )),
            _ => None,
        }
    }
}

impl FromStr for MaskChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim() == "as-trained" {
            return Ok(MaskChoice::AsTrained);
        }
        Mask::parse(text).map(MaskChoice::Override)
    }
}

impl fmt::Display for MaskChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskChoice::AsTrained => f.write_str("as-trained"),
            MaskChoice::Override(mask) => mask.fmt(f),
        }
    }
}
