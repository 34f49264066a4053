//! Joining along one axis; see [`concat`](crate::ops::concat).

/// Writes `parts`, each of shape `[outer, stretch]` with the same `outer`, side by side into `y`.
pub(super) fn concat(parts: &[&[f32]], outer: usize, y: &mut [f32]) {
    let mut rest = y;
    for o in 0..outer {
        for part in parts {
            let stretch = part.len() / outer;
            let (here, behind) = rest.split_at_mut(stretch);
            here.copy_from_slice(&part[o * stretch..(o + 1) * stretch]);
            rest = behind;
        }
    }
}
