//! Masks: who may attend to whom, as a rule over absolute positions.
//!
//! A [`Mask`] answers [`may_attend`](Mask::may_attend) for a query position and a key position, so
//! that a full pass, a cached decoding step and a continued text are one case. Masks are positive:
//! `true` means *may attend*. They combine with `&`, `|` and `!`, and the same text form is used
//! everywhere (see [`Mask::parse`]).

mod allowed;
mod by_head;
mod facts;
mod language;
mod program;
mod reach;
mod registry;
mod tile;

use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

use ndarray::Array2;

pub use allowed::{Allowed, Padding, Positions};
pub use facts::{Facts, Theorem};
pub use reach::Reach;
pub use registry::{MASKS, MaskKind};
pub use tile::Tile;

use crate::error::{Error, Result};
use crate::rank::{ExactRank, exact_rank};

/// A rule that says which query may attend to which key.
///
/// ```
/// use rankscope::Mask;
/// let mask = Mask::causal() | Mask::prefix(2);
/// assert!(mask.may_attend(0, 1)); // inside the prefix
/// assert!(!mask.may_attend(2, 3)); // the future
/// assert_eq!(mask.to_string(), "causal | prefix(2)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Bidirectional,
    Causal,
    AntiCausal,
    Prefix(usize),
    Window(usize),
    TwoSidedWindow(usize),
    Dilated { count: usize, step: usize },
    Strided(usize),
    Global(usize),
    Random { percent: usize, seed: usize },
    Padding(usize),
    Blocks(Arc<[usize]>),
    Custom(Arc<Array2<bool>>),
    And(Arc<(Mask, Mask)>),
    Or(Arc<(Mask, Mask)>),
    Not(Arc<Mask>),
    Heads(Arc<[Mask]>),
}

impl Mask {
    /// Every query attends to every key (BERT, encoders).
    pub fn bidirectional() -> Self {
        Mask(Rule::Bidirectional)
    }

    /// A query attends to itself and to earlier keys: `key ≤ query` (GPT, LLaMA).
    pub fn causal() -> Self {
        Mask(Rule::Causal)
    }

    /// A query attends to itself and to later keys: `key ≥ query`, the causal mask read backwards.
    pub fn anti_causal() -> Self {
        Mask(Rule::AntiCausal)
    }

    /// Causal, and everyone attends to the first `length` keys: `key ≤ query or key < length`
    /// (prefix-LM, UniLM).
    pub fn prefix(length: usize) -> Self {
        Mask(Rule::Prefix(length.min(MAX_NUMBER)))
    }

    /// The last `size` keys up to the query itself: `0 ≤ query − key < size` (Mistral).
    ///
    /// # Errors
    /// [`Error::Invalid`] for size 0, under which nobody attends to anything.
    pub fn window(size: usize) -> Result<Self> {
        check_window(size).map(|size| Mask(Rule::Window(size)))
    }

    /// The keys nearer than `size` on both sides: `|query − key| < size`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for size 0, under which nobody attends to anything.
    pub fn two_sided_window(size: usize) -> Result<Self> {
        check_window(size).map(|size| Mask(Rule::TwoSidedWindow(size)))
    }

    /// Every `step`-th key on both sides, `count` of them on each side and the query itself:
    /// `|query − key| ≤ count · step` and divisible by `step` (Longformer's dilated windows). With
    /// `& causal`, the left side alone.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a step of 0, or beyond 2³¹ in all.
    pub fn dilated(count: usize, step: usize) -> Result<Self> {
        if step == 0 || step.checked_mul(count).is_none_or(|reach| reach > MAX_NUMBER) {
            let got = format!("{count} keys, every {step}");
            return Err(Error::invalid(
                "dilated window",
                got,
                "a step of at least 1 and a reach of at most 2^31",
            ));
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

    /// The first `count` positions attend to everyone and everyone attends to them. With a window,
    /// `global(2) | two-sided-window(8)`, it is the global + local attention of Longformer and BigBird.
    pub fn global(count: usize) -> Self {
        Mask(Rule::Global(count.min(MAX_NUMBER)))
    }

    /// The query itself, and every other key with a chance of `percent` in a hundred, drawn by a hash
    /// of seed, query and key: the same seed gives the same mask everywhere (BigBird's random part).
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

    /// Nobody attends to the keys from position `length` on: they are padding.
    pub fn padding(length: usize) -> Self {
        Mask(Rule::Padding(length.min(MAX_NUMBER)))
    }

    /// Documents packed into one sequence: both positions lie in the same block of the given lengths.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no block, a block has length 0, or they add up beyond 2³¹.
    pub fn blocks(lengths: &[usize]) -> Result<Self> {
        if lengths.is_empty() || lengths.contains(&0) {
            return Err(Error::invalid(
                "block lengths",
                format!("{lengths:?}"),
                "one or more lengths, each at least 1",
            ));
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

    /// Whether the query at position `query` may attend to the key at position `key`; where heads have
    /// masks of their own, whether it may in some head.
    pub fn may_attend(&self, query: usize, key: usize) -> bool {
        match &self.0 {
            Rule::Bidirectional => true,
            Rule::Causal => key <= query,
            Rule::AntiCausal => key >= query,
            Rule::Prefix(length) => key <= query || key < *length,
            Rule::Window(size) => key <= query && query - key < *size,
            Rule::TwoSidedWindow(size) => query.abs_diff(key) < *size,
            Rule::Dilated { count, step } => {
                let distance = query.abs_diff(key);
                distance.is_multiple_of(*step) && distance / step <= *count
            }
            Rule::Strided(stride) => {
                key <= query && (query - key < *stride || (query - key).is_multiple_of(*stride))
            }
            Rule::Global(count) => query < *count || key < *count,
            Rule::Random { percent, seed } => query == key || draw(*seed, query, key) < *percent as u32,
            Rule::Padding(length) => key < *length,
            Rule::Blocks(lengths) => {
                let block = block_of(lengths, query);
                block.is_some() && block == block_of(lengths, key)
            }
            Rule::Custom(allowed) => allowed.get((query, key)).copied().unwrap_or(false),
            Rule::And(pair) => pair.0.may_attend(query, key) && pair.1.may_attend(query, key),
            Rule::Or(pair) => pair.0.may_attend(query, key) || pair.1.may_attend(query, key),
            Rule::Not(mask) => !mask.may_attend(query, key),
            Rule::Heads(masks) => masks.iter().any(|mask| mask.may_attend(query, key)),
        }
    }

    /// The kind's name on [`MASKS`]; `None` for combinations and custom matrices.
    pub fn name(&self) -> Option<&'static str> {
        let text = match &self.0 {
            Rule::And(_) | Rule::Or(_) | Rule::Not(_) | Rule::Custom(_) => return None,
            _ => self.to_string(),
        };
        let name = text.split('(').next()?;
        MASKS.iter().map(|kind| kind.name).find(|kind| *kind == name)
    }

    /// Checks the mask against a sequence whose positions run from 0 to `length − 1`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a prefix longer than the sequence, blocks that do not add up to it, or a
    /// custom matrix of another size.
    pub fn check(&self, length: usize) -> Result<()> {
        match &self.0 {
            Rule::Prefix(prefix) if *prefix > length => {
                Err(Error::invalid("prefix", prefix, format!("at most the sequence length, {length}")))
            }
            Rule::Blocks(lengths) if lengths.iter().sum::<usize>() != length => Err(Error::invalid(
                "sum of the block lengths",
                lengths.iter().sum::<usize>(),
                format!("the sequence length, {length}"),
            )),
            Rule::Custom(allowed) if allowed.dim() != (length, length) => {
                let (rows, columns) = allowed.dim();
                Err(Error::invalid(
                    "custom mask size",
                    format!("{rows} x {columns}"),
                    format!("{length} x {length}"),
                ))
            }
            Rule::And(pair) | Rule::Or(pair) => pair.0.check(length).and_then(|()| pair.1.check(length)),
            Rule::Not(mask) => mask.check(length),
            Rule::Heads(masks) => masks.iter().try_for_each(|mask| mask.check(length)),
            _ => Ok(()),
        }
    }

    /// The mask over positions `0..length` as a matrix, `[T, S]` with `T = S = length`.
    pub fn pattern(&self, length: usize) -> Array2<bool> {
        Array2::from_shape_fn((length, length), |(query, key)| self.may_attend(query, key))
    }

    /// What this mask implies for the weights over `length` positions: the exact rank, where a theorem
    /// about the pattern of positive entries gives it, and the reason.
    ///
    /// ```
    /// use rankscope::Mask;
    /// assert_eq!(Mask::causal().exact_rank(5).rank, Some(5));
    /// assert_eq!(Mask::bidirectional().exact_rank(5).rank, None);
    /// ```
    pub fn exact_rank(&self, length: usize) -> ExactRank {
        exact_rank(self.pattern(length).view())
    }
}

/// The largest number in a mask: positions are 32 bits wide on a GPU.
const MAX_NUMBER: usize = 1 << 31;

/// A number from 0 to 99 that looks random: two rounds of Murmur3's finaliser over seed, query and key.
///
/// Plain 32-bit arithmetic, so that a shader draws the same.
fn draw(seed: usize, query: usize, key: usize) -> u32 {
    let mix = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
        x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        x ^ (x >> 16)
    };
    mix(mix(seed as u32 ^ (query as u32).wrapping_mul(0x9e37_79b9)) ^ key as u32) % 100
}

fn check_window(size: usize) -> Result<usize> {
    if size == 0 {
        Err(Error::invalid("window", size, "at least 1 (each query attends to itself)"))
    } else {
        Ok(size.min(MAX_NUMBER))
    }
}

fn block_of(lengths: &[usize], position: usize) -> Option<usize> {
    let mut end = 0;
    lengths.iter().position(|length| {
        end += length;
        position < end
    })
}

impl BitAnd for Mask {
    type Output = Mask;
    fn bitand(self, other: Mask) -> Mask {
        Mask(Rule::And(Arc::new((self, other))))
    }
}

impl BitOr for Mask {
    type Output = Mask;
    fn bitor(self, other: Mask) -> Mask {
        Mask(Rule::Or(Arc::new((self, other))))
    }
}

impl Not for Mask {
    type Output = Mask;
    fn not(self) -> Mask {
        Mask(Rule::Not(Arc::new(self)))
    }
}
