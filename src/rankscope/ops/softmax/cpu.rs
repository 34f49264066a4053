//! Masked softmax, row by row, in place.

use crate::mask::{Allowed, first_bits};
use crate::ops::for_each_row;
use crate::ops::real::{Real, largest, sum_of};

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
    // The largest allowed score is subtracted, so that the largest exponential is 1. A NaN among the
    // allowed scores spreads through the sum and stays visible.
    hide(values, row.iter().copied(), F::neg_infinity());
    let largest = largest(values);
    for (values, _) in values.chunks_mut(32).zip(row).filter(|&(_, &word)| word != 0) {
        for value in values {
            *value = (*value - largest).exp_fast();
        }
    }
    hide(values, row.iter().copied(), F::zero());
    let sum = sum_of(values, |x| x);
    if sum == F::zero() {
        return; // Nothing to attend to: the row stays 0.
    }
    let factor = F::one() / sum;
    for value in values.iter_mut() {
        *value = *value * factor;
    }
    if sum.is_nan() {
        // A masked weight is 0 even in a row that holds a NaN.
        hide(values, row.iter().copied(), F::zero());
    }
}

/// Writes `value` where a row of mask bits says that its query may not attend.
pub(in crate::ops) fn hide<F: Real>(values: &mut [F], row: impl Iterator<Item = u32>, value: F) {
    for (values, word) in values.chunks_mut(32).zip(row) {
        // Most words are all of one kind.
        match word {
            0 => values.fill(value),
            word if word == first_bits(values.len()) => {}
            word => {
                for (key, hidden) in values.iter_mut().enumerate() {
                    if word >> key & 1 == 0 {
                        *hidden = value;
                    }
                }
            }
        }
    }
}
