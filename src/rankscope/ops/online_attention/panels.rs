//! Products of the tiles of attention. The keys and values of a head are factors in the products of all its queries, so they are
//! copied once into the order in which a product reads them; BLAS would copy them for every tile.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::buffer::{Buffer, any_values};

/// A matrix cut into panels as wide as two vectors of the processor. A panel is stored row by row; in the last one, zeros
/// fill the columns that are missing.
pub(super) struct Panels {
    values: Buffer,
    rows: usize,
    columns: usize,
    /// Columns of a panel.
    width: usize,
}

impl Panels {
    /// A matrix stored row by row, `columns` values in each.
    pub(super) fn of_rows(values: &[f32], columns: usize) -> Self {
        Self::new(panel_width(), [values.len() / columns, columns], |row, taken, to| {
            to.copy_from_slice(&values[row * columns..][taken]);
        })
    }

    /// A matrix stored column by column, `rows` values in each.
    pub(super) fn of_columns(values: &[f32], rows: usize) -> Self {
        Self::new(panel_width(), [rows, values.len() / rows], |row, taken, to| {
            let row = values[taken.start * rows + row..].iter().step_by(rows);
            to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
        })
    }

    /// Needs at least one row and one column. `write` gets the number of a row, its columns in this panel, and the place for
    /// their values.
    fn new(
        width: usize,
        [rows, columns]: [usize; 2],
        write: impl Fn(usize, Range<usize>, &mut [f32]),
    ) -> Self {
        let mut values = any_values(rows * columns.next_multiple_of(width));
        for (first, panel) in (0..columns).step_by(width).zip(values.chunks_exact_mut(rows * width)) {
            let taken = first..(first + width).min(columns);
            for (row, to) in panel.chunks_exact_mut(width).enumerate() {
                let (to, missing) = to.split_at_mut(taken.len());
                write(row, taken.clone(), to);
                missing.fill(0.0);
            }
        }
        Panels { values: Buffer::new(values), rows, columns, width }
    }

    /// The whole matrix.
    pub(super) fn all(&self) -> Part<'_> {
        Part {
            values: &self.values,
            stride: self.rows * self.width,
            rows: 0..self.rows,
            columns: self.columns,
        }
    }

    /// Some of its rows.
    pub(super) fn rows(&self, rows: &Range<usize>) -> Part<'_> {
        Part { rows: rows.clone(), ..self.all() }
    }

    /// Some of its columns.
    ///
    /// # Panics
    /// If the first of them is not the first of a panel.
    pub(super) fn columns(&self, columns: &Range<usize>) -> Part<'_> {
        assert!(columns.start.is_multiple_of(self.width), "{columns:?} begin within a panel");
        Part { values: &self.values[columns.start * self.rows..], columns: columns.len(), ..self.all() }
    }
}

/// Some rows or columns of [`Panels`].
pub(super) struct Part<'a> {
    values: &'a [f32],
    /// Values of a panel.
    stride: usize,
    rows: Range<usize>,
    columns: usize,
}

/// The left factor of a product.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Its rows, each of so many values.
    Rows(&'a [f32], usize),
    /// The rows of its transpose, each of so many values.
    Columns(&'a [f32], usize),
}

/// c = factor · a·b, or with `add` c + factor · a·b, for c `[m, n]`, a `[m, k]` and b `[k, n]`. Sums are taken in the order of k, so
/// their bits do not depend on the sizes. They are equal on all processors with an instruction for a·b + c.
///
/// # Panics
/// If a does not have m rows of k values.
pub(super) fn multiply(factor: f32, a: Left<'_>, b: &Part<'_>, add: bool, c: &mut [f32]) {
    Arch::new().dispatch(Multiply { factor, a, b, add, c });
}

/// Columns of a panel on a processor without vectors that [`pulp`] knows, such as x86-64 before AVX2.
const SCALAR_WIDTH: usize = 16;

/// Columns of a panel on this processor.
fn panel_width() -> usize {
    struct Width;

    impl WithSimd for Width {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            if S::IS_SCALAR { SCALAR_WIDTH } else { 2 * S::F32_LANES }
        }
    }

    Arch::new().dispatch(Width)
}

/// The arguments of [`multiply`].
struct Multiply<'a> {
    factor: f32,
    a: Left<'a>,
    b: &'a Part<'a>,
    add: bool,
    c: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if S::IS_SCALAR {
            return self.in_plain_loops();
        }
        let Part { values, stride, ref rows, columns } = *self.b;
        let width = 2 * S::F32_LANES;
        let m = self.c.len() / columns;
        for (column, panel) in (0..columns).step_by(width).zip(values.chunks(stride)) {
            let panel = S::as_simd_f32s(&panel[rows.start * width..rows.end * width]).0.as_chunks().0;
            let mut row = 0;
            while row < m {
                // With six rows there are twelve sums; the sixteen vectors of AVX2 leave room for their factors.
                row += match m - row {
                    6.. => self.block::<S, 6>(simd, row, column, panel),
                    4.. => self.block::<S, 4>(simd, row, column, panel),
                    2.. => self.block::<S, 2>(simd, row, column, panel),
                    _ => self.block::<S, 1>(simd, row, column, panel),
                };
            }
        }
    }
}

impl Multiply<'_> {
    /// The product without vectors of [`pulp`]; the compiler turns the loop over a panel's columns into those that every
    /// processor of its kind has.
    fn in_plain_loops(self) {
        let Part { values, stride, ref rows, columns } = *self.b;
        let a = |row: usize, i: usize| match self.a {
            Left::Rows(a, k) => a[row * k + i],
            Left::Columns(a, m) => a[i * m + row],
        };
        for (column, panel) in (0..columns).step_by(SCALAR_WIDTH).zip(values.chunks(stride)) {
            let panel: &[[f32; SCALAR_WIDTH]] = &panel.as_chunks().0[rows.clone()];
            for (row, c) in self.c.chunks_exact_mut(columns).enumerate() {
                let mut sums = [0.0; SCALAR_WIDTH];
                for (i, b) in panel.iter().enumerate() {
                    let a = a(row, i);
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum += a * b;
                    }
                }
                for (c, sum) in c[column..].iter_mut().zip(sums) {
                    *c = self.factor * sum + if self.add { *c } else { 0.0 };
                }
            }
        }
    }

    /// R rows of c from `row` on, in the columns of a panel, which begin at `column`. Returns R.
    #[inline(always)]
    fn block<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        panel: &[[S::f32s; 2]],
    ) -> usize {
        let mut sums = [[simd.splat_f32s(0.0); 2]; R];
        match self.a {
            Left::Rows(a, k) => {
                let a: [&[f32]; R] = std::array::from_fn(|r| &a[(row + r) * k..][..panel.len()]);
                for (i, &b) in panel.iter().enumerate() {
                    add_products(simd, std::array::from_fn(|r| a[r][i]), b, &mut sums);
                }
            }
            Left::Columns(a, m) => {
                for (a, &b) in a[row..].chunks(m).zip(panel) {
                    add_products(simd, *a.first_chunk().expect("R rows from `row` on"), b, &mut sums);
                }
            }
        }
        let n = self.b.columns;
        let columns = column..(column + 2 * S::F32_LANES).min(n);
        let (factor, zero) = (simd.splat_f32s(self.factor), simd.splat_f32s(0.0));
        let put = |c: &mut S::f32s, sum| {
            *c = simd.mul_add_e_f32s(factor, sum, if self.add { *c } else { zero });
        };
        // Not for whole vectors: storing a part of one takes several times as long.
        let put_part = |c: &mut [f32], sum| {
            let before = if self.add { simd.partial_load_f32s(c) } else { zero };
            simd.partial_store_f32s(c, simd.mul_add_e_f32s(factor, sum, before));
        };
        for (c, [first_sum, second_sum]) in self.c[row * n..].chunks_mut(n).zip(sums) {
            let (whole, rest) = S::as_mut_simd_f32s(&mut c[columns.clone()]);
            match whole {
                [first, second] => {
                    put(first, first_sum);
                    put(second, second_sum);
                }
                [first] => {
                    put(first, first_sum);
                    put_part(rest, second_sum);
                }
                _ => put_part(rest, first_sum),
            }
        }
        R
    }
}

/// Adds the products of a's values with two vectors of b.
#[inline(always)]
fn add_products<S: Simd, const R: usize>(
    simd: S,
    a: [f32; R],
    b: [S::f32s; 2],
    sums: &mut [[S::f32s; 2]; R],
) {
    for r in 0..R {
        let a = simd.splat_f32s(a[r]);
        for i in 0..2 {
            sums[r][i] = simd.mul_add_e_f32s(a, b[i], sums[r][i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_sizes() {
        let value = |i: usize| (i * 7919 % 101) as f32 - 50.0; // whole numbers: every sum is exact
        let sizes = [(1, 1, 1), (2, 3, 5), (5, 16, 7), (6, 33, 64), (64, 40, 9), (11, 70, 1), (6, 31, 64)];
        for (m, n, k) in sizes {
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..k * n).map(|i| value(i + 13)).collect();
            let turned = |x: &[f32], columns: usize| -> Vec<f32> {
                let rows = x.len() / columns;
                (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect()
            };
            let (a_turned, b_turned) = (turned(&a, k), turned(&b, n));
            let panels = [
                Panels::of_rows(&b, n),
                Panels::of_columns(&b_turned, k),
                Panels::new(SCALAR_WIDTH, [k, n], |row, taken, to| to.copy_from_slice(&b[row * n..][taken])),
            ];
            let products = |add: bool| (0..m * n).map(move |i| (i, if add { value(i) } else { 0.0 }));
            for (which, add) in (0..panels.len()).flat_map(|which| [(which, false), (which, true)]) {
                for left in [Left::Rows(&a, k), Left::Columns(&a_turned, m)] {
                    let mut c: Vec<f32> = (0..m * n).map(value).collect();
                    match which {
                        2 => {
                            let b = &panels[2].all();
                            Multiply { factor: 0.5, a: left, b, add, c: &mut c }.in_plain_loops();
                        }
                        _ => multiply(0.5, left, &panels[which].all(), add, &mut c),
                    }
                    for (i, before) in products(add) {
                        let sum: f32 = (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum();
                        assert_eq!(c[i], 0.5 * sum + before, "{m} x {n} x {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn parts_of_a_matrix() {
        let (k, n) = (7, 70);
        let b: Vec<f32> = (0..k * n).map(|i| i as f32).collect();
        let panels = Panels::of_rows(&b, n);
        let first = panels.width;
        let mut c = [0.0; 70];
        multiply(1.0, Left::Rows(&[1.0; 3], 3), &panels.rows(&(2..5)), false, &mut c);
        assert!((0..n).all(|j| c[j] == (2..5).map(|i| b[i * n + j]).sum::<f32>()));
        let columns = first..first + 9;
        multiply(1.0, Left::Rows(&[1.0; 7], 7), &panels.columns(&columns), false, &mut c[..9]);
        assert!(columns.zip(c).all(|(j, c)| c == (0..k).map(|i| b[i * n + j]).sum::<f32>()));
    }
}
