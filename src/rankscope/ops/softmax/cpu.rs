//! Masked softmax, row by row, in place.

use crate::mask::Allowed;
use crate::ops::blocks::{SOFTMAX, for_each_block};
use crate::ops::real::{Real, exponentials, largest};
use crate::ops::vectorised::vectorised;

/// Turns scores `[B, H, T, S]` into weights in place; see [`masked_softmax`](crate::ops::masked_softmax).
///
/// # Panics
/// If `values` is not B·H·T·S long or the mask has other sizes.
pub fn masked_softmax<F: Real>(values: &mut [F], sizes: [usize; 4], allowed: &Allowed) {
    softmax(values, sizes, allowed, None);
}

/// The same with a sink for each head; see
/// [`masked_softmax_with_sinks`](crate::ops::masked_softmax_with_sinks).
///
/// # Panics
/// If `values` is not B·H·T·S long, there are fewer than H sinks or the mask has other sizes.
pub fn masked_softmax_with_sinks<F: Real>(
    values: &mut [F],
    sizes: [usize; 4],
    allowed: &Allowed,
    sinks: &[F],
) {
    softmax(values, sizes, allowed, Some(sinks));
}

fn softmax<F: Real>(
    values: &mut [F],
    [_, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
    sinks: Option<&[F]>,
) {
    for_each_block(values, keys, SOFTMAX, |first, rows| {
        softmax_rows(rows, first, [heads, queries, keys], allowed, sinks)
    });
}

vectorised! {
    /// The weights of the rows from row `first` on, counted as H · T in a sequence.
    pub(super) fn softmax_rows[F: Real](
        rows: &mut [F],
        first: usize,
        sizes: [usize; 3],
        allowed: &Allowed,
        sinks: Option<&[F]>,
    ) {
        for (head, values, row) in masked_rows(rows, first, sizes, allowed) {
            softmax_row::<FMA, F>(values, row, sinks.map(|sinks| sinks[head]));
        }
    }
}

/// The rows of scores or weights from row `first` of `[B, H, T]` on, each with its head and its mask bits; `sizes` are
/// H, T and S.
///
/// An iterator and not a function that takes a closure: a closure would be compiled on its own, without the vector
/// instructions of [`vectorised!`].
#[inline(always)]
pub(in crate::ops) fn masked_rows<'a, F: Real>(
    rows: &'a mut [F],
    first: usize,
    [heads, queries, keys]: [usize; 3],
    allowed: &'a Allowed,
) -> impl Iterator<Item = (usize, &'a mut [F], &'a [u32])> {
    (first..).zip(rows.chunks_exact_mut(keys)).map(move |(row, values)| {
        let (matrix, query) = (row / queries, row % queries);
        (matrix % heads, values, allowed.row(matrix / heads, matrix % heads, query))
    })
}

#[inline(always)]
fn softmax_row<const FMA: bool, F: Real>(values: &mut [F], row: &[u32], sink: Option<F>) {
    let (values, row) = seen(values, row);
    // The largest allowed score or sink is subtracted, so that the largest exponential is 1. A NaN among them makes the
    // whole row NaN, so that it is not hidden.
    hide_scores(values, row.iter().copied());
    let most = sink.map_or(largest(values), |sink| largest(values).max(sink));
    let sum = exponentials::<FMA, F>(values, most);
    let sum = sink.map_or(sum, |sink| sum + (sink - most).exp_fast::<FMA>());
    let factor = F::one() / sum;
    for value in values.iter_mut() {
        *value = *value * factor;
    }
    if sum.is_nan() {
        // A masked weight is 0 even in a row that holds a NaN.
        hide_weights(values, row.iter().copied());
    }
}

/// The values and words of a row from the first word of mask bits that is not 0 to the last: every key that the query
/// sees is among them. The other values become 0.
#[inline(always)]
pub(in crate::ops) fn seen<'a, F: Real>(values: &'a mut [F], row: &'a [u32]) -> (&'a mut [F], &'a [u32]) {
    let first = row.iter().position(|&word| word != 0).unwrap_or(0);
    let end = row.iter().rposition(|&word| word != 0).map_or(first, |last| last + 1);
    let (start, stop) = (32 * first, (32 * end).min(values.len()));
    values[..start].fill(F::zero());
    values[stop..].fill(F::zero());
    (&mut values[start..stop], &row[first..end])
}

/// Writes −∞ where a row of mask bits says that its query may not attend. A NaN that may be attended to becomes ∞,
/// which makes the whole row NaN too.
#[inline(always)]
pub(in crate::ops) fn hide_scores<F: Real>(scores: &mut [F], row: impl Iterator<Item = u32>) {
    by_bit(scores, row, |score, may_attend| {
        let most = if may_attend { F::infinity() } else { F::neg_infinity() };
        if score < most { score } else { most }
    });
}

/// Writes 0 where a row of mask bits says that its query may not attend.
#[inline(always)]
pub(in crate::ops) fn hide_weights<F: Real>(weights: &mut [F], row: impl Iterator<Item = u32>) {
    by_bit(weights, row, |weight, may_attend| if may_attend { weight } else { F::zero() });
}

/// Replaces every value by `f` of the value and its bit.
#[inline(always)]
fn by_bit<F: Real>(values: &mut [F], row: impl Iterator<Item = u32>, f: impl Fn(F, bool) -> F) {
    let (words, last) = values.as_chunks_mut::<32>();
    let mut row = row;
    for (values, word) in words.iter_mut().zip(&mut row) {
        // In most words all bits are 1.
        if word != u32::MAX {
            // Stored as one vector: loading a vector is slow after its values were stored one by one.
            *values = std::array::from_fn(|key| f(values[key], word & BITS[key] != 0));
        }
    }
    if let Some(word) = row.next() {
        for (value, bit) in last.iter_mut().zip(&BITS) {
            *value = f(*value, word & bit != 0);
        }
    }
}

/// The bits of a word, the lowest first.
const BITS: [u32; 32] = {
    let mut bits = [1; 32];
    let mut key = 1;
    while key < 32 {
        bits[key] = bits[key - 1] << 1;
        key += 1;
    }
    bits
};
