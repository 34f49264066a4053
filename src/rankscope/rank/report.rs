//! All results of rank analysis for one matrix, ready for a table or JSON.

use ndarray::ArrayView2;
use serde::Serialize;

use super::concentration::columns_holding;
use super::log_det::{LogDetMethod, log_abs_det};
use super::spectrum::{Spectrum, Tolerance};
use crate::error::Result;
use crate::mask::{ExactRank, exact_rank};

/// The rank report of one N × M matrix; a number that does not exist is `None`, with a reason.
///
/// Three kinds of rank are kept apart: *exact* (a theorem), *numerical* (at a stated tolerance), and the
/// *shape* of the spectrum (effective and stable rank, participation ratio).
#[derive(Clone, Debug, Serialize)]
pub struct RankReport {
    /// N.
    pub rows: usize,
    /// M.
    pub cols: usize,
    /// The rank by theorem.
    pub exact_rank: Option<usize>,
    /// The theorem, or why there is none.
    pub exact_rank_reason: String,
    /// Singular values above max(N, M) · 2⁻²³ · σ₁.
    pub numerical_rank_f32: usize,
    /// Singular values above max(N, M) · 2⁻⁵² · σ₁.
    pub numerical_rank_f64: usize,
    /// [`Spectrum::effective_rank`].
    pub effective_rank: f64,
    /// [`Spectrum::stable_rank`].
    pub stable_rank: f64,
    /// [`Spectrum::participation_ratio`].
    pub participation_ratio: f64,
    /// σ₁; `None` for an empty matrix, and where it is beyond the largest f64.
    pub sigma_max: Option<f64>,
    /// The smallest singular value as computed; `None` for an empty matrix.
    pub sigma_min: Option<f64>,
    /// Why there is no σ₁, or no smallest singular value either.
    pub sigma_max_reason: Option<String>,
    /// Whether `sigma_min` is below the rounding floor, so only noise.
    pub sigma_min_below_floor: bool,
    /// max(N, M) · 2⁻⁵² · σ₁.
    pub rounding_floor: f64,
    /// σ₁ / max(σ_min, floor); `None` for a zero or empty matrix.
    pub condition_number: Option<f64>,
    /// Whether the true condition number is larger.
    pub condition_is_lower_bound: bool,
    /// Why there is no condition number.
    pub condition_reason: Option<String>,
    /// ln |det A|.
    pub log_abs_det: Option<f64>,
    /// How it was computed.
    pub log_abs_det_method: Option<LogDetMethod>,
    /// Why there is no log-determinant.
    pub log_abs_det_reason: Option<String>,
    /// The fewest σ² that hold 90 % of ‖A‖_F².
    pub energy_rank_90: usize,
    /// The fewest σ² that hold 99 % of ‖A‖_F².
    pub energy_rank_99: usize,
    /// The fewest columns that hold 90 % of ‖A‖_F².
    pub columns_90: usize,
    /// The singular values themselves.
    #[serde(skip)]
    pub spectrum: Spectrum,
}

impl RankReport {
    /// The report of `matrix` `[N, M]`.
    ///
    /// # Conventions
    /// `theorem` is the exact rank that the caller knows before rounding, for example from the mask; without one, the
    /// zeros of the stored entries determine it. The zero matrix has all ranks 0 and no condition number.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a NaN or infinite entry, naming its position;
    /// [`Error::Numeric`](crate::Error::Numeric) where the singular values do not converge.
    ///
    /// ```
    /// use ndarray::array;
    /// use rankscope::rank::RankReport;
    /// let report = RankReport::of(array![[1.0, 0.0], [0.5, 0.5]].view(), None)?;
    /// assert_eq!((report.exact_rank, report.numerical_rank_f32), (Some(2), 2));
    /// assert_eq!(report.log_abs_det, Some(0.5f64.ln()));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn of(matrix: ArrayView2<f64>, theorem: Option<&ExactRank>) -> Result<Self> {
        let spectrum = Spectrum::of(matrix)?;
        let det = log_abs_det(matrix)?;
        let exact = match theorem {
            Some(theorem) => theorem.clone(),
            None => exact_rank(matrix.mapv(|entry| entry != 0.0).view()),
        };
        let condition = spectrum.condition();
        let without = if matrix.is_empty() { "the matrix is empty" } else { "the matrix is zero" };
        Ok(RankReport {
            rows: matrix.nrows(),
            cols: matrix.ncols(),
            exact_rank: exact.rank,
            exact_rank_reason: exact.reason,
            numerical_rank_f32: spectrum.numerical_rank(Tolerance::F32),
            numerical_rank_f64: spectrum.numerical_rank(Tolerance::F64),
            effective_rank: spectrum.effective_rank(),
            stable_rank: spectrum.stable_rank(),
            participation_ratio: spectrum.participation_ratio(),
            sigma_max: spectrum.sigma_max().filter(|sigma| sigma.is_finite()),
            sigma_min: spectrum.sigma_min().filter(|sigma| sigma.is_finite()),
            sigma_max_reason: no_sigma(&spectrum),
            sigma_min_below_floor: spectrum.is_below_floor(),
            rounding_floor: spectrum.rounding_floor(),
            condition_number: condition.map(|condition| condition.value),
            condition_is_lower_bound: condition.is_some_and(|condition| condition.is_lower_bound),
            condition_reason: condition.is_none().then(|| without.to_owned()),
            log_abs_det: det.value,
            log_abs_det_method: det.method,
            log_abs_det_reason: det.reason,
            energy_rank_90: spectrum.energy_rank(0.90),
            energy_rank_99: spectrum.energy_rank(0.99),
            columns_90: columns_holding(matrix, 0.90),
            spectrum,
        })
    }
}

/// The reason why σ₁ does not exist, if it does not.
fn no_sigma(spectrum: &Spectrum) -> Option<String> {
    match spectrum.sigma_max() {
        None => Some("the matrix is empty".to_owned()),
        Some(sigma) if sigma.is_infinite() => Some(format!("beyond the largest f64, {:e}", f64::MAX)),
        Some(_) => None,
    }
}
