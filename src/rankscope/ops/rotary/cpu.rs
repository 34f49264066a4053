//! Rotary position embedding, row by row, in place.

use crate::ops::{Real, for_each_row};

/// Rotates rows of D = 2·`half` values, `queries` positions to a head; see [`rotary`](crate::ops::rotary).
pub fn rotary<F: Real>(values: &mut [F], cos: &[F], sin: &[F], queries: usize, half: usize) {
    for_each_row(values, 2 * half, |row, x| {
        let t = row % queries;
        let (cos, sin) = (&cos[t * half..(t + 1) * half], &sin[t * half..(t + 1) * half]);
        let (first, second) = x.split_at_mut(half);
        for i in 0..half {
            let (a, b) = (first[i], second[i]);
            first[i] = a * cos[i] - b * sin[i];
            second[i] = b * cos[i] + a * sin[i];
        }
    });
}
