//! Weighted sums, in place.

use crate::ops::Real;
use crate::ops::vectorised::vectorised;

vectorised! {
    /// x ← a x + b y; y may be longer.
    pub fn weighted_sum[F: Real](x: &mut [F], a: F, y: &[F], b: F) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = a * *x + b * y;
        }
    }
}
