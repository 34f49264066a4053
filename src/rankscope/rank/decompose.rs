//! The decompositions that rank analysis stands on, behind one small trait.

use std::ffi::{c_char, c_int};
use std::ptr::null_mut;

use lax::layout::MatrixLayout;
use lax::svddc::{SvdDcWork, SvdDcWorkImpl};
use lax::{JobSvd, Lapack as _};
use ndarray::ArrayView2;

use super::bidiagonal::{bidiagonal, is_usable};
use crate::blas;
use crate::error::{Error, Result};

/// What rank analysis asks of a linear algebra library, in f64.
pub trait Decompose: Sync {
    /// The min(N, M) singular values of `matrix` `[N, M]`, in descending order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN or infinite entry, naming its position; [`Error::Numeric`] where
    /// the iteration does not converge.
    fn singular_values(&self, matrix: ArrayView2<f64>) -> Result<Vec<f64>>;

    /// ln |det A| of a square `matrix` `[N, N]` by LU with pivoting; −∞ for an exact zero pivot.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a matrix that is not square, or a NaN or infinite entry.
    fn log_abs_det(&self, matrix: ArrayView2<f64>) -> Result<f64>;
}

/// The implementation in use.
pub fn decomposition() -> &'static dyn Decompose {
    &Lapack
}

/// LAPACK: `dgesdd` without vectors, `dgetrf`; for square matrices that fit into a cache our own bidiagonal
/// reduction with LAPACK's `dbdsqr`, which does the same work in less time.
///
/// Without vectors `dgesdd` and `dgesvd` do the same work: a bidiagonal reduction, then the dqds
/// iteration, which keeps the relative accuracy of small singular values *of the bidiagonal matrix*.
/// The reduction itself has an error of order ε·σ₁, hence the rounding floor.
struct Lapack;

/// The most rows for which our reduction is the faster one.
const MOST_ROWS: usize = 512;

unsafe extern "C" {
    fn dbdsqr_(
        uplo: *const c_char,
        n: *const c_int,
        right_vectors: *const c_int,
        left_vectors: *const c_int,
        other_vectors: *const c_int,
        diagonal: *mut f64,
        beside: *mut f64,
        right: *mut f64,
        right_stride: *const c_int,
        left: *mut f64,
        left_stride: *const c_int,
        other: *mut f64,
        other_stride: *const c_int,
        work: *mut f64,
        info: *mut c_int,
    );
}

/// The singular values of a bidiagonal matrix, descending in `diagonal`; `dbdsqr`'s return code.
fn of_bidiagonal(diagonal: &mut [f64], beside: &mut [f64]) -> c_int {
    let (n, none, stride, mut info) = (diagonal.len() as c_int, 0, 1, 0);
    let mut work = vec![0.0; 4 * diagonal.len()];
    let (d, e, w) = (diagonal.as_mut_ptr(), beside.as_mut_ptr(), work.as_mut_ptr());
    let nothing = null_mut();
    // SAFETY: d has n numbers, e has n − 1, the workspace 4·n; without vectors their matrices are not read.
    unsafe {
        dbdsqr_(
            c"U".as_ptr(),
            &n,
            &none,
            &none,
            &none,
            d,
            e,
            nothing,
            &stride,
            nothing,
            &stride,
            nothing,
            &stride,
            w,
            &mut info,
        );
    }
    info
}

/// Singular values of a square matrix by our reduction; `None` where LAPACK's own way has to do.
fn of_square(matrix: ArrayView2<f64>) -> Option<Vec<f64>> {
    let n = matrix.nrows();
    let largest = matrix.iter().fold(0.0f64, |largest, entry| largest.max(entry.abs()));
    if n != matrix.ncols() || n > MOST_ROWS || !is_usable(largest) {
        return None;
    }
    let (mut diagonal, mut beside) = bidiagonal(&mut row_major(matrix), n);
    (of_bidiagonal(&mut diagonal, &mut beside) == 0).then_some(diagonal)
}

impl Decompose for Lapack {
    fn singular_values(&self, matrix: ArrayView2<f64>) -> Result<Vec<f64>> {
        check_finite(matrix)?;
        if matrix.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(values) = of_square(matrix) {
            return Ok(values);
        }
        let mut entries = row_major(matrix);
        let mut work = SvdDcWork::<f64>::new(layout(matrix)?, JobSvd::None).map_err(|e| failed(matrix, e))?;
        // Row-major entries read as column-major are the transpose: the same singular values.
        let values = work.calc(&mut entries).map_err(|e| failed(matrix, e))?;
        Ok(values.s.to_vec())
    }

    fn log_abs_det(&self, matrix: ArrayView2<f64>) -> Result<f64> {
        check_finite(matrix)?;
        let (rows, cols) = matrix.dim();
        if rows != cols {
            return Err(Error::invalid("matrix", format!("{rows} × {cols}"), "a square one"));
        }
        if matrix.is_empty() {
            return Ok(0.0);
        }
        let mut entries = row_major(matrix);
        let layout = layout(matrix)?;
        // OpenBLAS's parallel LU keeps half a megabyte on the stack per recursion: more than a thread has.
        match blas::single_threaded(|| f64::lu(layout, &mut entries)) {
            Ok(_) => Ok(entries.iter().step_by(cols + 1).map(|pivot| pivot.abs().ln()).sum()),
            // A positive return code is the index of a pivot that is exactly zero.
            Err(lax::error::Error::LapackComputationalFailure { .. }) => Ok(f64::NEG_INFINITY),
            Err(error) => Err(failed(matrix, error)),
        }
    }
}

/// Refuses NaN and infinity: LAPACK would loop, or answer with more of them.
pub(super) fn check_finite(matrix: ArrayView2<f64>) -> Result<()> {
    // The common case first: a plain sweep, without the bookkeeping of positions.
    if matrix.iter().all(|entry| entry.is_finite()) {
        return Ok(());
    }
    match matrix.indexed_iter().find(|(_, entry)| !entry.is_finite()) {
        None => Ok(()),
        Some(((row, col), entry)) => {
            Err(Error::invalid(format!("matrix entry ({row}, {col})"), entry, "a finite number"))
        }
    }
}

fn row_major(matrix: ArrayView2<f64>) -> Vec<f64> {
    matrix.as_slice().map_or_else(|| matrix.iter().copied().collect(), <[f64]>::to_vec)
}

fn layout(matrix: ArrayView2<f64>) -> Result<MatrixLayout> {
    let (rows, cols) = matrix.dim();
    match (i32::try_from(rows), i32::try_from(cols)) {
        (Ok(row), Ok(lda)) => Ok(MatrixLayout::C { row, lda }),
        _ => Err(Error::invalid("matrix", format!("{rows} × {cols}"), "at most 2147483647 rows and columns")),
    }
}

fn failed(matrix: ArrayView2<f64>, error: lax::error::Error) -> Error {
    let (rows, cols) = matrix.dim();
    Error::Numeric { what: format!("matrix {rows} × {cols}"), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rank::tests::scattered;

    fn lapack(matrix: &Array2<f64>) -> Vec<f64> {
        let mut work = SvdDcWork::<f64>::new(layout(matrix.view()).unwrap(), JobSvd::None).unwrap();
        work.calc(&mut row_major(matrix.view())).unwrap().s.to_vec()
    }

    #[test]
    fn our_reduction_and_lapacks_agree_to_rounding() {
        for n in [1, 2, 5, 13, 64, 131] {
            let dense = scattered(n, n, 3);
            let triangular =
                Array2::from_shape_fn((n, n), |(i, j)| if j <= i { 1.0 / (i + 1) as f64 } else { 0.0 });
            let low = scattered(n, 2, 4).dot(&scattered(2, n, 5));
            for matrix in [dense.clone(), dense.mapv(|x| (4.0 * x).exp()), triangular, low, dense * 1e-90] {
                let (ours, theirs) = (of_square(matrix.view()).unwrap(), lapack(&matrix));
                assert!(ours.is_sorted_by(|a, b| a >= b));
                for (a, b) in ours.iter().zip(&theirs) {
                    assert!((a - b).abs() <= 1e-14 * theirs[0], "{n}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn entries_whose_squares_leave_the_range_go_to_lapack() {
        for scale in [1e-200, 1e200, 0.0] {
            let matrix = scattered(6, 6, 0) * scale;
            assert!(of_square(matrix.view()).is_none());
            let values = decomposition().singular_values(matrix.view()).unwrap();
            assert!(values.len() == 6 && values.iter().all(|value| value.is_finite()));
        }
        assert!(of_square(scattered(5, 6, 0).view()).is_none());
    }
}
