//! An open model with its tokenizer.

use std::path::PathBuf;
use std::sync::Arc;

use rankscope::model::generate::Ends;
use rankscope::model::store::Store;
use rankscope::model::{self, Description, Input, MaskChoice, Model, Tokenizer, Tokens};
use rankscope::numbers::scaled;
use rankscope::probe::Unobserved;
use rankscope::{Axis, Device, Error, Mask, Result, Run, Tensor};

use super::change::Change;
use super::{Read, longer, next};
use crate::labs::model::answer::{Next, Opened};
use crate::labs::model::state::{Attention, OF_A_PAIR, Reading};

/// A model that has been loaded.
pub struct Open {
    /// The name by which it was asked for.
    pub name: String,
    /// The model.
    pub model: Box<dyn Model>,
    tokenizer: Tokenizer,
    ends: Ends,
    /// Whether it has a decoder with an output layer.
    writes: bool,
}

impl Open {
    /// Loads the model of that name.
    ///
    /// # Errors
    /// As [`Store::find`], [`model::load`] and [`Tokenizer::load`].
    pub fn named(name: &str, device: &Device) -> Result<Self> {
        let folder: PathBuf = Store::open()?.find(name)?;
        let (model, tokenizer) = (model::load(&folder, device)?, Tokenizer::load(&folder)?);
        let ends = Ends::of(&*model, &folder)?;
        let axes = [(Axis::Batch, 1), (Axis::Query, 1), (Axis::Width, model.description().width)];
        let one = Tensor::zeros(axes).to_device(device)?;
        let writes = model.sizes().generates() && model.logits(&one, &mut Unobserved)?.is_some();
        Ok(Open { name: name.to_owned(), model, tokenizer, ends, writes })
    }

    /// Whether it is an encoder-decoder.
    pub fn is_pair(&self) -> bool {
        self.model.description().encoder.is_some()
    }

    /// The facts about it that the window shows.
    pub fn opened(&self, attention: Attention) -> Arc<Opened> {
        let d = self.shown(attention);
        let about = format!(
            "{}, {} layers × {} heads, {} parameters in {:?}, context {}",
            d.family,
            d.layers,
            d.heads,
            scaled(d.parameters as f64, ""),
            d.dtype,
            d.context
        );
        let (layers, heads) = (d.layers, d.heads);
        Arc::new(Opened {
            name: self.name.clone(),
            layers,
            heads,
            sequences: 1,
            about,
            description: Some(d),
            is_pair: self.is_pair(),
            writes: self.writes,
        })
    }

    /// The sizes and the mask of one attention, as those of a model of one stack.
    fn shown(&self, attention: Attention) -> Description {
        let description = self.model.description().clone();
        let Some(encoder) = description.encoder.clone() else { return description };
        let own = Description { encoder: None, ..description };
        match attention {
            Attention::Encoder => {
                Description { layers: encoder.layers, trained_mask: encoder.trained_mask, ..own }
            }
            Attention::Decoder => own,
            Attention::Cross => Description { trained_mask: Mask::bidirectional(), other_mask: None, ..own },
        }
    }

    /// The text as ids.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`]; an error that counts the tokens where there are too many.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        let tokens = self.tokenizer.encode(text)?;
        let Description { context, is_limited, .. } = *self.model.description();
        let count = tokens.ids.len();
        if is_limited && count > context {
            let expected = format!("at most {context}, the context of {}: shorten the text", self.name);
            return Err(Error::invalid("number of tokens", count, expected));
        }
        Ok(tokens)
    }

    /// The tokens of the keys and of the queries.
    ///
    /// # Errors
    /// For an encoder-decoder that states no token to begin with.
    pub fn sides(
        &self,
        tokens: &Tokens,
        written: &[u32],
        attention: Attention,
    ) -> Result<(Arc<Tokens>, Arc<Tokens>)> {
        let written = written.iter().map(|&id| (id, self.tokenizer.piece(id)));
        if !self.is_pair() {
            let all = Arc::new(longer(tokens, written));
            return Ok((all.clone(), all));
        }
        let source = Arc::new(tokens.clone());
        if attention == Attention::Encoder {
            return Ok((source.clone(), source));
        }
        let start = self.start()?;
        let none = Tokens { ids: vec![], token_types: vec![], pieces: vec![], originals: vec![] };
        let all = std::iter::once((start, self.tokenizer.piece(start))).chain(written);
        let target = Arc::new(longer(&none, all));
        Ok((if attention == Attention::Cross { source } else { target.clone() }, target))
    }

    fn start(&self) -> Result<u32> {
        let start =
            self.model.description().encoder.as_ref().and_then(|encoder| encoder.start).or(self.ends.start);
        let expected = "a configuration with decoder_start_token_id";
        start.ok_or_else(|| Error::invalid("first token of the decoder", "missing", expected))
    }

    /// The model's input.
    ///
    /// # Errors
    /// As [`sides`](Self::sides).
    pub fn input(&self, tokens: &Tokens, written: &[u32]) -> Result<Input> {
        if self.is_pair() {
            let target = [&[self.start()?], written].concat();
            return Ok(Input::new(tokens.ids.clone()).with_decoder(target));
        }
        let types = tokens.token_types.iter().copied().chain(written.iter().map(|_| 0)).collect();
        Ok(Input::new([&tokens.ids[..], written].concat()).with_token_types(types))
    }

    /// The likeliest tokens after the text, one after the other, with the heads changed as the reading says; tokens
    /// that are `known` are not computed again. Ends at a token that ends a text, and where the context is full.
    ///
    /// # Errors
    /// As [`Model::hidden`]; `Cancelled`.
    pub fn written(
        &self,
        tokens: &Tokens,
        reading: &Reading,
        attention: Attention,
        known: &mut Option<(Reading, Vec<u32>)>,
        run: &Run,
    ) -> Result<Vec<u32>> {
        let is_pair = self.is_pair();
        let count = reading.written.unwrap_or(if is_pair { OF_A_PAIR } else { 0 });
        let basis = Reading { written: None, ..reading.clone() };
        let mut ids =
            known.take().filter(|(known, _)| *known == basis).map(|(_, ids)| ids).unwrap_or_default();
        let mask = reading.mask_of(attention, is_pair)?;
        while ids.len() < count && self.writes && !self.is_at_end(tokens, &ids) {
            run.step("writing", ids.len(), count)?;
            let quiet = run.quiet();
            let mut unobserved = Unobserved;
            let mut probe = Change { reading, attention, is_pair, inner: &mut unobserved, run: &quiet };
            let hidden = self.model.hidden(&self.input(tokens, &ids)?, &mask, &mut probe, &quiet)?;
            let last = hidden.shape().size(Axis::Query).unwrap_or(1) - 1;
            let Some(logits) = next::logits(&*self.model, &hidden, last)? else { break };
            ids.push(next::likeliest(&logits)?);
        }
        *known = Some((basis, ids.clone()));
        ids.truncate(count);
        Ok(ids)
    }

    fn is_at_end(&self, tokens: &Tokens, written: &[u32]) -> bool {
        let description = self.model.description();
        let taken = match &description.encoder {
            Some(encoder) if encoder.shares_context => tokens.ids.len() + 1,
            Some(_) => 1,
            None => tokens.ids.len(),
        };
        let is_full = description.is_limited && taken + written.len() >= description.context;
        is_full || written.last().is_some_and(|id| self.ends.stop.contains(id))
    }

    /// The prediction at a position, the last one if none is given; `None` without an output layer.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a position that is not there.
    pub fn next(&self, read: &Read, position: Option<usize>) -> Result<Option<Next>> {
        let Read { hidden, trained, pieces } = read;
        let count = hidden.shape().size(Axis::Query).unwrap_or(0);
        let position = position.unwrap_or(count.saturating_sub(1)).min(count.saturating_sub(1));
        let logits = |hidden: &Tensor| next::logits(&*self.model, hidden, position);
        let Some(chosen) = logits(hidden)? else { return Ok(None) };
        let trained = trained.as_ref().map(logits).transpose()?.flatten();
        let piece = pieces.get(position).cloned().unwrap_or_default();
        next::prediction(&chosen, trained.as_deref(), (position, piece, self.writes), &self.tokenizer)
            .map(Some)
    }

    /// The masks of the layers of one attention, by the names of their weights.
    pub fn masks(&self, choice: &MaskChoice, names: &[String]) -> Vec<Mask> {
        names.iter().map(|name| choice.of_weights(name, self.model.description())).collect()
    }
}
