//! Sums, products and factors, element by element, in place.

use crate::ops::{Real, for_each_row};

/// x += y.
pub fn add<F: Real>(x: &mut [F], y: &[F]) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x = *x + y;
    }
}

/// x *= y.
pub fn multiply<F: Real>(x: &mut [F], y: &[F]) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x = *x * y;
    }
}

/// Every row of C = `bias.len()` values += bias.
pub fn add_bias<F: Real>(x: &mut [F], bias: &[F]) {
    for_each_row(x, bias.len(), |_, row| add(row, bias));
}

/// x *= factor.
pub fn scale<F: Real>(x: &mut [F], factor: F) {
    for x in x {
        *x = *x * factor;
    }
}
