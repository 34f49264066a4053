//! Rotary position embedding, row by row, in place.

use crate::ops::Real;
use crate::ops::blocks::for_each_block;
use crate::ops::vectorised::vectorised;

/// The time that a value takes, in additions.
pub(super) const ROTATION: usize = 2;

/// Rotates rows of D = 2·`half` values, with `queries` positions in each head; see [`rotary`](crate::ops::rotary).
pub fn rotary<F: Real>(values: &mut [F], cos: &[F], sin: &[F], queries: usize, half: usize) {
    for_each_block(values, 2 * half, ROTATION, |first, rows| rotate(rows, first, [queries, half], cos, sin));
}

vectorised! {
    /// Rotates the rows from row `first` on.
    pub(super) fn rotate[F: Real](rows: &mut [F], first: usize, sizes: [usize; 2], cos: &[F], sin: &[F]) {
        let [queries, half] = sizes;
        for (row, x) in (first..).zip(rows.chunks_exact_mut(2 * half)) {
            let t = row % queries;
            let (cos, sin) = (&cos[t * half..(t + 1) * half], &sin[t * half..(t + 1) * half]);
            let (first, second) = x.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i], second[i]);
                first[i] = a * cos[i] - b * sin[i];
                second[i] = b * cos[i] + a * sin[i];
            }
        }
    }
}
