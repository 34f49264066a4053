//! Joining along one axis; see [`concat`](crate::ops::concat).

use crate::ops::blocks::copy;

/// Writes `parts`, each of shape `[outer, stretch]` with the same `outer`, side by side into `y`.
pub(super) fn concat(parts: &[&[f32]], outer: usize, y: &mut [f32]) {
    let mut rest = y;
    for o in 0..outer {
        for part in parts {
            let stretch = part.len() / outer;
            let (here, behind) = rest.split_at_mut(stretch);
            copy(&part[o * stretch..(o + 1) * stretch], here);
            rest = behind;
        }
    }
}
