//! [`Writer`]: a text during generation, and the logits of its next token.

use super::Settings;
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::mask_choice::first_look_ahead;
use crate::model::{Input, KvCache, MaskChoice, Model, expect_predicts};
use crate::ops::slice;
use crate::probe::Unobserved;
use crate::run::Run;

pub(super) struct Writer<'a> {
    model: &'a dyn Model,
    mask: &'a MaskChoice,
    /// The ids that an encoder reads; `None` for a decoder-only model.
    source: Option<&'a [u32]>,
    /// All tokens of the decoder, the prompt's or the start token first.
    ids: Vec<u32>,
    /// How many tokens fit into the context.
    room: usize,
    cache: Option<KvCache>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(model: &'a dyn Model, prompt: &'a Input, settings: &'a Settings) -> Result<Self> {
        let description = model.description();
        expect_predicts(model, "that writes")?;
        if prompt.batch_size() != 1 {
            return Err(Error::invalid("number of texts to write", prompt.batch_size(), 1));
        }
        let (source, ids, taken) = match &description.encoder {
            None => (None, prompt.ids().to_vec(), 0),
            Some(encoder) => {
                let taken = if encoder.shares_context { prompt.len() } else { 0 };
                (Some(prompt.ids()), prompt.decoder_or_start(encoder.start)?, taken)
            }
        };
        let cache = settings.use_cache.then(|| model.cache(1)).transpose()?;
        let most = if description.is_limited { description.context } else { usize::MAX };
        let room = most.saturating_sub(taken);
        if cache.is_some() {
            let all = room.min(ids.len().saturating_add(settings.tokens));
            let mut masks = settings.mask.of_layers(description);
            masks.dedup();
            masks.iter().try_for_each(|mask| expect_no_look_ahead(mask, ids.len(), all))?;
        }
        Ok(Writer { model, mask: &settings.mask, source, ids, room, cache })
    }

    pub(super) fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// The number of tokens in the decoder, including written ones.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds one token; `false` if the context has no room for it.
    pub(super) fn push(&mut self, id: u32) -> bool {
        let has_room = self.ids.len() < self.room;
        if has_room {
            self.ids.push(id);
        }
        has_room
    }

    /// The logits of the next token.
    pub(super) fn next_logits(&mut self, run: &Run) -> Result<Vec<f32>> {
        // A progress bar over the layers of every token would only flicker.
        let quiet = run.quiet();
        let known = self.cache.as_ref().map_or(0, KvCache::len);
        let new = self.ids[known..].to_vec();
        let input = match self.source {
            None => Input::new(new),
            Some(source) => Input::new(source.to_vec()).with_decoder(new),
        };
        let hidden = match &mut self.cache {
            Some(cache) => self.model.hidden_after(cache, &input, self.mask, &mut Unobserved, &quiet)?,
            None => self.model.hidden(&input, self.mask, &mut Unobserved, &quiet)?,
        };
        let count = hidden.shape().size(Axis::Query).unwrap_or(0);
        let last = slice(&hidden, Axis::Query, count.saturating_sub(1)..count)?; // [1, 1, C]
        let logits = self.model.logits(&last, &mut Unobserved)?;
        self.model.record().finite("logits", &logits.expect("a model that predicts, as checked"))
    }
}

/// An error if a position would see a later one: its keys and values would change when the text grows.
fn expect_no_look_ahead(mask: &Mask, prompt: usize, all: usize) -> Result<()> {
    mask.check(all)?;
    match first_look_ahead(mask, prompt, all) {
        None => Ok(()),
        Some((query, key)) => {
            let expected =
                format!("one under which position {query} does not see {key}, written later; or no cache");
            Err(Error::invalid("mask of a cached pass", mask, expected))
        }
    }
}
