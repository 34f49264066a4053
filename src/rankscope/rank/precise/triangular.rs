//! [`Triangular`]: the singular values of a triangular matrix, however small.

use std::f64::consts::{LOG2_10, LOG10_2};

use ndarray::{Array2, s};

use super::{MOST_DIGITS, Precise, log2_norm, triangular_inverse};
use crate::error::{Error, Result};
use crate::rank::{EPSILON_F64, Spectrum};
use crate::run::Run;

/// The number of decimal digits of the first attempt.
const FIRST_DIGITS: usize = 60;

/// log₂ of the relative error of A⁻¹ (in the Frobenius norm) at which the digits suffice: f64 cannot show a smaller
/// one.
const LOG2_GOAL: f64 = -57.0;

/// A nonsingular lower triangular matrix A with its inverse, both with as many digits as A needs.
///
/// σ_min(A) = 1/σ₁(A⁻¹), and a *largest* singular value is well conditioned: A⁻¹ is computed in
/// multi-precision, scaled, and only then rounded to f64 for a singular value decomposition.
///
/// # Conventions
/// The digits grow until (2N + 4 + e) · 2^−bits · ‖A‖_F ‖A⁻¹‖_F < 2⁻⁵⁷, where e is the relative error of the
/// entries: this bounds the relative error of A⁻¹, and with it that of σ_min, before rounding to f64. The leading
/// blocks of A⁻¹ are the inverses of the leading blocks of A, and the bound covers them too.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::precise::{Precise, Triangular};
/// let matrix = array![[3.0, 0.0], [0.0, 1e-300]];
/// let of = |digits| Precise::of(matrix.view(), digits);
/// let triangular = Triangular::new(of, &rankscope::Run::default())?;
/// assert!((triangular.sigma_min()?.log10 + 300.0).abs() < 1e-12 && triangular.digits() > 300);
/// assert!((triangular.log_det() - (3f64.ln() + 1e-300f64.ln())).abs() < 1e-12);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Triangular {
    matrix: Precise,
    inverse: Precise,
    digits: usize,
}

/// A smallest singular value, and the bracket that ‖A⁻¹‖_F alone gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaMin {
    /// log₁₀ σ_min.
    pub log10: f64,
    /// log₁₀ of 1/‖A⁻¹‖_F, a lower bound of σ_min.
    pub log10_at_least: f64,
    /// log₁₀ of √N/‖A⁻¹‖_F, an upper bound of σ_min.
    pub log10_at_most: f64,
}

impl SigmaMin {
    /// σ_min itself; 0 below 10⁻³²⁴, which f64 cannot represent.
    pub fn value(&self) -> f64 {
        10f64.powf(self.log10)
    }
}

impl Triangular {
    /// From a function that computes the matrix with a given number of decimal digits.
    ///
    /// # Errors
    /// As [`triangular_inverse`] and `matrix_at`; [`Error::Numeric`] where [`MOST_DIGITS`] do not suffice.
    pub fn new(matrix_at: impl Fn(usize) -> Result<Precise>, run: &Run) -> Result<Self> {
        let mut digits = FIRST_DIGITS;
        loop {
            let matrix = matrix_at(digits)?;
            let inverse = triangular_inverse(&matrix, run)?;
            let units = 2.0 * matrix.rows() as f64 + 4.0 + matrix.entry_error;
            let error = units.log2() - matrix.bits.get() as f64 + matrix.log2_norm() + inverse.log2_norm();
            if error < LOG2_GOAL {
                return Ok(Triangular { matrix, inverse, digits });
            }
            if digits == MOST_DIGITS {
                let problem = format!("{MOST_DIGITS} digits do not tell it from a singular one");
                return Err(Error::Numeric { what: "triangular matrix".to_owned(), problem });
            }
            // Where the error is 1 or more, the norm that it was computed from is not reliable.
            let missing = ((error - LOG2_GOAL) / LOG2_10).ceil() as usize + 2;
            let more = if error < 0.0 { missing } else { missing.max(digits) };
            digits = (digits + more).min(MOST_DIGITS);
        }
    }

    /// The number of decimal digits that were needed.
    pub fn digits(&self) -> usize {
        self.digits
    }

    /// The matrix.
    pub fn matrix(&self) -> &Precise {
        &self.matrix
    }

    /// ln |det A| = Σ ln |aᵢᵢ|.
    pub fn log_det(&self) -> f64 {
        self.matrix.log_diagonal()
    }

    /// The smallest singular value.
    ///
    /// # Errors
    /// [`Error::Numeric`] where the decomposition of A⁻¹ does not converge.
    pub fn sigma_min(&self) -> Result<SigmaMin> {
        self.leading_sigma_min(self.matrix.rows())
    }

    /// The smallest singular value of the leading `size` × `size` block: for a causal attention matrix, this is the
    /// attention of the first `size` tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a size of 0 or beyond the matrix; as [`sigma_min`](Self::sigma_min).
    pub fn leading_sigma_min(&self, size: usize) -> Result<SigmaMin> {
        let n = self.matrix.rows();
        if size == 0 || size > n {
            return Err(Error::invalid("leading block", size, format!("1 to {n}")));
        }
        let (scaled, shift, norm) = self.scaled_inverse(size);
        let largest = Spectrum::of(scaled.view())?.sigma_max().unwrap_or(0.0);
        Ok(SigmaMin {
            log10: -(shift * LOG10_2 + largest.log10()),
            log10_at_least: -norm * LOG10_2,
            log10_at_most: (size as f64).log10() / 2.0 - norm * LOG10_2,
        })
    }

    /// log₁₀ of all singular values in descending order; `None` for a value that f64 can find neither from A nor from
    /// A⁻¹.
    ///
    /// # Conventions
    /// A decomposition in f64 has an error of about N ε σ₁: the decomposition of A gives the large values, that of A⁻¹
    /// the small ones. Each value comes from the more accurate of the two, and must have two correct digits there.
    ///
    /// # Errors
    /// As [`sigma_min`](Self::sigma_min).
    pub fn log10_singular_values(&self) -> Result<Vec<Option<f64>>> {
        let n = self.matrix.rows();
        let (scaled, shift, _) = self.scaled_inverse(n);
        let (direct, inverse) = (Spectrum::of(self.matrix.to_f64().view())?, Spectrum::of(scaled.view())?);
        let error = |values: &[f64], index: usize| n as f64 * EPSILON_F64 * values[0] / values[index];
        let value = |index: usize| {
            let opposite = n - 1 - index;
            let errors = (error(direct.values(), index), error(inverse.values(), opposite));
            let log10 = if errors.0 < errors.1 {
                direct.values()[index].log10()
            } else {
                -(inverse.values()[opposite].log10() + shift * LOG10_2)
            };
            (errors.0.min(errors.1) < 0.01).then_some(log10)
        };
        Ok((0..n).map(value).collect())
    }

    /// The leading block of A⁻¹ · 2^−shift in f64, with the shift that brings its norm to about 1, and
    /// log₂ of the block's norm.
    fn scaled_inverse(&self, size: usize) -> (Array2<f64>, f64, f64) {
        let block = self.inverse.entries.slice(s![..size, ..size]);
        let norm = log2_norm(block);
        let shift = norm.ceil();
        (block.mapv(|entry| (entry >> shift as isize).to_f64().value()), shift, norm)
    }
}
