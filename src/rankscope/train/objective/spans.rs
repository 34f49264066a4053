//! Span corruption: T5's objective.

use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::Request;
use super::sequences::predict_outputs;
use crate::error::Result;
use crate::train::{Batch, Example, Vocabulary};

/// The share of the tokens that are cut out.
const SHARE: f64 = 0.15;
/// The mean number of tokens in a span.
const MEAN: f64 = 3.0;
/// The fewest tokens of an example: with fewer, 15 % is not one token.
const LEAST: usize = 4;

/// L = −Σ ln p of the tokens that were cut out, span by span after its sentinel: `a b <span-0> e <end>` and
/// `<span-0> c d <end>`.
///
/// **Conventions**: one stack reads both sequences one after the other, and the remaining text counts as given. The
/// number of spans is the number of cut tokens divided by 3, rounded; their lengths and places are uniform among all
/// possibilities.
pub(super) fn batches(request: &Request<'_>, random: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    let mut sequences = Vec::new();
    for example in request.unpadded() {
        let count = example.tokens.len();
        if count < LEAST {
            let expected = format!("at least {LEAST}, so that 15 % of them are one token");
            return Err(request.unfit(format!("{count} tokens"), expected));
        }
        sequences.push(corrupt(&example.tokens, request.vocabulary, random)?);
    }
    predict_outputs(request, sequences)
}

/// Positions for the remaining tokens, the cut tokens, two sentinels for each span, and two end tokens.
pub(super) fn context(tokens: usize) -> usize {
    tokens + 2 * counts(tokens).1 + 2
}

/// How many of `tokens` are cut out, and in how many spans.
fn counts(tokens: usize) -> (usize, usize) {
    let cut = (tokens as f64 * SHARE).round();
    (cut as usize, (cut / MEAN).round().max(1.0) as usize)
}

/// The remaining text, and after it the spans that were cut out.
fn corrupt(tokens: &[u32], vocabulary: Vocabulary, random: &mut ChaCha8Rng) -> Result<Example> {
    let (cut, spans) = counts(tokens.len());
    let lengths = pieces(cut, spans, random);
    let kept = pieces(tokens.len() - cut, spans, random);
    let (mut left, mut output, mut rest) = (Vec::new(), Vec::new(), tokens);
    for (index, (kept, length)) in kept.into_iter().zip(lengths).enumerate() {
        let sentinel = vocabulary.sentinel(index)?;
        let (before, behind) = rest.split_at(kept);
        let (span, behind) = behind.split_at(length);
        left.extend_from_slice(before);
        left.push(sentinel);
        output.push(sentinel);
        output.extend_from_slice(span);
        rest = behind;
    }
    left.push(vocabulary.end());
    output.push(vocabulary.end());
    Ok(Example { given: left.len(), tokens: [left, output].concat() })
}

/// `count` as a sum of `parts` numbers of at least 1, uniform among all such sums.
fn pieces(count: usize, parts: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut ends = sample(random, count - 1, parts - 1).into_vec();
    ends.sort_unstable();
    let ends: Vec<usize> = ends.into_iter().map(|end| end + 1).chain([count]).collect();
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| end - start).collect()
}
