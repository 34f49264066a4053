//! Whole rectangles of a mask at once, so that attention can skip rectangles that no query sees.

use std::ops::Range;

use super::{Mask, Rule};

/// What a mask says about a rectangle of queries × keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// No query may attend to any key: nothing to compute.
    Empty,
    /// Every query may attend to every key: no pair has to be checked.
    Full,
    /// Some queries may attend to some keys, or it is too much work to find out: each pair has to be checked.
    Mixed,
}

impl Tile {
    /// Full if `full`, else empty if `empty`, else mixed.
    fn of(full: bool, empty: bool) -> Self {
        match (full, empty) {
            (true, _) => Tile::Full,
            (_, true) => Tile::Empty,
            _ => Tile::Mixed,
        }
    }
}

impl Mask {
    /// What the mask says about `queries` × `keys`, found from the ends of the ranges in constant time.
    ///
    /// **Conventions**: `Empty` and `Full` are certain; `Mixed` may be returned for a rectangle that is empty or full
    /// where only checking every pair would show it (random, dilated and custom masks, some combinations).
    ///
    /// ```
    /// use rankscope::mask::{Mask, Tile};
    /// assert_eq!(Mask::causal().tile(&(0..4), &(4..8)), Tile::Empty);
    /// assert_eq!(Mask::causal().tile(&(4..8), &(0..4)), Tile::Full);
    /// assert_eq!(Mask::causal().tile(&(0..4), &(0..4)), Tile::Mixed);
    /// ```
    pub fn tile(&self, queries: &Range<usize>, keys: &Range<usize>) -> Tile {
        if queries.is_empty() || keys.is_empty() {
            return Tile::Empty;
        }
        let (first_query, last_query) = (queries.start, queries.end - 1);
        let (first_key, last_key) = (keys.start, keys.end - 1);
        // The smallest and the largest of query − key over the rectangle.
        let least = first_query as i64 - last_key as i64;
        let most = last_query as i64 - first_key as i64;
        let causal = Tile::of(least >= 0, most < 0);
        let within = |size: i64| Tile::of(least > -size && most < size, least >= size || most <= -size);
        match &self.0 {
            Rule::Bidirectional => Tile::Full,
            Rule::Causal => causal,
            Rule::AntiCausal => Tile::of(most <= 0, least > 0),
            Rule::Prefix(length) => causal.or(Tile::of(last_key < *length, first_key >= *length)),
            Rule::Window(size) => causal.and(within(*size as i64)),
            Rule::TwoSidedWindow(size) => within(*size as i64),
            Rule::Dilated { count, step } => Tile::Mixed.and(within((count * step) as i64 + 1)),
            Rule::Strided(stride) => causal.and(within(*stride as i64).or(Tile::Mixed)),
            Rule::Global(count) => {
                let seeing = Tile::of(last_query < *count, first_query >= *count);
                seeing.or(Tile::of(last_key < *count, first_key >= *count))
            }
            Rule::Random { percent: 100, .. } => Tile::Full,
            Rule::Padding(length) => Tile::of(last_key < *length, first_key >= *length),
            Rule::Random { .. } | Rule::Custom(_) => Tile::Mixed,
            Rule::Blocks(lengths) => blocks(lengths, queries, keys),
            Rule::And(pair) => pair.0.tile(queries, keys).and(pair.1.tile(queries, keys)),
            Rule::Or(pair) => pair.0.tile(queries, keys).or(pair.1.tile(queries, keys)),
            Rule::Not(mask) => mask.tile(queries, keys).not(),
            Rule::Heads(masks) => {
                masks.iter().map(|mask| mask.tile(queries, keys)).fold(Tile::Empty, Tile::or)
            }
        }
    }

    /// One bit for each of up to 32 keys: whether the query may attend to it, the first key lowest.
    pub(crate) fn word(&self, query: usize, keys: Range<usize>) -> u32 {
        /// So few keys are asked for one by one.
        const FEW: usize = 8;
        // The most frequent mask: the search below would take a tenth of the time of short attention.
        if let Rule::Causal = self.0 {
            return first_bits((query + 1).saturating_sub(keys.start).min(keys.len()));
        }
        match self.tile(&(query..query + 1), &keys) {
            Tile::Empty => 0,
            Tile::Full => first_bits(keys.len()),
            Tile::Mixed if keys.len() <= FEW => bits(keys, |key| self.may_attend(query, key)),
            // One half of a row is often empty or full, as on both sides of a causal mask's diagonal.
            Tile::Mixed => {
                let half = keys.len() / 2;
                let middle = keys.start + half;
                self.word(query, keys.start..middle) | self.word(query, middle..keys.end) << half
            }
        }
    }
}

/// The lowest `count` bits of a word, 32 at most.
fn first_bits(count: usize) -> u32 {
    u32::MAX.checked_shr(32 - count as u32).unwrap_or(0)
}

/// A word with a bit for each of up to 32 keys, the first one lowest.
pub(super) fn bits(keys: Range<usize>, is_set: impl Fn(usize) -> bool) -> u32 {
    keys.rev().fold(0, |word, key| word << 1 | u32::from(is_set(key)))
}

/// Full inside one block, empty if no block meets both ranges.
fn blocks(lengths: &[usize], queries: &Range<usize>, keys: &Range<usize>) -> Tile {
    let (mut start, mut meets) = (0, false);
    for length in lengths {
        let block = start..start + length;
        let holds = |range: &Range<usize>| block.start <= range.start && range.end <= block.end;
        let touches = |range: &Range<usize>| range.start < block.end && block.start < range.end;
        if holds(queries) && holds(keys) {
            return Tile::Full;
        }
        meets |= touches(queries) && touches(keys);
        start = block.end;
    }
    if meets { Tile::Mixed } else { Tile::Empty }
}

/// Three-valued logic for the operators of masks.
impl Tile {
    fn and(self, other: Tile) -> Tile {
        match (self, other) {
            (Tile::Empty, _) | (_, Tile::Empty) => Tile::Empty,
            (Tile::Full, tile) | (tile, Tile::Full) => tile,
            _ => Tile::Mixed,
        }
    }

    fn or(self, other: Tile) -> Tile {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Tile {
        match self {
            Tile::Empty => Tile::Full,
            Tile::Full => Tile::Empty,
            Tile::Mixed => Tile::Mixed,
        }
    }
}
