//! The sigmoid of scores, row by row, in place.

use crate::mask::Allowed;
use crate::ops::Real;
use crate::ops::blocks::{SIGMOID, for_each_block};
use crate::ops::pointwise::table::logistic;
use crate::ops::softmax::cpu::{hide_weights, masked_rows, seen};
use crate::ops::vectorised::vectorised;

/// Turns scores `[B, H, T, S]` into weights in place; see [`masked_sigmoid`](crate::ops::masked_sigmoid).
///
/// # Panics
/// If `values` is not B·H·T·S long or the mask has other sizes.
pub fn masked_sigmoid<F: Real>(
    values: &mut [F],
    [_, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
    bias: F,
) {
    for_each_block(values, keys, SIGMOID, |first, rows| {
        sigmoid_rows(rows, first, [heads, queries, keys], allowed, bias)
    });
}

vectorised! {
    /// The weights of the rows from row `first` on, counted as H · T in a sequence.
    pub(super) fn sigmoid_rows[F: Real](
        rows: &mut [F],
        first: usize,
        sizes: [usize; 3],
        allowed: &Allowed,
        bias: F,
    ) {
        for (_, values, row) in masked_rows(rows, first, sizes, allowed) {
            let (values, row) = seen(values, row);
            for value in values.iter_mut() {
                *value = logistic::<FMA, F>(*value + bias);
            }
            hide_weights(values, row.iter().copied());
        }
    }
}
