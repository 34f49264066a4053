//! SiLU, element by element, in place.

use crate::ops::{Real, for_each_row};

/// Applies the unit to every value; see [`silu`](crate::ops::silu).
pub fn silu<F: Real>(values: &mut [F]) {
    for_each_row(values, 1, |_, x| x[0] = x[0] / (F::one() + (-x[0]).exp()));
}
