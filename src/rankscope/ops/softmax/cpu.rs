//! Masked softmax, row by row, in place.

use crate::mask::Allowed;
use crate::ops::{Real, for_each_row};

/// Turns scores `[B, H, T, S]` into weights in place; see [`masked_softmax`](crate::ops::masked_softmax).
///
/// # Panics
/// If `values` is not B·H·T·S long or the mask has other sizes.
pub fn masked_softmax<F: Real>(values: &mut [F], [_, heads, queries, keys]: [usize; 4], allowed: &Allowed) {
    for_each_row(values, keys, |row, values| {
        let (matrix, query) = (row / queries, row % queries);
        softmax_row(values, allowed.row(matrix / heads, matrix % heads, query));
    });
}

fn softmax_row<F: Real>(values: &mut [F], row: &[u32]) {
    let is_allowed = |key: usize| row[key / 32] >> (key % 32) & 1 == 1;
    // The largest allowed score is subtracted, so that the largest exponential is 1. A NaN among the
    // allowed scores spreads through the sum and stays visible.
    let mut largest = F::neg_infinity();
    for (key, &value) in values.iter().enumerate() {
        if is_allowed(key) && (value > largest || value.is_nan()) {
            largest = value;
        }
    }
    let mut sum = F::zero();
    for (key, value) in values.iter_mut().enumerate() {
        *value = if is_allowed(key) { (*value - largest).exp() } else { F::zero() };
        sum = sum + *value;
    }
    if sum == F::zero() {
        return; // Nothing to attend to: the row stays 0.
    }
    let factor = F::one() / sum;
    for (key, value) in values.iter_mut().enumerate() {
        // A masked weight is 0 even in a row that holds a NaN.
        if is_allowed(key) {
            *value = *value * factor;
        }
    }
}
