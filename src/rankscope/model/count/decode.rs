//! The cost of the next token, with a cache of keys and values and without a cache.

use serde::Serialize;

use super::operations::{Load, Operations, Pairs};
use super::sizes::{ModelSizes, StackSizes};
use crate::error::{Error, Result};

/// The cost of one step of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// T, the tokens that the step sees, including its own.
    pub tokens: usize,
    /// Operations where the keys and values of all earlier tokens are kept.
    pub with_cache: u128,
    /// Operations where every token is processed again.
    pub without_cache: u128,
}

/// The cost of writing tokens one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoding {
    /// Tokens that an encoder has read before the first step; 0 without an encoder.
    pub source: usize,
    /// Some of the steps: those at powers of two, and the last.
    pub steps: Vec<Step>,
    /// Operations of all steps from the first to the last.
    pub total_with_cache: u128,
    /// Operations of all steps, without a cache.
    pub total_without_cache: u128,
}

impl ModelSizes {
    /// The cost of the steps of decoding up to the target of `load`, for one sequence.
    ///
    /// With a cache, a step at context T takes 2 operations for every weight of the decoder's layers, 4·H·D·T for each
    /// layer, and 2·V·C. Without a cache, all T tokens go through all layers again: 2·T operations for every weight,
    /// 2·H·D·T(T + 1) for each layer, and an encoder reads its source again.
    ///
    /// **Conventions**: masked pairs are skipped. Reading the source is not a step: with a cache it is done once,
    /// before the first step, at the cost of the encoder's pass and of the keys and values of cross-attention.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a model without a decoder.
    ///
    /// ```
    /// use rankscope::model::{count::Load, preset};
    /// let sizes = preset::find("gpt2")?.sizes()?;
    /// let curve = sizes.decoding(Load::new(&sizes, 1024, 1, None)?)?;
    /// let last = curve.steps.last().expect("1024 steps");
    /// assert_eq!(last.with_cache, 2 * (12 * 12 * 768 * 768 + 50_257 * 768) + 4 * 12 * 768 * 1024);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn decoding(&self, load: Load) -> Result<Decoding> {
        let (stack, last) = (self.writing_stack()?, load.target());
        let step = |tokens: usize| self.step(stack, tokens, load.source);
        let points = std::iter::successors(Some(1usize), |point| point.checked_mul(2));
        let mut steps: Vec<Step> = points.take_while(|&point| point < last).map(step).collect();
        steps.push(step(last));
        let (mut with, mut without) = (0, 0);
        for step in (1..=last).map(step) {
            with += step.with_cache;
            without += step.without_cache;
        }
        Ok(Decoding { source: load.source, steps, total_with_cache: with, total_without_cache: without })
    }

    /// Only the last step of [`decoding`](Self::decoding).
    ///
    /// # Errors
    /// As [`decoding`](Self::decoding).
    pub fn last_step(&self, load: Load) -> Result<Step> {
        Ok(self.step(self.writing_stack()?, load.target(), load.source))
    }

    fn writing_stack(&self) -> Result<&StackSizes> {
        self.decoder.as_ref().ok_or_else(|| {
            let got = format!("a {} without a decoder", self.family);
            Error::invalid("model to decode with", got, "one that writes token by token")
        })
    }

    fn step(&self, stack: &StackSizes, tokens: usize, source: usize) -> Step {
        let again = Load { batch: 1, tokens: source + tokens, source };
        Step {
            tokens,
            with_cache: self.cached_step(stack, tokens - 1, source).total(),
            without_cache: self.pass(again, 1, Pairs::Allowed).total(),
        }
    }

    /// The operations of an encoder-decoder before the first step: the encoder's pass over the source, and the keys and
    /// values of the cross-attention.
    pub fn reading(&self, load: Load) -> Operations {
        match &self.encoder {
            None => Operations::default(),
            Some(_) => self.pass(Load { batch: 1, tokens: load.source, ..load }, 0, Pairs::Allowed),
        }
    }
}
