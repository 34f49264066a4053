//! The model and the two turns.

use crate::claim::{Evidence, Settings};
use crate::error::{Error, Result};
use crate::model::store::Store;
use crate::model::{self, Input, Model, Tokenizer};

/// A model and the tokens of a dialogue.
pub(super) struct Dialogue {
    /// As the setting calls it.
    pub name: String,
    pub model: Box<dyn Model>,
    /// All tokens: the first turn, then the second.
    pub ids: Vec<u32>,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens of the first turn: prompt and answer.
    pub first: usize,
}

impl Dialogue {
    pub fn load(settings: &Settings) -> Result<Self> {
        let name = settings.text("model")?.to_owned();
        let folder = Store::open()?.find(&name)?;
        let model = model::load(&folder, settings.device())?;
        model.description().expect_one_stack(&name)?;
        model.cache(1)?;
        let tokenizer = Tokenizer::load(&folder)?;
        let mut ids: Vec<u32> = Vec::new();
        let mut ends = Vec::new();
        for part in ["prompt", "answer", "next"] {
            let text = settings.text(part)?;
            let tokens = tokenizer
                .encode(text)
                .map_err(|_| Error::invalid(part, format!("{text:?}"), "a text of one word or more"))?;
            // A tokenizer that begins every text with a token of its own would put it between the turns.
            let is_begin = tokenizer.decode(&tokens.ids[..1])?.is_empty();
            ids.extend(&tokens.ids[usize::from(is_begin && !ids.is_empty())..]);
            ends.push(ids.len());
        }
        let context = model.description().context;
        if ids.len() > context {
            let expected = format!("at most {context}, the context of {name}");
            return Err(Error::invalid("tokens of prompt, answer and next", ids.len(), expected));
        }
        Ok(Dialogue { name, model, ids, prompt: ends[0], first: ends[1] })
    }

    /// Its numbers of tokens.
    pub fn report(&self, evidence: &mut Evidence) {
        let Dialogue { prompt, first, ids, .. } = self;
        for (name, count) in [("prompt", *prompt), ("turn_1", *first), ("dialogue", ids.len())] {
            evidence.measure(format!("{name}_tokens"), count as f64, "tokens");
        }
    }

    /// Both turns.
    pub fn both_turns(&self) -> Input {
        Input::new(self.ids.clone())
    }
}
