//! [`Writer`]: a text in the making, and the logits of its next token.

use super::Settings;
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::{Input, KvCache, MaskChoice, Model};
use crate::ops::slice;
use crate::probe::Unobserved;
use crate::run::Run;

pub(super) struct Writer<'a> {
    model: &'a dyn Model,
    mask: &'a MaskChoice,
    /// All tokens, the prompt's first.
    ids: Vec<u32>,
    cache: Option<KvCache>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(model: &'a dyn Model, prompt: &[u32], settings: &'a Settings) -> Result<Self> {
        let description = model.description();
        if description.trained_mask == Mask::bidirectional() {
            let expected = "one that predicts the next token, such as llama";
            return Err(Error::invalid("family of a model that writes", description.family, expected));
        }
        // A family without a cache reads everything again, and the result says so.
        let cache = if settings.use_cache { model.cache(1).ok() } else { None };
        Ok(Writer { model, mask: &settings.mask, ids: prompt.to_vec(), cache })
    }

    pub(super) fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// One more token; `false` if the context has no room for it.
    pub(super) fn push(&mut self, id: u32) -> bool {
        let has_room = self.ids.len() < self.model.description().context;
        if has_room {
            self.ids.push(id);
        }
        has_room
    }

    /// The logits of the token behind the last.
    pub(super) fn next_logits(&mut self, run: &Run) -> Result<Vec<f32>> {
        // A progress bar over the layers of every token would only flicker.
        let quiet = Run::new(run.seed()).with_cancel(run.cancel_flag());
        let hidden = match &mut self.cache {
            Some(cache) => {
                let new = Input::new(self.ids[cache.len()..].to_vec());
                self.model.hidden_after(cache, &new, self.mask, &mut Unobserved, &quiet)?
            }
            None => {
                let all = Input::new(self.ids.clone());
                self.model.hidden(&all, self.mask, &mut Unobserved, &quiet)?
            }
        };
        let count = hidden.shape().size(Axis::Query).unwrap_or(0);
        let last = slice(&hidden, Axis::Query, count.saturating_sub(1)..count)?; // [1, 1, C]
        match self.model.logits(&last, &mut Unobserved)? {
            Some(logits) => logits.to_vec(),
            None => {
                let family = format!("{} without an output layer", self.model.description().family);
                Err(Error::invalid("model that writes", family, "one with logits"))
            }
        }
    }
}
