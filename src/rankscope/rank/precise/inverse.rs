//! The inverse of a triangular matrix.

use ndarray::Array2;
use rayon::prelude::*;

use super::{Precise, Real, real};
use crate::error::{Error, Result};
use crate::run::Run;

/// A⁻¹ of a lower triangular `matrix` `[N, N]`, by forward substitution, one column per task.
///
/// # Conventions
/// Entries above the diagonal are not read. With u = 2^−bits, the result X differs from A⁻¹ by at most
/// (N + 1) u |A⁻¹||A||X|, entry by entry.
///
/// # Errors
/// [`Error::Invalid`] for a matrix that is not square, or with a zero on its diagonal;
/// [`Error::Cancelled`].
///
/// # Source
/// Higham, Accuracy and Stability of Numerical Algorithms, theorem 8.5 for each column.
pub fn triangular_inverse(matrix: &Precise, run: &Run) -> Result<Precise> {
    matrix.check_square()?;
    let (entries, bits) = (&matrix.entries, matrix.bits);
    let n = entries.nrows();
    if let Some(place) = entries.diag().iter().position(|entry| *entry == Real::ZERO) {
        return Err(Error::invalid(format!("diagonal entry ({place}, {place})"), 0, "a number other than 0"));
    }
    let (one, zero) = (real(1.0, bits), real(0.0, bits));
    let pivots: Vec<Real> = entries.diag().iter().map(|pivot| &one / pivot).collect();
    let columns: Vec<Vec<Real>> = (0..n)
        .into_par_iter()
        .map(|col| {
            run.check()?;
            let mut column = vec![zero.clone(); n];
            column[col] = pivots[col].clone();
            for row in col + 1..n {
                let known = entries.row(row);
                let terms = (col..row).map(|k| &known[k] * &column[k]);
                let sum = terms.fold(zero.clone(), |sum, term| sum + term);
                column[row] = -(sum * &pivots[row]);
            }
            Ok(column)
        })
        .collect::<Result<_>>()?;
    let rows = (0..n).flat_map(|row| columns.iter().map(move |column| column[row].clone()));
    let entries = Array2::from_shape_vec((n, n), rows.collect()).expect("n columns of n");
    Ok(Precise { entries, bits, entry_error: f64::INFINITY })
}
