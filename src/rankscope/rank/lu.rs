//! The determinant, computed by LU with pivoting.

use lax::Lapack as _;
use lax::layout::MatrixLayout;
use ndarray::ArrayView2;

use super::decompose::check_finite;
use super::scale::lines_near_one;
use crate::blas;
use crate::error::{Error, Result};

/// A determinant from LAPACK's LU: a sign and a logarithm, both subject to rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LuDeterminant {
    /// −1, 0 or 1.
    pub sign: i8,
    /// ln |det A|; −∞ for an exact zero pivot.
    pub log: f64,
}

impl LuDeterminant {
    /// The determinant itself; 0 where it is below the smallest f64.
    pub fn value(&self) -> f64 {
        f64::from(self.sign) * self.log.exp()
    }
}

/// det A of `matrix` `[N, N]` by `dgetrf`, as numpy's `slogdet` computes it.
///
/// # Conventions
/// LAPACK gets the matrix column by column, as from numpy. Row by row it would factor the transpose, and the transpose
/// of a lower triangular matrix needs no elimination: LU would be exact there only because of the storage order. Each
/// column is divided by a power of two first: this is exact, and prevents overflow and underflow.
///
/// # Errors
/// [`Error::Invalid`] for a matrix that is not square, or a NaN or infinite entry.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::lu_determinant;
/// let lu = lu_determinant(array![[0.0, 2.0], [1.0, 0.5]].view())?;
/// assert!(lu.sign == -1 && (lu.value() + 2.0).abs() < 1e-14);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn lu_determinant(matrix: ArrayView2<f64>) -> Result<LuDeterminant> {
    check_finite(matrix)?;
    let (rows, cols) = matrix.dim();
    let size = i32::try_from(rows).ok().filter(|_| rows == cols);
    let size = size.ok_or_else(|| {
        Error::invalid("matrix", format!("{rows} × {cols}"), "a square one of at most 2147483647 rows")
    })?;
    // Iterating over the transpose lists the columns.
    let mut by_columns: Vec<f64> = matrix.t().iter().copied().collect();
    let layout = MatrixLayout::F { col: size, lda: size };
    let powers = lines_near_one(&mut by_columns, rows) as f64 * std::f64::consts::LN_2;
    // OpenBLAS's parallel LU keeps half a megabyte on the stack per recursion: more than a thread has.
    blas::keep_to_one_thread();
    match f64::lu(layout, &mut by_columns) {
        Ok(pivots) => {
            let swaps = pivots.iter().zip(1..).filter(|&(&pivot, place)| pivot != place).count();
            let diagonal = by_columns.iter().step_by(rows + 1);
            let negative = diagonal.clone().filter(|pivot| pivot.is_sign_negative()).count();
            let sign = if (swaps + negative) % 2 == 0 { 1 } else { -1 };
            let log: f64 = diagonal.map(|pivot| pivot.abs().ln()).sum();
            Ok(LuDeterminant { sign, log: log + powers })
        }
        // A positive return code is the index of a pivot that is exactly zero.
        Err(lax::error::Error::LapackComputationalFailure { .. }) => {
            Ok(LuDeterminant { sign: 0, log: f64::NEG_INFINITY })
        }
        Err(error) => {
            Err(Error::Numeric { what: format!("matrix {rows} × {cols}"), problem: error.to_string() })
        }
    }
}
