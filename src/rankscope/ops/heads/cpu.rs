//! Splitting and merging heads: both swap the two middle axes of `[B, ·, ·, D]`.

use crate::ops::Real;
use crate::ops::blocks::{ADDITION, for_each_block};
use crate::ops::vectorised::vectorised;

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
    /// The number of rows of y in a tile: they are written together because their values are adjacent in x.
    const TILE: usize = 16;
    let row = first * inner;
    for_each_block(y, row, ADDITION, |start, rows| {
        let (mut at, mut rows) = (start, rows);
        while !rows.is_empty() {
            let (i, k) = (at / second, at % second);
            let count = TILE.min(second - k).min(rows.len() / row);
            let (tile, rest) = rows.split_at_mut(count * row);
            swap_tile(&x[(i * first * second + k) * inner..], second * inner, tile, row, inner);
            (at, rows) = (at + count, rest);
        }
    });
}

vectorised! {
    /// Piece j of row k of y becomes piece k of row j of x: pieces of `inner` values, rows of `x_row` and `y_row`.
    fn swap_tile[F: Real](x: &[F], x_row: usize, y: &mut [F], y_row: usize, inner: usize) {
        /// The number of pieces that are written one after the other; the cache lines of x that they come from stay in
        /// a first-level cache.
        const STRETCH: usize = 64;
        let stretch = STRETCH * inner;
        for (first, x) in (0..y_row).step_by(stretch).zip(x.chunks(STRETCH * x_row)) {
            for (k, y) in y.chunks_exact_mut(y_row).enumerate() {
                let (y, x) = (&mut y[first..y_row.min(first + stretch)], &x[k * inner..]);
                match inner {
                    1 => y.iter_mut().zip(x.iter().step_by(x_row)).for_each(|(y, &x)| *y = x),
                    _ => {
                        for (y, x) in y.chunks_exact_mut(inner).zip(x.chunks(x_row)) {
                            for (y, &x) in y.iter_mut().zip(x) {
                                *y = x;
                            }
                        }
                    }
                }
            }
        }
    }
}
