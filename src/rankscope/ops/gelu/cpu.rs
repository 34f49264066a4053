//! GELU, element by element, in place.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use super::GeluForm;
use crate::ops::{Real, for_each_row};

/// Applies the unit to every value; see [`gelu`](crate::ops::gelu).
pub fn gelu<F: Real>(values: &mut [F], form: GeluForm) {
    let (half, one) = (F::constant(0.5), F::one());
    let unit = |x: F| match form {
        GeluForm::Exact => half * x * (one + (x * F::constant(FRAC_1_SQRT_2)).erf()),
        GeluForm::Tanh => {
            let inner = F::constant(FRAC_2_PI.sqrt()) * (x + F::constant(0.044715) * x * x * x);
            half * x * (one + inner.tanh())
        }
    };
    for_each_row(values, 1, |_, x| x[0] = unit(x[0]));
}
