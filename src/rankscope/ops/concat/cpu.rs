//! Joining along one axis; see [`concat`](crate::ops::concat).

use crate::ops::Real;

/// `[outer, a_stretch]` and `[outer, b_stretch]` to `[outer, a_stretch + b_stretch]`.
pub fn concat<F: Real>(a: &[F], b: &[F], outer: usize, [a_stretch, b_stretch]: [usize; 2]) -> Vec<F> {
    let mut y = Vec::with_capacity(a.len() + b.len());
    for o in 0..outer {
        y.extend_from_slice(&a[o * a_stretch..(o + 1) * a_stretch]);
        y.extend_from_slice(&b[o * b_stretch..(o + 1) * b_stretch]);
    }
    y
}
