//! Sign and size of a determinant, with a bound that certifies both.

use ndarray::Array2;

use super::inverse::triangular_inverse;
use super::{Precise, Real, log, real};
use crate::error::Result;
use crate::run::Run;

/// A determinant as its sign and the logarithm of its size, with a bound on the error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Determinant {
    /// −1, 0 or 1.
    pub sign: i8,
    /// ln |det A|; −∞ for 0.
    pub log: f64,
    /// A bound on the error of `log`. Finite: the sign is certain and the matrix is nonsingular. Infinite:
    /// the digits do not suffice to know the sign.
    pub error: f64,
}

impl Determinant {
    /// Whether the sign is certain, and so that the exact determinant is not zero.
    pub fn is_certain(&self) -> bool {
        self.error.is_finite()
    }
}

/// det A of a square `matrix` `[N, N]`, by LU with partial pivoting in multi-precision.
///
/// # Conventions
/// The computed factors are exact for a matrix A + E with |E| ≤ N u |L||U| + e u |A|, where u = 2^−bits and e
/// is the entries' relative error. So det A = det(LU) · det(I − (LU)⁻¹E), and with
/// δ = ‖L⁻¹‖_F ‖U⁻¹‖_F ‖E‖_F < 1 the second factor lies between (1 − δ)^N and (1 + δ)^N: positive. The
/// inverses are computed too, and δ is taken four times as large, to allow for their own rounding.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a matrix that is not square;
/// [`Error::Cancelled`](crate::Error::Cancelled).
///
/// # Source
/// Higham, Accuracy and Stability of Numerical Algorithms, theorem 9.3.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::precise::{Precise, determinant};
/// let swap = array![[0.0, 2.0], [1.0, 0.5]];
/// let det = determinant(&Precise::of(swap.view(), 30)?, &rankscope::Run::default())?;
/// assert!(det.sign == -1 && det.is_certain() && (det.log - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn determinant(matrix: &Precise, run: &Run) -> Result<Determinant> {
    matrix.check_square()?;
    let n = matrix.rows();
    let mut factors = matrix.entries.clone();
    let mut swaps = 0;
    for step in 0..n {
        run.check()?;
        let pivot = largest_below(&factors, step);
        if pivot != step {
            swaps += 1;
            for col in 0..n {
                factors.swap((step, col), (pivot, col));
            }
        }
        if factors[(step, step)] == Real::ZERO {
            return Ok(Determinant { sign: 0, log: f64::NEG_INFINITY, error: f64::INFINITY });
        }
        eliminate(&mut factors, step);
    }
    let product = factors.diag().iter().fold(real(1.0, matrix.bits), |product, pivot| product * pivot);
    let is_negative = (product < Real::ZERO) != (swaps % 2 == 1);
    let error = error_of_log(matrix, &factors, run)?;
    Ok(Determinant { sign: if is_negative { -1 } else { 1 }, log: log(&product), error })
}

/// The row from `step` on with the largest entry in column `step`.
fn largest_below(factors: &Array2<Real>, step: usize) -> usize {
    let size = |row: usize| {
        let entry = &factors[(row, step)];
        if *entry < Real::ZERO { -entry.clone() } else { entry.clone() }
    };
    (step..factors.nrows())
        .reduce(|best, row| if size(row) > size(best) { row } else { best })
        .unwrap_or(step)
}

/// One step of Gaussian elimination: the multipliers below the pivot, and the updated rows below it.
fn eliminate(factors: &mut Array2<Real>, step: usize) {
    let n = factors.nrows();
    for row in step + 1..n {
        let multiplier = &factors[(row, step)] / &factors[(step, step)];
        for col in step + 1..n {
            let change = &multiplier * &factors[(step, col)];
            factors[(row, col)] -= change;
        }
        factors[(row, step)] = multiplier;
    }
}

/// −N ln(1 − 4δ), or infinite for 4δ ≥ 1.
fn error_of_log(matrix: &Precise, factors: &Array2<Real>, run: &Run) -> Result<f64> {
    let n = matrix.rows();
    let (one, zero) = (real(1.0, matrix.bits), real(0.0, matrix.bits));
    let part = |entries| Precise { entries, bits: matrix.bits, entry_error: 0.0 };
    let lower = part(Array2::from_shape_fn((n, n), |(row, col)| match row.cmp(&col) {
        std::cmp::Ordering::Less => zero.clone(),
        std::cmp::Ordering::Equal => one.clone(),
        std::cmp::Ordering::Greater => factors[(row, col)].clone(),
    }));
    // Transposed, so that it is lower triangular too; its norm is the same.
    let upper = part(Array2::from_shape_fn((n, n), |(row, col)| {
        if col <= row { factors[(col, row)].clone() } else { zero.clone() }
    }));
    let inverses =
        triangular_inverse(&lower, run)?.log2_norm() + triangular_inverse(&upper, run)?.log2_norm();
    let of_factors = n as f64 * (lower.log2_norm() + upper.log2_norm()).exp2();
    let of_entries = matrix.entry_error * matrix.log2_norm().exp2();
    let log2_delta = inverses + (of_factors + of_entries).log2() - matrix.bits.get() as f64;
    let delta = (log2_delta + 2.0).exp2();
    Ok(if delta < 1.0 { -(n as f64) * (-delta).ln_1p() } else { f64::INFINITY })
}
