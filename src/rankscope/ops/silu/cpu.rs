//! SiLU, element by element, in place.

use crate::ops::{Real, for_each_value};

/// Applies the unit to every value; see [`silu`](crate::ops::silu).
pub fn silu<F: Real>(values: &mut [F]) {
    for_each_value(values, |x| x / (F::one() + (-x).exp_fast()));
}
