//! [`Input`]: token ids, and the other inputs that some models read.

use std::ops::Range;

use super::Description;
use crate::error::{Error, Result};
use crate::mask::Padding;

/// Token ids, `[B, T]`, with segments, padding and the ids of a decoder where a model reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    batch: usize,
    ids: Vec<u32>,
    token_types: Option<Vec<u32>>,
    padding: Option<Padding>,
    decoder: Option<Vec<u32>>,
    decoder_padding: Option<Padding>,
}

impl Input {
    /// One sequence.
    pub fn new(ids: Vec<u32>) -> Self {
        Input { batch: 1, ids, token_types: None, padding: None, decoder: None, decoder_padding: None }
    }

    /// `batch` sequences of equal length, one after the other.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the ids do not divide into that many sequences.
    pub fn batch(ids: Vec<u32>, batch: usize) -> Result<Self> {
        if batch == 0 || !ids.len().is_multiple_of(batch) {
            let expected = format!("a multiple of the batch size {batch}");
            return Err(Error::invalid("number of ids", ids.len(), expected));
        }
        Ok(Input { batch, ..Input::new(ids) })
    }

    /// With the segment of every token (BERT), one for each id.
    pub fn with_token_types(self, token_types: Vec<u32>) -> Self {
        Input { token_types: Some(token_types), ..self }
    }

    /// With padding.
    pub fn with_padding(self, padding: Padding) -> Self {
        Input { padding: Some(padding), ..self }
    }

    /// With the ids that the decoder of an encoder-decoder reads, as many for each sequence; the ids given before are
    /// then the encoder's.
    ///
    /// Without them the decoder gets only its start token, as at the beginning of a generation.
    ///
    /// ```
    /// use rankscope::model::Input;
    /// let input = Input::new(vec![5, 3, 8]).with_decoder(vec![0, 9]);
    /// assert_eq!((input.len(), input.decoder_ids()), (3, Some(&[0, 9][..])));
    /// ```
    pub fn with_decoder(self, ids: Vec<u32>) -> Self {
        Input { decoder: Some(ids), ..self }
    }

    /// With padding of the decoder's ids.
    pub fn with_decoder_padding(self, padding: Padding) -> Self {
        Input { decoder_padding: Some(padding), ..self }
    }

    /// One sequence cut in two, as a prefix-LM reads it: the first `prefix` ids for the encoder, the others for
    /// the decoder.
    ///
    /// # Errors
    /// [`Error::Invalid`] if one side would get no ids.
    ///
    /// ```
    /// use rankscope::model::Input;
    /// let input = Input::split(&[5, 3, 8], 2)?;
    /// assert_eq!((input.ids(), input.decoder_ids()), (&[5, 3][..], Some(&[8][..])));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn split(ids: &[u32], prefix: usize) -> Result<Self> {
        if prefix == 0 || prefix >= ids.len() {
            let expected = format!("at least 1 and less than the {} ids", ids.len());
            return Err(Error::invalid("length of the prefix", prefix, expected));
        }
        let (prefix, rest) = ids.split_at(prefix);
        Ok(Input::new(prefix.to_vec()).with_decoder(rest.to_vec()))
    }

    /// The input for some sequences of the batch.
    pub(crate) fn part(&self, sequences: Range<usize>) -> Input {
        let ids = |ids: &Vec<u32>| {
            let length = ids.len() / self.batch;
            ids[sequences.start * length..sequences.end * length].to_vec()
        };
        let padding = |padding: &Padding| padding.part(&sequences);
        Input {
            batch: sequences.len(),
            ids: ids(&self.ids),
            token_types: self.token_types.as_ref().map(ids),
            padding: self.padding.as_ref().map(padding),
            decoder: self.decoder.as_ref().map(ids),
            decoder_padding: self.decoder_padding.as_ref().map(padding),
        }
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

    /// The decoder's ids, sequence after sequence, where given.
    pub fn decoder_ids(&self) -> Option<&[u32]> {
        self.decoder.as_deref()
    }

    /// Which of the decoder's ids are tokens, where some are not.
    pub fn decoder_padding(&self) -> Option<&Padding> {
        self.decoder_padding.as_ref()
    }

    /// The decoder's ids, or one start token for each sequence.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are no decoder ids and the model has no start token.
    pub(super) fn decoder_or_start(&self, start: Option<u32>) -> Result<Vec<u32>> {
        match (&self.decoder, start) {
            (Some(ids), _) => Ok(ids.clone()),
            (None, Some(start)) => Ok(vec![start; self.batch]),
            (None, None) => {
                let expected = "some: the configuration states no decoder_start_token_id to begin with";
                Err(Error::invalid("decoder ids", "missing", expected))
            }
        }
    }

    /// Checks both sides against an encoder-decoder whose decoder has already read `cached` tokens; `ids` are the
    /// decoder's.
    ///
    /// # Errors
    /// As [`check`](Self::check), naming the side.
    pub(super) fn check_both(&self, model: &Description, ids: &[u32], cached: usize) -> Result<()> {
        self.check_side(model, &self.ids, "", 0)?;
        if !ids.len().is_multiple_of(self.batch) {
            let expected = format!("a multiple of the batch size {}", self.batch);
            return Err(Error::invalid("number of decoder ids", ids.len(), expected));
        }
        self.check_side(model, ids, "decoder ", cached)
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
        if self.decoder.is_some() || self.decoder_padding.is_some() {
            let expected = format!("none: {} is one stack, not an encoder and a decoder", model.family);
            return Err(Error::invalid("decoder ids", "given", expected));
        }
        self.check_side(model, &self.ids, "", cached)?;
        if let Some(types) = self.token_types.as_ref().filter(|types| types.len() != self.ids.len()) {
            let expected = format!("{}, one for each id", self.ids.len());
            return Err(Error::invalid("number of token type ids", types.len(), expected));
        }
        Ok(())
    }

    /// An error unless there are `ids`, they fit into the context after the `cached` tokens, and they are in the
    /// vocabulary; `side` is their name in messages.
    fn check_side(&self, model: &Description, ids: &[u32], side: &str, cached: usize) -> Result<()> {
        let length = ids.len() / self.batch;
        if length == 0 {
            let expected = "at least one token (the text may be empty)";
            return Err(Error::invalid(format!("number of {side}tokens"), 0, expected));
        }
        if model.is_limited && cached + length > model.context {
            let what = if cached == 0 { "" } else { ", with the cached ones," };
            let expected = format!("at most {}, the model's context", model.context);
            return Err(Error::invalid(format!("number of {side}tokens{what}"), cached + length, expected));
        }
        match ids.iter().position(|&id| id as usize >= model.vocab) {
            Some(at) => {
                let expected = format!("less than {}, the size of the vocabulary", model.vocab);
                let what = format!("{side}token id at position {}", at % length);
                Err(Error::invalid(what, ids[at], expected))
            }
            None => Ok(()),
        }
    }
}
