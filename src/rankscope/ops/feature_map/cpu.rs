//! Feature maps, element by element, in place.

use super::FeatureMap;
use crate::ops::{Real, for_each_row};

/// Applies φ to every value; see [`feature_map`](crate::ops::feature_map).
pub fn feature_map<F: Real>(values: &mut [F], map: FeatureMap) {
    let (zero, one) = (F::zero(), F::one());
    // Written so that a NaN stays one.
    let phi = |x: F| match map {
        FeatureMap::EluPlusOne => {
            if x > zero {
                x + one
            } else {
                x.exp()
            }
        }
        FeatureMap::Relu => {
            if x < zero {
                zero
            } else {
                x
            }
        }
    };
    for_each_row(values, 1, |_, x| x[0] = phi(x[0]));
}
