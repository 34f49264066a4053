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
        let width = F::constant(gain.len() as f64);
        for row in rows.chunks_exact_mut(gain.len()) {
            let mean_square = sum_of(row, |x| x * x) / width;
            let factor = F::one() / (mean_square + epsilon).sqrt();
            for (x, &gain) in row.iter_mut().zip(gain) {
                *x = *x * factor * gain;
            }
        }
    }
}
