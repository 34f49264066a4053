//! Functions of one number on plain slices, in place.

use super::{FeatureMap, GeluForm, Pointwise};
use crate::ops::Real;
use crate::ops::blocks::for_each_block;

/// Replaces every value x by f(x); see [`pointwise`](crate::ops::pointwise).
pub fn pointwise<F: Real>(values: &mut [F], f: Pointwise) {
    for_each_block(values, 1, f.cost(), |_, block| f.apply(block));
}

/// Replaces every value x by f′(x); [`Pointwise::derivative`] has the formula.
pub fn derivative<F: Real>(values: &mut [F], f: Pointwise) {
    let x = values.to_vec();
    values.fill(F::one());
    for_each_block(values, 1, 2 * f.cost(), |first, block| {
        f.apply_backward(&x[first..first + block.len()], block)
    });
}

/// [`pointwise`] with GELU.
pub fn gelu<F: Real>(values: &mut [F], form: GeluForm) {
    pointwise(values, form.into());
}

/// [`pointwise`] with a feature map.
pub fn feature_map<F: Real>(values: &mut [F], map: FeatureMap) {
    pointwise(values, map.into());
}
