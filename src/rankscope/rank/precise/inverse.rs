//! The inverse of a triangular matrix, and with it the true smallest singular value.

use std::f64::consts::{LN_2, LOG2_10, LOG10_2};

use ndarray::Array2;
use rayon::prelude::*;

use super::{MOST_DIGITS, Precise, Real, real};
use crate::error::{Error, Result};
use crate::rank::Spectrum;
use crate::run::Run;

/// The digits of the first attempt.
const FIRST_DIGITS: usize = 60;

/// The relative error of A⁻¹ (in the Frobenius norm) that counts as none: below what f64 can show.
const LOG2_GOAL: f64 = -57.0;

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

/// The smallest singular value of a nonsingular triangular matrix, however small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaMin {
    /// log₁₀ σ_min.
    pub log10: f64,
    /// log₁₀ of 1/‖A⁻¹‖_F, which σ_min cannot be below.
    pub log10_at_least: f64,
    /// log₁₀ of √N/‖A⁻¹‖_F, which σ_min cannot be above.
    pub log10_at_most: f64,
    /// The decimal digits that it took.
    pub digits: usize,
}

impl SigmaMin {
    /// σ_min itself; 0 below 10⁻³²⁴, where f64 has no number for it.
    pub fn value(&self) -> f64 {
        10f64.powf(self.log10)
    }
}

/// σ_min of the lower triangular matrix that `matrix_at` gives for a number of decimal digits.
///
/// σ_min(A) = 1/σ₁(A⁻¹), and a *largest* singular value is well conditioned: A⁻¹ is computed in
/// multi-precision, scaled, and only then rounded to f64 for a singular value decomposition.
///
/// # Conventions
/// The digits grow until (2N + 4 + e) · 2^−bits · ‖A‖_F ‖A⁻¹‖_F < 2⁻⁵⁷, where e is the relative error of the
/// entries: this bounds the relative error of A⁻¹, and with it that of σ_min, before f64 comes in.
///
/// # Errors
/// As [`triangular_inverse`] and `matrix_at`; [`Error::Numeric`] where [`MOST_DIGITS`] do not suffice.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::precise::{Precise, sigma_min};
/// let matrix = array![[3.0, 0.0], [0.0, 1e-300]];
/// let sigma = sigma_min(|digits| Precise::of(matrix.view(), digits), &rankscope::Run::default())?;
/// assert!((sigma.log10 + 300.0).abs() < 1e-12 && sigma.digits > 300);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn sigma_min(matrix_at: impl Fn(usize) -> Result<Precise>, run: &Run) -> Result<SigmaMin> {
    let mut digits = FIRST_DIGITS;
    loop {
        let matrix = matrix_at(digits)?;
        let inverse = triangular_inverse(&matrix, run)?;
        let norm = inverse.log2_norm();
        let units = 2.0 * matrix.rows() as f64 + 4.0 + matrix.entry_error;
        let error = units.log2() - matrix.bits.get() as f64 + matrix.log2_norm() + norm;
        if error < LOG2_GOAL {
            return finish(&inverse, norm, digits);
        }
        if digits == MOST_DIGITS {
            let problem = format!("{MOST_DIGITS} digits do not tell it from a singular one");
            return Err(Error::Numeric { what: "triangular matrix".to_owned(), problem });
        }
        // Where the error is not even below 1, the norm that it was computed from is not to be trusted.
        let missing = (((error - LOG2_GOAL) / LOG2_10).ceil() as usize) + 2;
        let more = if error < 0.0 { missing } else { missing.max(digits) };
        digits = (digits + more).min(MOST_DIGITS);
    }
}

pub(super) fn finish(inverse: &Precise, log2_norm: f64, digits: usize) -> Result<SigmaMin> {
    let shift = log2_norm.ceil() as isize;
    let scaled = inverse.entries.mapv(|entry| (entry >> shift).to_f64().value());
    let largest = Spectrum::of(scaled.view())?.sigma_max().unwrap_or(0.0);
    let log10_norm = log2_norm * LOG10_2;
    Ok(SigmaMin {
        log10: -(shift as f64 * LN_2 + largest.ln()) / std::f64::consts::LN_10,
        log10_at_least: -log10_norm,
        log10_at_most: (inverse.rows() as f64).log10() / 2.0 - log10_norm,
        digits,
    })
}
