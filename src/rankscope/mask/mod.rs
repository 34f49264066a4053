//! Masks: which query may attend to which key, as a rule over absolute positions.
//!
//! A [`Mask`] answers [`may_attend`](Mask::may_attend) for a query position and a key position, so
//! that a full pass, a cached decoding step and a continued text need no special cases. Masks are positive: `true`
//! means *may attend*. They combine with `&`, `|` and `!`, and the same text form is used everywhere (see
//! [`Mask::parse`]).

mod allowed;
mod by_head;
mod exact;
mod facts;
mod kinds;
mod language;
mod program;
mod reach;
mod registry;
mod tile;

use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

use ndarray::Array2;

pub use allowed::{Allowed, Padding, Positions};
pub use exact::{ExactRank, exact_rank};
pub(crate) use exact::{is_lower, prefix_block};
pub use facts::{Facts, Theorem};
pub use reach::Reach;
pub use registry::{MASKS, MaskKind};
pub use tile::Tile;

use crate::error::{Error, Result};

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
    /// Whether the query at position `query` may attend to the key at position `key`.
    ///
    /// **Conventions**: `heads(a, b)` stands for `a | b` here: whether *some* head may. Operators apply to this result,
    /// so `!heads(a, b)` is true where *no* head may attend, although the mask of the first head alone is `!a`.
    /// [`for_head`](Self::for_head) gives the mask of one head.
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

    /// The number of positions that a query sees, including its own, if the mask is a sliding window.
    pub(crate) fn window_size(&self) -> Option<usize> {
        match self.0 {
            Rule::Window(size) => Some(size),
            _ => None,
        }
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
            Rule::Blocks(lengths) if lengths.iter().sum::<usize>() != length => {
                let expected = format!("the sequence length, {length}");
                Err(Error::invalid("sum of the block lengths", lengths.iter().sum::<usize>(), expected))
            }
            Rule::Custom(allowed) if allowed.dim() != (length, length) => {
                let [got, expected] = [allowed.dim(), (length, length)].map(|(n, m)| format!("{n} x {m}"));
                Err(Error::invalid("custom mask size", got, expected))
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

    /// What this mask implies for the weights over `length` positions: the exact rank, where a theorem about the
    /// pattern of positive entries gives it, and the theorem.
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

/// A pseudo-random number from 0 to 99: two rounds of Murmur3's finaliser over seed, query and key.
///
/// Plain 32-bit arithmetic, so that a shader draws the same number.
fn draw(seed: usize, query: usize, key: usize) -> u32 {
    let mix = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
        x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        x ^ (x >> 16)
    };
    mix(mix(seed as u32 ^ (query as u32).wrapping_mul(0x9e37_79b9)) ^ key as u32) % 100
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
