//! Generating text: one token after the other, each drawn from the model's distribution of the next token.

mod ends;
mod sampling;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
mod writer;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

pub use ends::Ends;
pub use sampling::Sampling;
pub use stream::TextStream;

use super::{Input, MaskChoice, Model};
use crate::error::{Error, Result};
use crate::run::Run;
use writer::Writer;

/// The settings of generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The most tokens to write.
    pub tokens: usize,
    /// How each token is chosen.
    pub sampling: Sampling,
    /// Ids that end the text; the id that ends it is part of it.
    pub stop: Vec<u32>,
    /// The id that always follows a single first token (`forced_bos_token_id`); `None` for no such id.
    pub first: Option<u32>,
    /// The last possible token is always one of these ids (`forced_eos_token_id`); empty for no such ids.
    pub last: Vec<u32>,
    /// Whether keys and values are kept, where the family keeps a cache.
    pub use_cache: bool,
    /// The mask of the pass.
    pub mask: MaskChoice,
}

impl Default for Settings {
    /// Twenty tokens, greedy, with the cache and the trained mask.
    fn default() -> Self {
        Settings {
            tokens: 20,
            sampling: Sampling::greedy(),
            stop: Vec::new(),
            first: None,
            last: Vec::new(),
            use_cache: true,
            mask: MaskChoice::AsTrained,
        }
    }
}

/// A generated token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Written {
    /// The token.
    pub id: u32,
    /// Its probability among the tokens that could be drawn.
    pub probability: f64,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// As many tokens as requested were written.
    Length,
    /// A stop token was generated.
    Stop,
    /// The model's context is full.
    Context,
}

/// Generated text.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The tokens after the prompt.
    pub tokens: Vec<Written>,
    /// Why it ends.
    pub end: End,
    /// Whether keys and values were kept.
    pub used_cache: bool,
    /// The time of reading the prompt, up to the first logits.
    pub reading: Duration,
    /// The time after that.
    pub writing: Duration,
}

impl Generated {
    /// The ids alone.
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    /// Tokens per second, without the first token, whose time is that of reading the prompt; `None` for fewer than two
    /// tokens.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let behind = self.tokens.len().checked_sub(1).filter(|&count| count > 0)?;
        Some(behind as f64 / self.writing.as_secs_f64())
    }
}

/// Continues a prompt, and passes every token to `show` as soon as it is generated.
///
/// An encoder-decoder reads the prompt in its encoder, and its decoder continues the prompt's decoder ids, or its start
/// token.
///
/// **Conventions**: the same seed in `run` writes the same text. With a cache the logits are those of the full
/// pass up to rounding. A full context ends the text and is no error. After a cancellation or an error,
/// the tokens before it have been shown.
///
/// # Errors
/// [`Error::Invalid`] naming a setting, or a family that writes no text; as [`Model::hidden`] and
/// [`Model::hidden_after`], which name a mask under which the cache would be wrong; the errors of `show`.
///
/// ```no_run
/// use rankscope::model::{self, Input, generate::{Settings, generate}};
/// use rankscope::{Device, Run};
/// let model = model::load("checkpoint".as_ref(), &Device::Cpu)?;
/// let prompt = Input::new(vec![5, 9, 13]);
/// let text = generate(&*model, &prompt, &Settings::default(), &mut |_| Ok(()), &Run::new(7))?;
/// println!("{:?}", text.ids());
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn generate(
    model: &dyn Model,
    prompt: &Input,
    settings: &Settings,
    show: &mut dyn FnMut(Written) -> Result<()>,
    run: &Run,
) -> Result<Generated> {
    settings.check(model)?;
    let mut random = ChaCha8Rng::seed_from_u64(run.seed());
    let mut writer = Writer::new(model, prompt, settings)?;
    let start = Instant::now();
    let mut logits = writer.next_logits(run)?;
    let (reading, start) = (start.elapsed(), Instant::now());
    let mut tokens = Vec::new();
    let end = loop {
        force(&mut logits, settings.forced(writer.len(), tokens.len()));
        let (id, probability) = settings.sampling.draw(&logits, &mut random)?;
        let token = Written { id, probability };
        tokens.push(token);
        show(token)?;
        if settings.stop.contains(&id) {
            break End::Stop;
        }
        if tokens.len() == settings.tokens {
            break End::Length;
        }
        if !writer.push(id) {
            break End::Context;
        }
        logits = writer.next_logits(run)?;
    };
    Ok(Generated { tokens, end, used_cache: writer.has_cache(), reading, writing: start.elapsed() })
}

/// If there are any `ids`, makes them the only possible tokens, all equally likely.
fn force(logits: &mut [f32], ids: &[u32]) {
    if ids.is_empty() {
        return;
    }
    logits.fill(f32::NEG_INFINITY);
    for &id in ids {
        logits[id as usize] = 0.0;
    }
}

impl Settings {
    /// The ids, one of which must follow `read` tokens, `written` of which are new.
    fn forced(&self, read: usize, written: usize) -> &[u32] {
        match &self.first {
            Some(first) if read == 1 => std::slice::from_ref(first),
            _ if written + 1 == self.tokens => &self.last,
            _ => &[],
        }
    }

    fn check(&self, model: &dyn Model) -> Result<()> {
        self.sampling.check()?;
        if self.tokens == 0 {
            return Err(Error::invalid("number of tokens to write", 0, "at least 1"));
        }
        let vocab = model.description().vocab;
        for (what, ids) in [
            ("stop token", &self.stop[..]),
            ("first token", self.first.as_slice()),
            ("last token", &self.last),
        ] {
            if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab) {
                let expected = format!("less than {vocab}, the size of the vocabulary");
                return Err(Error::invalid(what, id, expected));
            }
        }
        Ok(())
    }
}
