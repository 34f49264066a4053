//! GELU, element by element, in place.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use super::GeluForm;
use crate::ops::{Real, for_each_value};

/// Applies the unit to every value; see [`gelu`](crate::ops::gelu).
pub fn gelu<F: Real>(values: &mut [F], form: GeluForm) {
    let [slope, bend] = [FRAC_2_PI.sqrt(), 0.044715].map(F::constant);
    match form {
        GeluForm::Exact => for_each_value(values, |x| x * normal(x)),
        GeluForm::Tanh => for_each_value(values, |x| {
            let inner = slope * (x + bend * x * x * x);
            // ½ (1 + tanh u) = 1 / (1 + e^(−2u)), which costs one exponential and no difference.
            x / (F::one() + (-(inner + inner)).exp_fast())
        }),
    }
}

/// Φ(x) = ½ (1 + erf(x/√2)), below 0 by way of 1 − erf, so that small results are no differences.
#[inline(always)]
fn normal<F: Real>(x: F) -> F {
    // Beyond 40, e^(−z²) is 0 also in f64, and z² could overflow.
    let z = (x.abs() * F::constant(FRAC_1_SQRT_2)).min(F::constant(40.0));
    let tail = F::constant(0.5) * z.erfc_fast();
    if x < F::zero() { tail } else { F::one() - tail }
}
