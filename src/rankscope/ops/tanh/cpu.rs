//! Hyperbolic tangent, element by element, in place.

use crate::ops::{Real, for_each_value};

/// Applies the function to every value; see [`tanh`](crate::ops::tanh).
pub fn tanh<F: Real>(values: &mut [F]) {
    for_each_value(values, F::tanh);
}
