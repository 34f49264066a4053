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
        for row in rows.chunks_exact_mut(gain.len()) {
            let (mean, factor) = mean_and_factor(row, epsilon);
            for ((x, &gain), &bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = (*x - mean) * factor * gain + bias;
            }
        }
    }
}

vectorised! {
    /// [`normalise`] with the rows of x, into the rows of y.
    pub(super) fn normalise_into[F: Real](x: &[F], y: &mut [F], gain: &[F], bias: &[F], epsilon: F) {
        for (x, y) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())) {
            let (mean, factor) = mean_and_factor(x, epsilon);
            for (((y, &x), &gain), &bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                *y = (x - mean) * factor * gain + bias;
            }
        }
    }
}

/// The mean of a row, and 1/√(variance + ε).
#[inline(always)]
fn mean_and_factor<F: Real>(row: &[F], epsilon: F) -> (F, F) {
    let width = F::constant(row.len() as f64);
    let mean = sum_of(row, |x| x) / width;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) / width;
    (mean, F::one() / (variance + epsilon).sqrt())
}
