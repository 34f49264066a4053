//! Layer normalisation, row by row, in place.

use crate::ops::blocks::{NORM, for_each_block};
use crate::ops::real::{Real, sum_of};
use crate::ops::vectorised::vectorised;

/// Normalises every row of C = `gain.len()` values; see [`layer_norm`](crate::ops::layer_norm).
pub fn layer_norm<F: Real>(values: &mut [F], gain: &[F], bias: &[F], epsilon: F) {
    for_each_block(values, gain.len(), NORM, |_, rows| normalise(rows, gain, bias, epsilon));
}

vectorised! {
    pub(super) fn normalise[F: Real](rows: &mut [F], gain: &[F], bias: &[F], epsilon: F) {
        let width = F::constant(gain.len() as f64);
        for row in rows.chunks_exact_mut(gain.len()) {
            let mean = sum_of(row, |x| x) / width;
            let variance = sum_of(row, |x| (x - mean) * (x - mean)) / width;
            let factor = F::one() / (variance + epsilon).sqrt();
            for ((x, &gain), &bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = (*x - mean) * factor * gain + bias;
            }
        }
    }
}
