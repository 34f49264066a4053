//! How well counts of tokens alone predict a text: the losses that a model has to beat.

use std::collections::HashMap;

use super::Text;
use crate::error::Result;
use crate::run::Run;
use crate::train::{Examples, Part};

/// The number of bytes that are read at a time.
const CHUNK: u64 = 1 << 16;
/// The most bytes of a part that are counted.
const MOST: u64 = 1 << 26;

/// Cross-entropies of the held-out part under counts of the training part, in nats per token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct References {
    /// For a token without its context: p(t) = (n(t) + 1) / (N + V).
    pub unigram: f64,
    /// For a token given the token before it: p(t | s) = (n(s, t) + p(t)) / (n(s) + 1).
    pub bigram: f64,
}

impl Text {
    /// How well counts of tokens, and of pairs of tokens, predict the held-out part.
    ///
    /// **Conventions**: V is the number of tokens without the special ones; at most 64 MiB of each part are read.
    ///
    /// **Source**: the bigram's estimate is that of MacKay & Peto 1995 with α = 1.
    ///
    /// # Errors
    /// An error naming a file that cannot be read; [`Cancelled`](crate::Error::Cancelled).
    pub fn references(&self, run: &Run) -> Result<References> {
        let symbols = self.vocabulary().symbols;
        let (mut single, mut pairs) = (vec![0u64; symbols], HashMap::<(u32, u32), u64>::new());
        let mut before = None;
        self.each(Part::Training, run, |token| {
            single[token as usize] += 1;
            if let Some(before) = before.replace(token) {
                *pairs.entry((before, token)).or_default() += 1;
            }
        })?;
        let all: u64 = single.iter().sum();
        let alone = |token: u32| (single[token as usize] + 1) as f64 / (all + symbols as u64) as f64;
        let after = |before: u32, token: u32| {
            let pair = pairs.get(&(before, token)).copied().unwrap_or(0);
            (pair as f64 + alone(token)) / (single[before as usize] as f64 + 1.0)
        };
        let (mut unigram, mut bigram, mut count, mut before) = (0.0, 0.0, 0u64, None);
        self.each(Part::HeldOut, run, |token| {
            unigram -= alone(token).ln();
            bigram -= before.replace(token).map_or(alone(token), |before| after(before, token)).ln();
            count += 1;
        })?;
        let count = count.max(1) as f64;
        Ok(References { unigram: unigram / count, bigram: bigram / count })
    }

    /// Calls `take` for the tokens of a part in their order.
    fn each(&self, part: Part, run: &Run, mut take: impl FnMut(u32)) -> Result<()> {
        let range = self.range(part);
        let end = range.end.min(range.start + MOST);
        let mut at = range.start;
        while at < end {
            run.check()?;
            let mut text = self.files.text(at..end.min(at + CHUNK))?;
            // A word is not cut between two pieces, except at the end, or in 64 kB without a blank.
            if at + CHUNK < end
                && let Some(blank) = text.rfind(char::is_whitespace).filter(|&blank| blank > 0)
            {
                text.truncate(blank);
            }
            if text.is_empty() {
                break;
            }
            at += text.len() as u64;
            self.tokens(text)?.into_iter().for_each(&mut take);
        }
        Ok(())
    }
}
