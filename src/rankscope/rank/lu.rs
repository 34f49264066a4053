//! The determinant, computed by LU with pivoting.

use lax::layout::MatrixLayout;
use ndarray::ArrayView2;

use super::decompose::{Lu, check_finite, failed, lu};
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
    let by_columns = matrix.t().iter().copied().collect();
    let factors = lu(MatrixLayout::F { col: size, lda: size }, by_columns);
    let Some(Lu { exchanges, entries, log }) = factors.map_err(|error| failed(matrix, error))? else {
        return Ok(LuDeterminant { sign: 0, log: f64::NEG_INFINITY });
    };
    let swaps = exchanges.iter().zip(1..).filter(|&(&row, place)| row != place).count();
    let negative = entries.iter().step_by(rows + 1).filter(|pivot| pivot.is_sign_negative()).count();
    let sign = if (swaps + negative) % 2 == 0 { 1 } else { -1 };
    Ok(LuDeterminant { sign, log })
}
