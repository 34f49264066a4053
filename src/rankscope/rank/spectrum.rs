//! Singular values, and the ranks and other numbers that follow from them.

use std::num::FpCategory;

use ndarray::ArrayView2;
use serde::Serialize;

use super::decompose::{check_finite, decomposition};
use super::scale::{exponent, near_one};
use crate::error::{Error, Result};

/// ε of f32 as the golden reports use it: the distance from 1 to the next number, 2⁻²³.
pub const EPSILON_F32: f64 = f32::EPSILON as f64;
/// ε of f64: 2⁻⁵².
pub const EPSILON_F64: f64 = f64::EPSILON;

/// Which singular values count as zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    PerSize(f64),
    Relative(f64),
    Absolute(f64),
}

impl Tolerance {
    /// max(N, M) · 2⁻²³ · σ₁: what f32 arithmetic can tell from zero.
    pub const F32: Tolerance = Tolerance(Kind::PerSize(EPSILON_F32));
    /// max(N, M) · 2⁻⁵² · σ₁: what f64 arithmetic can tell from zero.
    pub const F64: Tolerance = Tolerance(Kind::PerSize(EPSILON_F64));

    /// `factor` · σ₁.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `factor` is finite and not negative.
    pub fn relative(factor: f64) -> Result<Self> {
        check("relative tolerance", factor).map(|factor| Tolerance(Kind::Relative(factor)))
    }

    /// `threshold` itself, for every matrix.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `threshold` is finite and not negative.
    pub fn absolute(threshold: f64) -> Result<Self> {
        check("absolute tolerance", threshold).map(|threshold| Tolerance(Kind::Absolute(threshold)))
    }
}

fn check(what: &str, value: f64) -> Result<f64> {
    let usable = !value.is_sign_negative() && value.is_finite() || value.classify() == FpCategory::Zero;
    if usable { Ok(value) } else { Err(Error::invalid(what, value, "a finite number, 0 or more")) }
}

/// The singular values of an N × M matrix.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::{Spectrum, Tolerance};
/// let spectrum = Spectrum::of(array![[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]].view())?;
/// assert_eq!(spectrum.values(), [4.0, 3.0]);
/// assert_eq!(spectrum.numerical_rank(Tolerance::F64), 2);
/// assert_eq!(spectrum.stable_rank(), 25.0 / 16.0);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spectrum {
    values: Vec<f64>,
    /// The values divided by 2^`exponent`, so that the largest is near one; all ratios are computed from these.
    #[serde(skip)]
    scaled: Vec<f64>,
    #[serde(skip)]
    exponent: i32,
    rows: usize,
    cols: usize,
}

/// A condition number, or a lower bound of it, where f64 cannot give more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// σ₁ / max(σ_min, floor).
    pub value: f64,
    /// Whether σ_min is below the floor, so that the true condition number is larger.
    pub is_lower_bound: bool,
    /// The rounding floor, [`Spectrum::rounding_floor`].
    pub floor: f64,
}

impl Spectrum {
    /// The spectrum of `matrix` `[N, M]`, computed in f64.
    ///
    /// # Conventions
    /// The largest entry is brought near one by a power of two before the decomposition, so that no rank depends on the
    /// scale of the matrix, within the whole range of f64.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN or infinite entry, naming its position; [`Error::Numeric`] where
    /// the iteration does not converge.
    pub fn of(matrix: ArrayView2<f64>) -> Result<Self> {
        check_finite(matrix)?;
        let (scaled, exponent) = near_one(matrix);
        let scaled = decomposition().singular_values(scaled.view())?;
        let values = scaled.iter().map(|&sigma| libm::scalbn(sigma, exponent)).collect();
        Ok(Spectrum { values, scaled, exponent, rows: matrix.nrows(), cols: matrix.ncols() })
    }

    /// A spectrum from known singular values of a `rows` × `cols` matrix, in any order.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are not min(rows, cols) of them, or one is negative or not finite.
    pub fn from_values(mut values: Vec<f64>, rows: usize, cols: usize) -> Result<Self> {
        if values.len() != rows.min(cols) {
            let expected = format!("{}, the smaller of {rows} and {cols}", rows.min(cols));
            return Err(Error::invalid("number of singular values", values.len(), expected));
        }
        for &value in &values {
            check("singular value", value)?;
        }
        values.sort_by(|a, b| b.total_cmp(a));
        let exponent = exponent(values.iter());
        let scaled = values.iter().map(|&sigma| libm::scalbn(sigma, -exponent)).collect();
        Ok(Spectrum { values, scaled, exponent, rows, cols })
    }

    /// σ₁ ≥ σ₂ ≥ …, min(N, M) of them; ∞ where one is beyond the largest f64.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// N.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// M.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// σ₁, the spectral norm; `None` for an empty matrix.
    pub fn sigma_max(&self) -> Option<f64> {
        self.values.first().copied()
    }

    /// The smallest singular value *as computed*; below [`rounding_floor`](Self::rounding_floor) it is
    /// noise. `None` for an empty matrix.
    pub fn sigma_min(&self) -> Option<f64> {
        self.values.last().copied()
    }

    /// The largest singular value that `tolerance` counts as zero.
    pub fn threshold(&self, tolerance: Tolerance) -> f64 {
        libm::scalbn(self.scaled_threshold(tolerance), self.exponent)
    }

    /// [`threshold`](Self::threshold) on the scale of `scaled`.
    fn scaled_threshold(&self, tolerance: Tolerance) -> f64 {
        let sigma_max = self.scaled.first().copied().unwrap_or(0.0);
        match tolerance.0 {
            Kind::PerSize(epsilon) => self.rows.max(self.cols) as f64 * epsilon * sigma_max,
            Kind::Relative(factor) => factor * sigma_max,
            Kind::Absolute(threshold) => libm::scalbn(threshold, -self.exponent),
        }
    }

    /// How many singular values exceed the threshold: the *numerical* rank at a stated tolerance.
    ///
    /// # Source
    /// Golub & Van Loan, Matrix Computations, section 5.4; the default of numpy and MATLAB for f64.
    pub fn numerical_rank(&self, tolerance: Tolerance) -> usize {
        let threshold = self.scaled_threshold(tolerance);
        self.scaled.iter().filter(|&&sigma| sigma > threshold).count()
    }

    /// max(N, M) · 2⁻⁵² · σ₁: for a singular value below it, f64 shows only that it is below.
    pub fn rounding_floor(&self) -> f64 {
        self.threshold(Tolerance::F64)
    }

    /// Whether σ_min is below the rounding floor (true for the zero matrix, false for an empty one).
    pub fn is_below_floor(&self) -> bool {
        self.scaled.last().is_some_and(|&sigma_min| sigma_min <= self.scaled_threshold(Tolerance::F64))
    }

    /// exp(−Σ pᵢ ln pᵢ) with pᵢ = σᵢ / Σσ: the number of equal singular values of the same entropy.
    ///
    /// # Conventions
    /// Natural logarithm, 0 ln 0 = 0; 0 for a zero or empty matrix, which has no distribution.
    ///
    /// # Source
    /// Roy & Vetterli, The effective rank, EUSIPCO 2007, definition 1.
    pub fn effective_rank(&self) -> f64 {
        let relative = self.relative();
        let sum: f64 = relative.iter().sum();
        if sum == 0.0 {
            return 0.0;
        }
        let entropy: f64 = relative.iter().map(|s| s / sum).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
        entropy.exp()
    }

    /// ‖A‖_F² / σ₁²: between 1 and the rank; 0 for a zero or empty matrix.
    ///
    /// # Source
    /// Rudelson & Vershynin, Sampling from large matrices, J. ACM 2007.
    pub fn stable_rank(&self) -> f64 {
        self.relative().iter().map(|s| s * s).sum()
    }

    /// (Σ σᵢ²)² / Σ σᵢ⁴: the number of equal σ² of the same concentration; 0 for a zero or empty matrix.
    ///
    /// # Source
    /// Bell & Dean, Atomic vibrations in vitreous silica, 1970; here over the eigenvalues of AᵀA.
    pub fn participation_ratio(&self) -> f64 {
        let squares: Vec<f64> = self.relative().iter().map(|s| s * s).collect();
        let (sum, fourth) = squares.iter().fold((0.0, 0.0), |(sum, fourth), q| (sum + q, fourth + q * q));
        if fourth == 0.0 { 0.0 } else { sum * sum / fourth }
    }

    /// The fewest σ² whose sum reaches `fraction` of ‖A‖_F²; 0 for a zero or empty matrix.
    ///
    /// # Conventions
    /// A fraction outside 0 … 1 counts as the nearer limit.
    pub fn energy_rank(&self, fraction: f64) -> usize {
        let squares: Vec<f64> = self.relative().iter().map(|s| s * s).collect();
        fewest_reaching(&squares, fraction)
    }

    /// σ₁ / σ_min over the min(N, M) singular values, or a lower bound of it.
    ///
    /// # Conventions
    /// Where σ_min lies below the rounding floor, σ₁ / floor, marked as a lower bound. `None` for a zero
    /// or empty matrix.
    pub fn condition(&self) -> Option<Condition> {
        let (sigma_max, sigma_min) = (*self.scaled.first()?, *self.scaled.last()?);
        let floor = self.scaled_threshold(Tolerance::F64);
        let value = sigma_max / sigma_min.max(floor);
        let (is_lower_bound, floor) = (self.is_below_floor(), self.rounding_floor());
        (sigma_max > 0.0).then_some(Condition { value, is_lower_bound, floor })
    }

    /// σᵢ / σ₁, so that squares and fourth powers neither overflow nor underflow; zeros for a zero matrix.
    pub fn relative(&self) -> Vec<f64> {
        let scale = self.scaled.first().copied().filter(|&sigma| sigma > 0.0).unwrap_or(1.0);
        self.scaled.iter().map(|sigma| sigma / scale).collect()
    }
}

/// The number of first values of `descending` whose sum reaches `fraction` of the total.
pub(super) fn fewest_reaching(descending: &[f64], fraction: f64) -> usize {
    let total: f64 = descending.iter().sum();
    let goal = fraction.clamp(0.0, 1.0) * total;
    let mut sum = 0.0;
    // The values are added in the same order as for `total`, so the full sum equals it exactly.
    descending
        .iter()
        .take_while(|&&part| {
            let short = sum < goal;
            sum += part;
            short
        })
        .count()
}
