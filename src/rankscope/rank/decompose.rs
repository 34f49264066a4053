//! The decompositions that rank analysis uses, behind one small trait.

use lax::layout::MatrixLayout;
use lax::svddc::{SvdDcWork, SvdDcWorkImpl};
use lax::{JobSvd, Lapack as _};
use ndarray::ArrayView2;

use super::scale::lines_near_one;
use crate::blas;
use crate::error::{Error, Result};

/// The decompositions that rank analysis needs, in f64.
pub trait Decompose: Sync {
    /// The min(N, M) singular values of `matrix` `[N, M]`, in descending order.
    ///
    /// # Conventions
    /// The entries are not scaled here: where σ₁ would be outside the range of f64, [`Spectrum`](super::Spectrum)
    /// scales them first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN or infinite entry, naming its position; [`Error::Numeric`] where
    /// the iteration does not converge.
    fn singular_values(&self, matrix: ArrayView2<f64>) -> Result<Vec<f64>>;

    /// ln |det A| of a square `matrix` `[N, N]` by LU with pivoting; −∞ for an exact zero pivot.
    ///
    /// # Conventions
    /// Each row is divided by a power of two first, so that neither large nor small numbers leave the range of f64.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a matrix that is not square, or a NaN or infinite entry.
    fn log_abs_det(&self, matrix: ArrayView2<f64>) -> Result<f64>;
}

/// The implementation that the library uses.
pub fn decomposition() -> &'static dyn Decompose {
    &Lapack
}

/// LAPACK: `dgesdd` without vectors, `dgetrf`.
///
/// Without vectors `dgesdd` and `dgesvd` do the same work: a bidiagonal reduction, then the dqds
/// iteration, which keeps the relative accuracy of small singular values *of the bidiagonal matrix*.
/// The reduction itself has an error of order ε·σ₁, hence the rounding floor.
struct Lapack;

impl Decompose for Lapack {
    fn singular_values(&self, matrix: ArrayView2<f64>) -> Result<Vec<f64>> {
        check_finite(matrix)?;
        if matrix.is_empty() {
            return Ok(Vec::new());
        }
        let mut entries = row_major(matrix);
        let mut work = SvdDcWork::<f64>::new(layout(matrix)?, JobSvd::None).map_err(|e| failed(matrix, e))?;
        // Row-major entries read as column-major are the transpose: the same singular values.
        let values = work.calc(&mut entries).map_err(|e| failed(matrix, e))?;
        Ok(values.s.to_vec())
    }

    fn log_abs_det(&self, matrix: ArrayView2<f64>) -> Result<f64> {
        check_finite(matrix)?;
        check_square(matrix)?;
        if matrix.is_empty() {
            return Ok(0.0);
        }
        let factors = lu(layout(matrix)?, row_major(matrix)).map_err(|e| failed(matrix, e))?;
        Ok(factors.map_or(f64::NEG_INFINITY, |factors| factors.log))
    }
}

/// What LAPACK's LU gives for a determinant.
pub(super) struct Lu {
    /// The row that each step exchanged with its own, counted from 1; the column where rows are stored, since LAPACK then
    /// factors the transpose.
    pub exchanges: Vec<i32>,
    /// L and U; the diagonal holds the pivots, each divided by a power of two.
    pub entries: Vec<f64>,
    /// ln |det A|.
    pub log: f64,
}

/// LU with pivoting of a square matrix whose lines are stored one after the other; `None` for an exact zero pivot. Each
/// line is divided by a power of two first: this is exact, and prevents overflow and underflow.
pub(super) fn lu(layout: MatrixLayout, mut entries: Vec<f64>) -> Result<Option<Lu>, lax::error::Error> {
    let size = layout.lda() as usize;
    let powers = lines_near_one(&mut entries, size) as f64 * std::f64::consts::LN_2;
    // OpenBLAS's parallel LU keeps half a megabyte on the stack per recursion: more than a thread has.
    blas::keep_to_one_thread();
    match f64::lu(layout, &mut entries) {
        Ok(exchanges) => {
            let pivots: f64 = entries.iter().step_by(size + 1).map(|pivot| pivot.abs().ln()).sum();
            Ok(Some(Lu { exchanges, entries, log: pivots + powers }))
        }
        // A positive return code is the index of a pivot that is exactly zero.
        Err(lax::error::Error::LapackComputationalFailure { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error unless the matrix is square.
pub(super) fn check_square(matrix: ArrayView2<f64>) -> Result<()> {
    let (rows, cols) = matrix.dim();
    match rows == cols {
        true => Ok(()),
        false => Err(Error::invalid("matrix", format!("{rows} × {cols}"), "a square one")),
    }
}

/// Refuses NaN and infinity: with them LAPACK would loop forever or return NaN.
pub(super) fn check_finite(matrix: ArrayView2<f64>) -> Result<()> {
    // The common case first: a plain loop that keeps no positions.
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
    matrix.iter().copied().collect()
}

fn layout(matrix: ArrayView2<f64>) -> Result<MatrixLayout> {
    let (rows, cols) = matrix.dim();
    match (i32::try_from(rows), i32::try_from(cols)) {
        (Ok(row), Ok(lda)) => Ok(MatrixLayout::C { row, lda }),
        _ => Err(Error::invalid("matrix", format!("{rows} × {cols}"), "at most 2147483647 rows and columns")),
    }
}

/// A failed decomposition of the matrix.
pub(super) fn failed(matrix: ArrayView2<f64>, error: impl ToString) -> Error {
    let (rows, cols) = matrix.dim();
    Error::Numeric { what: format!("matrix {rows} × {cols}"), problem: error.to_string() }
}
