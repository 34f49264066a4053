//! Splitting and merging heads: both swap the two middle axes of `[B, ·, ·, D]`.

use crate::ops::Real;
use crate::ops::blocks::{ADDITION, for_each_block};

/// `[B, T, H·D]` to `[B, H, T, D]`; see [`split_heads`](crate::ops::split_heads).
pub fn split_heads<F: Real>(x: &[F], [batch, heads, queries, size]: [usize; 4]) -> Vec<F> {
    let mut y = vec![F::zero(); x.len()];
    swap_middle(x, [batch, queries, heads, size], &mut y);
    y
}

/// `[B, H, T, D]` to `[B, T, H·D]`; see [`merge_heads`](crate::ops::merge_heads).
pub fn merge_heads<F: Real>(x: &[F], [batch, heads, queries, size]: [usize; 4]) -> Vec<F> {
    let mut y = vec![F::zero(); x.len()];
    swap_middle(x, [batch, heads, queries, size], &mut y);
    y
}

/// y\[i, k, j\] = x\[i, j, k\] for sizes `[outer, j, k, inner]`.
pub(super) fn swap_middle<F: Real>(x: &[F], [_, first, second, inner]: [usize; 4], y: &mut [F]) {
    for_each_block(y, inner, ADDITION, |start, rows| {
        for (row, y) in (start..).zip(rows.chunks_exact_mut(inner)) {
            let (i, k, j) = (row / (second * first), row / first % second, row % first);
            y.copy_from_slice(&x[((i * first + j) * second + k) * inner..][..inner]);
        }
    });
}
