//! Root-mean-square normalisation, row by row, in place.

use crate::ops::blocks::{NORM, for_each_block};
use crate::ops::real::{Real, sum_of};
use crate::ops::vectorised::vectorised;

/// Normalises every row of C = `gain.len()` values; see [`rms_norm`](crate::ops::rms_norm).
pub fn rms_norm<F: Real>(values: &mut [F], gain: &[F], epsilon: F) {
    for_each_block(values, gain.len(), NORM, |_, rows| normalise(rows, gain, epsilon));
}

vectorised! {
    pub(super) fn normalise[F: Real](rows: &mut [F], gain: &[F], epsilon: F) {
        for row in rows.chunks_exact_mut(gain.len()) {
            let factor = factor(row, epsilon);
            for (x, &gain) in row.iter_mut().zip(gain) {
                *x = *x * factor * gain;
            }
        }
    }
}

vectorised! {
    /// [`normalise`] with the rows of x, into the rows of y.
    pub(super) fn normalise_into[F: Real](x: &[F], y: &mut [F], gain: &[F], epsilon: F) {
        for (x, y) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())) {
            let factor = factor(x, epsilon);
            for ((y, &x), &gain) in y.iter_mut().zip(x).zip(gain) {
                *y = x * factor * gain;
            }
        }
    }
}

/// 1/√(mean square of a row + ε).
#[inline(always)]
fn factor<F: Real>(row: &[F], epsilon: F) -> F {
    let mean_square = sum_of(row, |x| x * x) / F::constant(row.len() as f64);
    F::one() / (mean_square + epsilon).sqrt()
}
