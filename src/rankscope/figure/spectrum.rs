//! Singular values on a log axis, with the lines below which arithmetic cannot tell them from zero.

use serde_json::Value;

use super::scene::Scene;
use super::style::{Kind, Theme};
use super::{Curve, Drawing, Lines, PlotAxis, Reference, Table, text};
use crate::error::{Error, Result};
use crate::rank::{EPSILON_F32, EPSILON_F64, Spectrum};

/// One line of a [`SpectrumFigure`].
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Which decides colour and marker.
    pub kind: Kind,
    /// What is drawn.
    pub spectrum: Spectrum,
}

/// Singular values against their index, as σᵢ / σ₁ so that tolerances are the same for every series.
///
/// # Conventions
/// Dashed lines at max(N, M) · 2⁻²³ (f32) and max(N, M) · 2⁻⁵² (f64), for the largest of the matrices;
/// the region below the second, the rounding floor, is shaded. A value of zero, or more than two decades below
/// the floor, stands on the axis, whose lowest label then begins with ≤.
#[derive(Clone, Debug)]
pub struct SpectrumFigure {
    /// What the picture is called where it is not seen; a caption stands beside it.
    pub title: String,
    /// The lines.
    pub series: Vec<Series>,
    /// What recreates the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl SpectrumFigure {
    fn lines(&self) -> Result<Lines> {
        if self.series.iter().all(|series| series.spectrum.values().is_empty()) {
            return Err(Error::invalid("spectrum figure", "without singular values", "one spectrum or more"));
        }
        let sides = self.series.iter().map(|series| series.spectrum.rows().max(series.spectrum.cols()));
        let [f32, f64] =
            [EPSILON_F32, EPSILON_F64].map(|epsilon| sides.clone().max().unwrap_or(0) as f64 * epsilon);
        let curve = |series: &Series| {
            let relative = series.spectrum.relative().into_iter().enumerate();
            Curve::new(&series.name, series.kind, relative.map(|(index, value)| (1.0 + index as f64, value)))
        };
        Ok(Lines {
            title: self.title.clone(),
            x: PlotAxis::linear("index i"),
            y: PlotAxis::log_from("singular value relative to σ₁", 10f64.powf(f64.log10().floor() - 2.0)),
            curves: self.series.iter().map(curve).collect(),
            references: vec![
                Reference::level(format!("f32 tolerance {}", text::number(f32)), f32),
                Reference::level(format!("f64 tolerance {}", text::number(f64)), f64),
                Reference::floor("rounding floor", f64),
            ],
            settings: self.settings.clone(),
        })
    }
}

impl Drawing for SpectrumFigure {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        self.lines()?.scene(theme)
    }

    fn about(&self) -> (&str, &Value) {
        (&self.title, &self.settings)
    }

    fn cells(&self) -> Table {
        self.lines().map_or_else(|_| Table::default(), |lines| Table::of_curves(&lines))
    }
}
