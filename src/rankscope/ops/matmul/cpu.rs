//! Matrix products through ndarray, which calls BLAS for f32 and f64.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::few_rows;
use crate::blas;
use crate::ops::Real;
use crate::weight::{Dtype, Weight};

/// The sizes of a batched product; all operands dense and row-major.
///
/// `a` holds `batch` matrices, stored m × k or, transposed, k × m; `b` holds `batch / group` matrices,
/// stored k × n or, transposed, n × k; matrix i of `a` meets matrix ⌊i / group⌋ of `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Matrices in `a` and in the result.
    pub batch: usize,
    /// Matrices of `a` that share one matrix of `b`.
    pub group: usize,
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Length of the sum.
    pub k: usize,
    /// `a` is stored k × m.
    pub transpose_a: bool,
    /// `b` is stored n × k.
    pub transpose_b: bool,
}

/// c\[i\] = factor · a\[i\] · b\[⌊i / group⌋\] for every matrix i of the batch.
///
/// # Panics
/// If a slice is shorter than the sizes in `product` say.
pub fn matmul<F: Real>(product: &Product, factor: F, a: &[F], b: &[F], c: &mut [F]) {
    let Product { batch, group, m, n, k, .. } = *product;
    if batch * m * n == 0 {
        return;
    }
    let one = |(i, c): (usize, &mut [F])| {
        let a = stored(&a[i * m * k..(i + 1) * m * k], m, k, product.transpose_a);
        let j = i / group;
        let b = stored(&b[j * k * n..(j + 1) * k * n], k, n, product.transpose_b);
        let mut c = ArrayViewMut2::from_shape((m, n), c).expect("m x n");
        general_mat_mul(factor, &a, &b, F::zero(), &mut c);
    };
    if batch == 1 {
        one((0, c));
    } else {
        // Many small products: one to a thread, and BLAS keeps to that thread.
        blas::single_threaded(|| c.par_chunks_mut(m * n).enumerate().for_each(one));
    }
}

/// A rows × columns view of values that are stored that way or transposed.
fn stored<F>(values: &[F], rows: usize, columns: usize, transposed: bool) -> ArrayView2<'_, F> {
    if transposed {
        ArrayView2::from_shape((columns, rows), values).expect("columns x rows").reversed_axes()
    } else {
        ArrayView2::from_shape((rows, columns), values).expect("rows x columns")
    }
}

/// Output features widened at a time: with 1024 inputs, 256 KiB of f32, which stay in the cache.
const PANEL: usize = 64;

/// y = x·Wᵀ for x of `rows` rows; a weight in half precision is widened panel by panel, or in registers where
/// there are few rows.
pub(super) fn linear(x: &[f32], rows: usize, w: &Weight) -> Vec<f32> {
    let [out, inner] = w.shape().sizes()[..] else { unreachable!("the caller checked [out, in]") };
    let mut y = vec![0.0; rows * out];
    if rows * out == 0 {
        return y;
    }
    if rows <= few_rows::MOST_ROWS && inner > 0 {
        let bytes = w.bytes().expect("a weight on the CPU");
        return few_rows::linear(x, rows, bytes, w.dtype(), out);
    }
    if w.dtype() == Dtype::F32 {
        let w = w.widen(0..out * inner).expect("a weight on the CPU");
        let product =
            Product { batch: 1, group: 1, m: rows, n: out, k: inner, transpose_a: false, transpose_b: true };
        matmul(&product, 1.0, x, &w, &mut y);
        return y;
    }
    let x = stored(x, rows, inner, false);
    let mut y_view = ArrayViewMut2::from_shape((rows, out), &mut y[..]).expect("rows x out");
    let panels: Vec<_> = y_view.axis_chunks_iter_mut(ndarray::Axis(1), PANEL).enumerate().collect();
    blas::single_threaded(|| {
        panels.into_par_iter().for_each(|(panel, mut y)| {
            let (first, width) = (panel * PANEL, y.ncols());
            let w = w.widen(first * inner..(first + width) * inner).expect("a weight on the CPU");
            general_mat_mul(1.0, &x, &stored(&w, inner, width, true), 0.0, &mut y);
        });
    });
    y
}
