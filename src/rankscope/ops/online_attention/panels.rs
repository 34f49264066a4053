//! Products of the tiles of attention. The keys and values of a head are factors in the products of all its queries, so they are
//! copied once into the order in which a product reads them; BLAS would copy them for every tile.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::buffer::{Buffer, any_values};

/// A matrix cut into panels as wide as two vectors of the processor. A panel is stored row by row; in the last one, zeros
/// stand for the columns that are missing.
pub(super) struct Panels {
    values: Buffer,
    rows: usize,
    columns: usize,
    /// Columns of a panel.
    width: usize,
}

impl Panels {
    /// The matrix whose rows of `columns` values these are.
    pub(super) fn of_rows(values: &[f32], columns: usize) -> Self {
        Self::new(values.len() / columns, columns, |row, taken, to| {
            to.copy_from_slice(&values[row * columns..][taken]);
        })
    }

    /// The matrix whose columns of `rows` values these are.
    pub(super) fn of_columns(values: &[f32], rows: usize) -> Self {
        Self::new(rows, values.len() / rows, |row, taken, to| {
            let row = values[taken.start * rows + row..].iter().step_by(rows);
            to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
        })
    }

    /// Of at least one row and column: calls `write` with every row, the range of its columns in a panel and the place of their values.
    fn new(rows: usize, columns: usize, write: impl Fn(usize, Range<usize>, &mut [f32])) -> Self {
        let width = Arch::new().dispatch(Width);
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

/// c = factor · a·b, or with `add` c + factor · a·b, for c `[m, n]`, a `[m, k]` and b `[k, n]`. Every sum is taken in the order of k,
/// so that its bits depend neither on the sizes nor on the width of the processor's vectors, if a·b + c is one instruction.
///
/// # Panics
/// If a does not have m rows of k values.
pub(super) fn multiply(factor: f32, a: Left<'_>, b: &Part<'_>, add: bool, c: &mut [f32]) {
    Arch::new().dispatch(Multiply { factor, a, b, add, c });
}

struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
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
        // Not for whole vectors: storing a part of one is slow on some processors.
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
        for (m, n, k) in
            [(1, 1, 1), (2, 3, 5), (5, 16, 7), (6, 33, 64), (64, 40, 9), (11, 70, 1), (64, 64, 64)]
        {
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..k * n).map(|i| value(i + 13)).collect();
            let turned = |x: &[f32], columns: usize| -> Vec<f32> {
                let rows = x.len() / columns;
                (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect()
            };
            let (a_turned, b_turned) = (turned(&a, k), turned(&b, n));
            let panels = [Panels::of_rows(&b, n), Panels::of_columns(&b_turned, k)];
            for (b_panels, add) in panels.iter().flat_map(|b| [(b, false), (b, true)]) {
                for left in [Left::Rows(&a, k), Left::Columns(&a_turned, m)] {
                    let mut c: Vec<f32> = (0..m * n).map(value).collect();
                    multiply(0.5, left, &b_panels.all(), add, &mut c);
                    for (i, &got) in c.iter().enumerate() {
                        let sum: f32 = (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum();
                        assert_eq!(got, 0.5 * sum + if add { value(i) } else { 0.0 }, "{m} x {n} x {k}");
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
