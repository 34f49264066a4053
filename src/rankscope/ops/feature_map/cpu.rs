//! Feature maps, element by element, in place.

use super::FeatureMap;
use crate::ops::{Real, for_each_value};

/// Applies φ to every value; see [`feature_map`](crate::ops::feature_map).
pub fn feature_map<F: Real>(values: &mut [F], map: FeatureMap) {
    let (zero, one) = (F::zero(), F::one());
    // Written so that a NaN stays one.
    match map {
        FeatureMap::EluPlusOne => for_each_value(values, |x| if x > zero { x + one } else { x.exp() }),
        FeatureMap::Relu => for_each_value(values, |x| if x < zero { zero } else { x }),
    }
}
