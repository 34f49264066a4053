//! Multi-precision: correct results where f64 gives only its own rounding errors.
//!
//! A causal attention matrix of 128 tokens has a smallest singular value near 10⁻³⁰; f64 reports 10⁻¹⁹,
//! which is noise. Here the same numbers are computed with as many decimal digits as the problem needs, and every
//! result comes with a bound on its error that decides when the digits suffice.
//!
//! ```
//! use ndarray::array;
//! use rankscope::rank::precise::{Precise, Triangular};
//! use rankscope::Run;
//! // The product of the singular values is the determinant, 10⁻²⁰; their squares sum to 2 + 10⁻⁴⁰.
//! let matrix = array![[1.0, 0.0], [1.0, 1e-20]];
//! let triangular = Triangular::new(|digits| Precise::of(matrix.view(), digits), &Run::default())?;
//! let sigma = triangular.sigma_min()?;
//! assert!((sigma.value() / (1e-20 / 2f64.sqrt()) - 1.0).abs() < 1e-14);
//! # Ok::<(), rankscope::Error>(())
//! ```

mod determinant;
mod inverse;
#[cfg(test)]
mod tests;
mod triangular;
mod weights;

use std::num::NonZeroUsize;

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use ndarray::{Array2, ArrayView2};

pub use determinant::{Determinant, determinant};
pub use inverse::triangular_inverse;
pub use triangular::{SigmaMin, Triangular};
pub use weights::attention_weights;

use super::decompose::check_finite;
use crate::error::{Error, Result};

/// A binary floating-point number of any precision, rounded to nearest.
type Real = FBig<HalfEven, 2>;

/// The most decimal digits: a matrix that needs more is treated as singular.
pub const MOST_DIGITS: usize = 20_000;

/// A matrix of numbers with a given count of decimal digits.
#[derive(Clone, Debug)]
pub struct Precise {
    entries: Array2<Real>,
    bits: NonZeroUsize,
    /// The relative error of each entry, in units of 2^−bits.
    entry_error: f64,
}

impl Precise {
    /// `matrix` with exactly its f64 entries, for computations with `digits` decimal digits.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN or infinite entry, naming its position, and for digits outside
    /// 17 … [`MOST_DIGITS`]: below 17 the f64 entries themselves would be rounded.
    pub fn of(matrix: ArrayView2<f64>, digits: usize) -> Result<Self> {
        check_finite(matrix)?;
        let bits = bits_from_digits(digits)?;
        Ok(Precise { entries: matrix.mapv(|entry| real(entry, bits)), bits, entry_error: 0.0 })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.entries.nrows()
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.entries.ncols()
    }

    /// The decimal digits of every entry.
    pub fn digits(&self) -> usize {
        (self.bits.get() as f64 * std::f64::consts::LOG10_2) as usize
    }

    /// The entries, each rounded to the nearest f64.
    pub fn to_f64(&self) -> Array2<f64> {
        self.entries.mapv(|entry| entry.to_f64().value())
    }

    /// Whether every diagonal entry is above zero.
    pub fn has_positive_diagonal(&self) -> bool {
        self.entries.diag().iter().all(|entry| *entry > Real::ZERO)
    }

    /// The sign of Π aᵢᵢ, the determinant of a triangular matrix: −1 or 1; `None` where the digits do not suffice to
    /// know it.
    pub fn diagonal_sign(&self) -> Option<i8> {
        let is_certain = self.entry_error.log2() < self.bits.get() as f64;
        let negative = self.entries.diag().iter().filter(|entry| **entry < Real::ZERO).count();
        let has_zero = self.entries.diag().iter().any(|entry| *entry == Real::ZERO);
        (is_certain && !has_zero).then_some(if negative % 2 == 1 { -1 } else { 1 })
    }

    /// A − λB, entry by entry, with the digits of A.
    ///
    /// # Conventions
    /// Where the difference is much smaller than its terms, its relative error is larger than theirs by the same ratio,
    /// and it is infinite where the difference of two equal terms is 0.
    ///
    /// # Errors
    /// [`Error::Invalid`] where B has another shape, or λ is not a finite number.
    ///
    /// ```
    /// use ndarray::array;
    /// use rankscope::rank::precise::Precise;
    /// let of = |matrix: ndarray::Array2<f64>| Precise::of(matrix.view(), 30);
    /// let (a, b) = (of(array![[0.5, 0.0], [0.25, 1.0]])?, of(array![[1.0, 0.0], [2.0, 1.0]])?);
    /// let difference = a.minus(0.75, &b)?; // −0.25 and 0.25 on the diagonal
    /// assert_eq!(difference.diagonal_sign(), Some(-1));
    /// assert_eq!(difference.to_f64(), array![[-0.25, 0.0], [-1.25, 0.25]]);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn minus(&self, factor: f64, other: &Precise) -> Result<Precise> {
        if other.entries.dim() != self.entries.dim() {
            let [got, expected] = [other, self].map(|of| format!("{} × {}", of.rows(), of.cols()));
            return Err(Error::invalid("second matrix", got, format!("{expected}, as the first")));
        }
        if !factor.is_finite() {
            return Err(Error::invalid("factor", factor, "a finite number"));
        }
        let factor = real(factor, self.bits);
        let other_error = other.entry_error * (self.bits.get() as f64 - other.bits.get() as f64).exp2();
        let mut entry_error = 1.0f64;
        let mut entries = self.entries.clone();
        for (entry, other) in entries.iter_mut().zip(&other.entries) {
            let term = &factor * other;
            let difference = &*entry - &term;
            let share = |term: &Real| match (*term == Real::ZERO, difference == Real::ZERO) {
                (true, _) => 0.0,
                (false, true) => f64::INFINITY,
                (false, false) => (term / &difference).to_f64().value().abs(),
            };
            let error = share(entry) * self.entry_error + share(&term) * (other_error + 1.0);
            entry_error = entry_error.max(1.0 + error);
            *entry = difference;
        }
        Ok(Precise { entries, bits: self.bits, entry_error })
    }

    /// Σ ln |aᵢᵢ| in nats: ln |det A| of a triangular matrix; −∞ where an entry is zero.
    ///
    /// The product is taken at full precision, and no intermediate result can underflow.
    pub fn log_diagonal(&self) -> f64 {
        let product = self.entries.diag().iter().fold(real(1.0, self.bits), |product, entry| product * entry);
        log(&product)
    }

    /// log₂ ‖A‖_F.
    fn log2_norm(&self) -> f64 {
        log2_norm(self.entries.view())
    }

    fn check_square(&self) -> Result<()> {
        let (rows, cols) = self.entries.dim();
        if rows == cols && rows > 0 {
            return Ok(());
        }
        Err(Error::invalid("matrix", format!("{rows} × {cols}"), "a square one with one row or more"))
    }
}

fn bits_from_digits(digits: usize) -> Result<NonZeroUsize> {
    let bits = NonZeroUsize::new((digits as f64 * std::f64::consts::LOG2_10).ceil() as usize);
    let allowed = bits.filter(|_| (17..=MOST_DIGITS).contains(&digits));
    allowed.ok_or_else(|| Error::invalid("decimal digits", digits, format!("17 to {MOST_DIGITS}")))
}

/// A finite f64, which 53 bits or more hold exactly.
fn real(value: f64, bits: NonZeroUsize) -> Real {
    let exact = Real::try_from(value).expect("a finite number");
    exact.with_precision(bits.get()).value()
}

/// log₂ of the Frobenius norm; −∞ for zeros.
fn log2_norm(entries: ArrayView2<Real>) -> f64 {
    // 128 bits of each entry: a norm is needed to f64's accuracy only.
    let square = |entry: &Real| entry.clone().with_precision(128).value().sqr();
    log(&entries.iter().fold(Real::ZERO, |sum, entry| sum + square(entry))) / std::f64::consts::LN_2 / 2.0
}

/// ln |x| to f64's accuracy; −∞ for zero.
fn log(x: &Real) -> f64 {
    let zero = Real::ZERO;
    if *x == zero {
        return f64::NEG_INFINITY;
    }
    let size = if *x < zero { -x.clone() } else { x.clone() };
    // 128 bits, so that the logarithm of a number near 1 is accurate too.
    size.with_precision(128).value().ln().to_f64().value()
}
