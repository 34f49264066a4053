//! The registry of metrics: every number of a report with its name, for tables, exports and figures.

use super::report::RankReport;
use crate::error::{Error, Result};

/// One number of a [`RankReport`].
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name of its field in the report and in JSON.
    pub name: &'static str,
    /// Its name for readers; also the unit of a colour bar.
    pub label: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// The number, where it exists.
    pub value: fn(&RankReport) -> Option<f64>,
}

impl Metric {
    /// The metric with this `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing the names of all metrics.
    ///
    /// ```
    /// use rankscope::rank::Metric;
    /// assert_eq!(Metric::find("stable_rank")?.label, "stable rank");
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn find(name: &str) -> Result<&'static Metric> {
        let names = || METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
        let found = METRICS.iter().find(|metric| metric.name == name);
        found.ok_or_else(|| Error::invalid("metric", name, format!("one of {}", names())))
    }
}

/// Every metric, in the order of the report.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "exact_rank",
        label: "exact rank",
        formula: "by theorem, from the pattern of nonzero entries",
        value: |report| report.exact_rank.map(|rank| rank as f64),
    },
    Metric {
        name: "numerical_rank_f32",
        label: "numerical rank (f32)",
        formula: "#{σᵢ > max(N, M) · 2⁻²³ · σ₁}",
        value: |report| Some(report.numerical_rank_f32 as f64),
    },
    Metric {
        name: "numerical_rank_f64",
        label: "numerical rank (f64)",
        formula: "#{σᵢ > max(N, M) · 2⁻⁵² · σ₁}",
        value: |report| Some(report.numerical_rank_f64 as f64),
    },
    Metric {
        name: "effective_rank",
        label: "effective rank",
        formula: "exp(−Σ pᵢ ln pᵢ), pᵢ = σᵢ / Σσ",
        value: |report| Some(report.effective_rank),
    },
    Metric {
        name: "stable_rank",
        label: "stable rank",
        formula: "Σσᵢ² / σ₁²",
        value: |report| Some(report.stable_rank),
    },
    Metric {
        name: "participation_ratio",
        label: "participation ratio",
        formula: "(Σσᵢ²)² / Σσᵢ⁴",
        value: |report| Some(report.participation_ratio),
    },
    Metric {
        name: "sigma_max", label: "σ₁", formula: "the largest σᵢ", value: |report| report.sigma_max
    },
    Metric {
        name: "sigma_min",
        label: "σ min",
        formula: "the smallest σᵢ",
        value: |report| report.sigma_min,
    },
    Metric {
        name: "condition_number",
        label: "condition number",
        formula: "σ₁ / max(σ min, max(N, M) · 2⁻⁵² · σ₁)",
        value: |report| report.condition_number,
    },
    Metric {
        name: "log_abs_det",
        label: "ln |det|",
        formula: "Σ ln |aᵢᵢ| where triangular, else LU",
        value: |report| report.log_abs_det,
    },
    Metric {
        name: "energy_rank_90",
        label: "energy rank 90 %",
        formula: "the fewest σᵢ² that reach 90 % of their sum",
        value: |report| Some(report.energy_rank_90 as f64),
    },
    Metric {
        name: "energy_rank_99",
        label: "energy rank 99 %",
        formula: "the fewest σᵢ² that reach 99 % of their sum",
        value: |report| Some(report.energy_rank_99 as f64),
    },
    Metric {
        name: "columns_90",
        label: "columns with 90 %",
        formula: "the fewest columns that hold 90 % of Σaᵢⱼ²",
        value: |report| Some(report.columns_90 as f64),
    },
];
