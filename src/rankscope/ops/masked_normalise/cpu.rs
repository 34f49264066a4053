//! Rows divided by their sums, in place.

use crate::mask::Allowed;
use crate::ops::Real;
use crate::ops::blocks::{NORM, for_each_block};
use crate::ops::softmax::cpu::{hide_weights, masked_rows};
use crate::ops::vectorised::vectorised;

/// Turns scores `[B, H, T, S]` into weights in place; see
/// [`masked_normalise`](crate::ops::masked_normalise).
///
/// # Panics
/// If `values` is not B·H·T·S long or the mask has other sizes.
pub fn masked_normalise<F: Real>(values: &mut [F], [_, heads, queries, keys]: [usize; 4], allowed: &Allowed) {
    for_each_block(values, keys, NORM, |first, rows| {
        normalise_rows(rows, first, [heads, queries, keys], allowed)
    });
}

vectorised! {
    /// The weights of the rows from row `first` on, counted as H · T in a sequence.
    pub(super) fn normalise_rows[F: Real](
        rows: &mut [F],
        first: usize,
        sizes: [usize; 3],
        allowed: &Allowed,
    ) {
        for (_, values, row) in masked_rows(rows, first, sizes, allowed) {
            normalise_row(values, row);
        }
    }
}

#[inline(always)]
fn normalise_row<F: Real>(values: &mut [F], row: &[u32]) {
    hide_weights(values, row.iter().copied());
    let sum = values.iter().fold(F::zero(), |sum, &value| sum + value);
    if sum == F::zero() {
        return; // No key is allowed, or all allowed scores are 0: the row is 0.
    }
    for value in values.iter_mut() {
        *value = *value / sum;
    }
    if sum.is_nan() {
        // A masked weight is 0 even in a row that holds a NaN.
        hide_weights(values, row.iter().copied());
    }
}
