//! Sums, products and factors, element by element, in place.

use crate::ops::Real;
use crate::ops::blocks::{ADDITION, for_each_block, summed, summed_rows};
use crate::ops::vectorised::vectorised;

/// x += y.
pub fn add<F: Real>(x: &mut [F], y: &[F]) {
    for_each_block(x, 1, ADDITION, |first, x| add_block(x, &y[first..first + x.len()]));
}

vectorised! {
    pub(super) fn add_block[F: Real](x: &mut [F], y: &[F]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = *x + y;
        }
    }
}

vectorised! {
    /// y = a + b.
    pub(super) fn sum_block[F: Real](y: &mut [F], a: &[F], b: &[F]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    }
}

vectorised! {
    /// y = a · b.
    pub(super) fn product_block[F: Real](y: &mut [F], a: &[F], b: &[F]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a * b;
        }
    }
}

/// x − λ\[h\] · y for the matrices of head h, in place; see [`weighted_difference`](crate::ops::weighted_difference).
///
/// # Panics
/// If `values` and `other` are not B·H·T·S long or there are fewer than H `factors`.
pub fn weighted_difference<F: Real>(
    values: &mut [F],
    other: &[F],
    [_, heads, queries, keys]: [usize; 4],
    factors: &[F],
) {
    for_each_block(values, keys, ADDITION, |first, rows| {
        difference_rows(rows, first, other, [heads, queries, keys], factors);
    });
}

vectorised! {
    /// The difference for the rows from row `first` on, counted as H · T in a sequence; `other` has all rows.
    pub(super) fn difference_rows[F: Real](
        rows: &mut [F],
        first: usize,
        other: &[F],
        sizes: [usize; 3],
        factors: &[F],
    ) {
        let [heads, queries, keys] = sizes;
        let other = other[first * keys..].chunks_exact(keys);
        for ((row, x), y) in (first..).zip(rows.chunks_exact_mut(keys)).zip(other) {
            let factor = factors[row / queries % heads];
            for (x, &y) in x.iter_mut().zip(y) {
                *x = *x - factor * y;
            }
        }
    }
}

vectorised! {
    pub(super) fn multiply_block[F: Real](x: &mut [F], y: &[F]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = *x * y;
        }
    }
}

vectorised! {
    /// Adds the bias to every row of C = `bias.len()` values.
    pub(super) fn bias_block[F: Real](x: &mut [F], bias: &[F]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, &bias) in row.iter_mut().zip(bias) {
                *x = *x + bias;
            }
        }
    }
}

vectorised! {
    pub(super) fn scale_block[F: Real](x: &mut [F], factor: F) {
        for x in x {
            *x = *x * factor;
        }
    }
}

vectorised! {
    /// y = factor · x.
    pub(super) fn scaled_block[F: Real](y: &mut [F], x: &[F], factor: F) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * factor;
        }
    }
}

/// The sums of the columns of rows of `width` values; see [`sum_rows`](crate::ops::sum_rows).
pub(super) fn sum_rows<F: Real>(x: &[F], width: usize) -> Vec<F> {
    let blocks = x.chunks((summed_rows(width) * width).max(1)).collect();
    summed(blocks, width, |block, sums| add_rows(sums, block))
}

vectorised! {
    /// sums += every row.
    pub(in crate::ops) fn add_rows[F: Real](sums: &mut [F], rows: &[F]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum = *sum + x;
            }
        }
    }
}
