//! Rows divided by their sums, in place.

use crate::mask::Allowed;
use crate::ops::{Real, for_each_row};

/// Turns scores `[B, H, T, S]` into weights in place; see
/// [`masked_normalise`](crate::ops::masked_normalise).
///
/// # Panics
/// If `values` is not B·H·T·S long or the mask has other sizes.
pub fn masked_normalise<F: Real>(values: &mut [F], [_, heads, queries, keys]: [usize; 4], allowed: &Allowed) {
    for_each_row(values, keys, |row, values| {
        let (matrix, query) = (row / queries, row % queries);
        normalise_row(values, allowed.row(matrix / heads, matrix % heads, query));
    });
}

fn normalise_row<F: Real>(values: &mut [F], row: &[u32]) {
    let is_allowed = |key: usize| row[key / 32] >> (key % 32) & 1 == 1;
    let mut sum = F::zero();
    for (key, value) in values.iter_mut().enumerate() {
        if !is_allowed(key) {
            *value = F::zero();
        }
        sum = sum + *value;
    }
    if sum == F::zero() {
        return; // Nothing to attend to, or nobody alike: the row is 0, as all its scores are.
    }
    for (key, value) in values.iter_mut().enumerate() {
        // A masked weight is 0 even in a row that holds a NaN.
        if is_allowed(key) {
            *value = *value / sum;
        }
    }
}
