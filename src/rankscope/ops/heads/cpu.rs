//! Splitting and merging heads: both swap the two middle axes of `[B, ·, ·, D]`.

use crate::ops::Real;

/// `[B, T, H·D]` to `[B, H, T, D]`; see [`split_heads`](crate::ops::split_heads).
pub fn split_heads<F: Real>(x: &[F], [batch, heads, queries, size]: [usize; 4]) -> Vec<F> {
    swap_middle(x, [batch, queries, heads, size])
}

/// `[B, H, T, D]` to `[B, T, H·D]`; see [`merge_heads`](crate::ops::merge_heads).
pub fn merge_heads<F: Real>(x: &[F], [batch, heads, queries, size]: [usize; 4]) -> Vec<F> {
    swap_middle(x, [batch, heads, queries, size])
}

/// y\[i, k, j\] = x\[i, j, k\] for sizes `[outer, j, k, inner]`.
fn swap_middle<F: Copy>(x: &[F], [outer, first, second, inner]: [usize; 4]) -> Vec<F> {
    let mut y = Vec::with_capacity(x.len());
    for i in 0..outer {
        for k in 0..second {
            for j in 0..first {
                let start = ((i * first + j) * second + k) * inner;
                y.extend_from_slice(&x[start..start + inner]);
            }
        }
    }
    y
}
