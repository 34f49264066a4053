//! Root-mean-square normalisation, row by row, in place.

use crate::ops::for_each_row;
use crate::ops::real::{Real, sum_of};

/// Normalises every row of C = `gain.len()` values; see [`rms_norm`](crate::ops::rms_norm).
pub fn rms_norm<F: Real>(values: &mut [F], gain: &[F], epsilon: F) {
    let width = F::constant(gain.len() as f64);
    for_each_row(values, gain.len(), |_, row| {
        let mean_square = sum_of(row, |x| x * x) / width;
        let factor = F::one() / (mean_square + epsilon).sqrt();
        for (x, &gain) in row.iter_mut().zip(gain) {
            *x = *x * factor * gain;
        }
    });
}
