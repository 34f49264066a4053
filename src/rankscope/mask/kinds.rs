//! The kinds of masks, and the allowed values of their parameters.

use std::sync::Arc;

use ndarray::Array2;

use super::{MAX_NUMBER, Mask, Rule};
use crate::error::{Error, Result};

impl Mask {
    /// Every query attends to every key (BERT, encoders).
    pub fn bidirectional() -> Self {
        Mask(Rule::Bidirectional)
    }

    /// A query attends to itself and to earlier keys: `key ≤ query` (GPT, LLaMA).
    pub fn causal() -> Self {
        Mask(Rule::Causal)
    }

    /// A query attends to itself and to later keys: `key ≥ query`, the causal mask in reverse order.
    pub fn anti_causal() -> Self {
        Mask(Rule::AntiCausal)
    }

    /// Causal, and every query attends to the first `length` keys: `key ≤ query or key < length` (prefix-LM, UniLM).
    pub fn prefix(length: usize) -> Self {
        Mask(Rule::Prefix(length.min(MAX_NUMBER)))
    }

    /// The last `size` keys up to the query itself: `0 ≤ query − key < size` (Mistral).
    ///
    /// # Errors
    /// [`Error::Invalid`] for size 0, under which no query attends to any key.
    pub fn window(size: usize) -> Result<Self> {
        check_window(size).map(|size| Mask(Rule::Window(size)))
    }

    /// The keys nearer than `size` on both sides: `|query − key| < size`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for size 0, under which no query attends to any key.
    pub fn two_sided_window(size: usize) -> Result<Self> {
        check_window(size).map(|size| Mask(Rule::TwoSidedWindow(size)))
    }

    /// Every `step`-th key on both sides, `count` of them on each side and the query itself:
    /// `|query − key| ≤ count · step` and divisible by `step` (Longformer's dilated windows). With `& causal`, only the
    /// earlier keys.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a step of 0, or where `count · step` is above 2³¹.
    pub fn dilated(count: usize, step: usize) -> Result<Self> {
        if step == 0 || step.checked_mul(count).is_none_or(|reach| reach > MAX_NUMBER) {
            let got = format!("{count} keys, every {step}");
            let expected = "a step of at least 1 and a reach of at most 2^31";
            return Err(Error::invalid("dilated window", got, expected));
        }
        Ok(Mask(Rule::Dilated { count, step }))
    }

    /// The last `stride` keys and, before them, every `stride`-th: `key ≤ query` and
    /// (`query − key < stride` or divisible by `stride`) (Sparse Transformer).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a stride of 0.
    pub fn strided(stride: usize) -> Result<Self> {
        if stride == 0 {
            return Err(Error::invalid("stride", stride, "at least 1"));
        }
        Ok(Mask(Rule::Strided(stride.min(MAX_NUMBER))))
    }

    /// The first `count` positions attend to all positions, and all positions attend to them. With a window,
    /// `global(2) | two-sided-window(8)`, it is the global + local attention of Longformer and BigBird.
    pub fn global(count: usize) -> Self {
        Mask(Rule::Global(count.min(MAX_NUMBER)))
    }

    /// The query itself, and every other key with a probability of `percent` percent, drawn by a hash of seed, query
    /// and key: the same seed gives the same mask everywhere (BigBird's random part).
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 100 percent, or a seed beyond 2³¹.
    pub fn random(percent: usize, seed: usize) -> Result<Self> {
        if percent > 100 {
            return Err(Error::invalid("random mask", format!("{percent} percent"), "at most 100"));
        }
        if seed > MAX_NUMBER {
            return Err(Error::invalid("seed of a random mask", seed, "at most 2^31"));
        }
        Ok(Mask(Rule::Random { percent, seed }))
    }

    /// No query attends to the keys from position `length` on: they are padding.
    pub fn padding(length: usize) -> Self {
        Mask(Rule::Padding(length.min(MAX_NUMBER)))
    }

    /// Documents packed into one sequence: both positions lie in the same block of the given lengths.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no block, a block has length 0, or they add up beyond 2³¹.
    pub fn blocks(lengths: &[usize]) -> Result<Self> {
        if lengths.is_empty() || lengths.contains(&0) {
            let expected = "one or more lengths, each at least 1";
            return Err(Error::invalid("block lengths", format!("{lengths:?}"), expected));
        }
        let total = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
        if total.is_none_or(|total| total > MAX_NUMBER) {
            return Err(Error::invalid("sum of the block lengths", "more", "at most 2^31"));
        }
        Ok(Mask(Rule::Blocks(lengths.into())))
    }

    /// An arbitrary matrix, `allowed[[query, key]]`; positions outside it may not attend.
    pub fn custom(allowed: Array2<bool>) -> Self {
        Mask(Rule::Custom(Arc::new(allowed)))
    }

    /// The sequence length of the custom matrix, if the mask contains one.
    pub(crate) fn own_length(&self) -> Option<usize> {
        match &self.0 {
            Rule::Custom(allowed) => Some(allowed.nrows().max(allowed.ncols())),
            Rule::And(pair) | Rule::Or(pair) => pair.0.own_length().max(pair.1.own_length()),
            Rule::Not(mask) => mask.own_length(),
            Rule::Heads(masks) => masks.iter().filter_map(Mask::own_length).max(),
            _ => None,
        }
    }
}

fn check_window(size: usize) -> Result<usize> {
    if size == 0 {
        Err(Error::invalid("window", size, "at least 1 (each query attends to itself)"))
    } else {
        Ok(size.min(MAX_NUMBER))
    }
}
