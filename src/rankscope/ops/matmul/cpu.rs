//! Matrix products through ndarray, which calls BLAS for f32 and f64: panel by panel, a panel to a task.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

use super::few_rows;
use crate::blas;
use crate::buffer::{Buffer, any_values};
use crate::ops::Real;
use crate::ops::blocks::share;
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

/// Multiply-adds of a panel, about 20 µs of them: what is smaller is not worth handing to another thread.
const PANEL_WORK: usize = 1024 * 1024;
/// Rows or columns of a panel, where there are enough for more than two: BLAS copies the whole other operand for each panel,
/// which takes half as long as a product of 32 columns, and a sixteenth of one of 256.
///
/// This and [`MOST_TASKS`] are constants, because BLAS may add the terms in another order at the edge of a panel, and results
/// must not depend on the number of threads.
const PANEL_WIDTH: usize = 256;
/// The most tasks of a product that has few matrices.
const MOST_TASKS: usize = 16;

/// c\[i\] = factor · a\[i\] · b\[⌊i / group⌋\] for every matrix i of the batch.
///
/// # Panics
/// If a slice is shorter than the sizes in `product` say.
pub fn matmul<F: Real>(product: &Product, factor: F, a: &[F], b: &[F], c: &mut [F]) {
    let Product { batch, group, m, n, k, .. } = *product;
    if batch * m * n == 0 {
        return;
    }
    if k == 0 {
        return c.fill(F::zero());
    }
    let (axis, longer) = if n > m { (Axis(1), n) } else { (Axis(0), m) };
    let tasks = (batch * m * n * k / PANEL_WORK).clamp(1, MOST_TASKS);
    let parts = tasks.div_ceil(batch).min((longer / PANEL_WIDTH).max(2));
    let width = longer.div_ceil(parts).next_multiple_of(8);
    let one = |(i, first, mut c): (usize, usize, ArrayViewMut2<'_, F>)| {
        let a = stored(&a[i * m * k..(i + 1) * m * k], m, k, product.transpose_a);
        let j = i / group;
        let b = stored(&b[j * k * n..(j + 1) * k * n], k, n, product.transpose_b);
        let part = Slice::from(first..first + c.len_of(axis));
        match axis {
            Axis(0) => general_mat_mul(factor, &a.slice_axis(axis, part), &b, F::zero(), &mut c),
            _ => general_mat_mul(factor, &a, &b.slice_axis(axis, part), F::zero(), &mut c),
        }
    };
    let panels = c.chunks_mut(m * n).take(batch).enumerate().flat_map(|(i, c)| {
        let c = ArrayViewMut2::from_shape((m, n), c).expect("m x n");
        panels(c, axis, width).into_iter().map(move |(first, c)| (i, first, c))
    });
    blas::keep_to_one_thread();
    match tasks {
        1 => panels.for_each(one),
        _ => share(panels.collect::<Vec<_>>().into_iter(), one),
    }
}

/// A matrix cut across `axis` into panels of `width` rows or columns, each with the number of its first; the last has
/// between a half and one and a half of that, if there are several.
fn panels<F>(mut c: ArrayViewMut2<'_, F>, axis: Axis, width: usize) -> Vec<(usize, ArrayViewMut2<'_, F>)> {
    let mut panels = Vec::new();
    let mut first = 0;
    while c.len_of(axis) > width + width / 2 {
        let (panel, rest) = c.split_at(axis, width);
        panels.push((first, panel));
        (c, first) = (rest, first + width);
    }
    panels.push((first, c));
    panels
}

/// A rows × columns view of values that are stored that way or transposed.
fn stored<F>(values: &[F], rows: usize, columns: usize, transposed: bool) -> ArrayView2<'_, F> {
    if transposed {
        ArrayView2::from_shape((columns, rows), values).expect("columns x rows").reversed_axes()
    } else {
        ArrayView2::from_shape((rows, columns), values).expect("rows x columns")
    }
}

/// At most so many output features are widened at a time: with 1024 inputs, 1 MiB of f32, which stay in the cache. BLAS copies
/// all of x once for each panel.
const PANEL: usize = 256;
/// The number of panels is a multiple of this, so that two or four threads get as many each. It is a constant,
/// because results must not depend on the number of threads.
const PARTS: usize = 4;

/// y = x·Wᵀ for x of `rows` rows; a weight in half precision is widened panel by panel, or in registers where
/// there are few rows.
pub(super) fn linear(x: &[f32], rows: usize, w: &Weight) -> Vec<f32> {
    let [out, inner] = w.shape().sizes()[..] else { unreachable!("the caller checked [out, in]") };
    let mut y = any_values(rows * out);
    if rows * out == 0 {
        return y;
    }
    if rows <= few_rows::MOST_ROWS && inner > 0 {
        let bytes = w.bytes().expect("a weight on the CPU");
        few_rows::linear(x, rows, bytes, w.dtype(), &mut y);
        return y;
    }
    if w.dtype() == Dtype::F32 || inner == 0 {
        let w = w.widen(0..out * inner).expect("a weight on the CPU");
        let product =
            Product { batch: 1, group: 1, m: rows, n: out, k: inner, transpose_a: false, transpose_b: true };
        matmul(&product, 1.0, x, &w, &mut y);
        return y;
    }
    let x = stored(x, rows, inner, false);
    let y_view = ArrayViewMut2::from_shape((rows, out), &mut y[..]).expect("rows x out");
    let parts = out.div_ceil(PANEL).next_multiple_of(PARTS);
    let panels = panels(y_view, Axis(1), out.div_ceil(parts).next_multiple_of(8));
    blas::keep_to_one_thread();
    share(panels.into_iter(), |(first, mut y)| {
        let width = y.ncols();
        let mut wide = Buffer::new(any_values(width * inner));
        w.widen_into(first * inner..(first + width) * inner, &mut wide).expect("a weight on the CPU");
        general_mat_mul(1.0, &x, &stored(&wide, inner, width, true), 0.0, &mut y);
    });
    y
}
