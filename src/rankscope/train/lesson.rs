//! [`Lesson`]: what a run learns: data, an objective and a mask.

use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::data::save_tokenizer;
use super::objective::{MaskSetting, Objective};
use super::settings::Settings;
use super::{Batch, Examples, Part, Vocabulary};
use crate::error::Result;
use crate::label::visible;
use crate::model::{Description, MaskChoice};

/// The first stream of random numbers for objectives; the streams for data begin at 0.
const OBJECTIVES: u64 = 1 << 62;

/// What a run learns: data, an objective and a mask.
pub struct Lesson {
    examples: Box<dyn Examples>,
    objective: &'static Objective,
    mask: MaskSetting,
    length: usize,
    batch: usize,
}

impl Lesson {
    /// The lesson of these settings.
    ///
    /// # Errors
    /// An error naming the setting that is wrong, or the file that cannot be read.
    pub fn new(settings: &Settings) -> Result<Self> {
        Ok(Lesson {
            examples: super::data::open(&settings.data, settings.tokenizer.as_deref())?,
            objective: Objective::find(&settings.objective)?,
            mask: settings.mask.parse()?,
            length: settings.length,
            batch: settings.batch,
        })
    }

    /// The tokens of the data.
    pub fn vocabulary(&self) -> Vocabulary {
        self.examples.vocabulary()
    }

    /// The data.
    pub fn examples(&self) -> &dyn Examples {
        &*self.examples
    }

    /// The most tokens that a stack has to read.
    pub fn context(&self) -> usize {
        self.objective.context(self.length)
    }

    /// Batch `index` of a part, as one or more batches for `model`: always the same for the same seed.
    ///
    /// # Errors
    /// An error naming the one of data, objective, mask and model that does not fit the others.
    pub fn batches(&self, part: Part, seed: u64, index: u64, model: &Description) -> Result<Vec<Batch>> {
        self.batches_of(self.length, part, seed, index, model)
    }

    /// As [`batches`](Self::batches), of examples of another length.
    ///
    /// # Errors
    /// As [`batches`](Self::batches).
    pub fn batches_of(
        &self,
        length: usize,
        part: Part,
        seed: u64,
        index: u64,
        model: &Description,
    ) -> Result<Vec<Batch>> {
        let numbers = (index * self.batch as u64..).take(self.batch);
        let examples = numbers.map(|number| self.examples.example(part, seed, number, length));
        let examples = examples.collect::<Result<Vec<_>>>()?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(OBJECTIVES + 2 * index + u64::from(part == Part::HeldOut));
        self.objective.batches(&examples, self.vocabulary(), model, &self.mask, &mut random)
    }

    /// The numbers that tokens stand for, if they stand for numbers.
    pub fn values(&self) -> Option<&[f64]> {
        self.examples.values()
    }

    /// The number of tokens of an example.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the model learns to continue a text token by token.
    pub fn writes(&self) -> bool {
        matches!(self.objective.name, "causal-lm" | "prefix-lm")
    }

    /// The mask for a sequence with `given` given tokens.
    ///
    /// # Errors
    /// As for reading the mask's text.
    pub fn mask_at(&self, given: usize) -> Result<MaskChoice> {
        self.objective.mask_at(&self.mask, given)
    }

    /// A token as a word, also for special tokens.
    pub fn piece(&self, token: u32) -> String {
        let symbols = self.vocabulary().symbols;
        match (token as usize).checked_sub(symbols) {
            None => visible(&self.examples.piece(token)),
            Some(special) => self.vocabulary().special().get(special).cloned().unwrap_or_default(),
        }
    }

    /// Writes the tokenizer's files into a folder.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if a file cannot be written.
    pub fn save_tokenizer(&self, folder: &Path) -> Result<()> {
        save_tokenizer(&*self.examples, folder)
    }
}
