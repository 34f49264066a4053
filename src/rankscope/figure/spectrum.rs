//! Singular values on a log axis, with the lines below which arithmetic cannot tell them from zero.

use ndarray::Array2;
use serde_json::{Value, json};

use super::html::Numbers;
use super::scene::Scene;
use super::style::{Kind, Theme};
use super::{Curve, Drawing, Lines, PlotAxis, Reference, text};
use crate::error::{Error, Result};
use crate::rank::{EPSILON_F32, EPSILON_F64, Spectrum};

/// One curve of a [`SpectrumFigure`].
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// The kind, which determines colour and marker.
    pub kind: Kind,
    /// The singular values that are drawn.
    pub spectrum: Spectrum,
}

/// Singular values over their index, as σᵢ / σ₁, so that tolerances are the same for every series.
///
/// # Conventions
/// Dashed lines at max(N, M) · 2⁻²³ (f32) and max(N, M) · 2⁻⁵² (f64), for the largest of the matrices;
/// the region below the second, the rounding floor, is shaded. A value of zero, or more than two decades below
/// the floor, is drawn on the axis, whose lowest label then begins with ≤.
#[derive(Clone, Debug)]
pub struct SpectrumFigure {
    /// The accessible name of the picture; a caption is shown beside it.
    pub title: String,
    /// The curves.
    pub series: Vec<Series>,
    /// The settings that recreate the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl SpectrumFigure {
    /// The spectra of matrices, each with its name and kind.
    ///
    /// ```
    /// use rankscope::figure::{SpectrumFigure, style::Kind};
    /// let figure = SpectrumFigure::of("one", [("mean", Kind::Plain, ndarray::array![[0.5, 0.5], [0.5, 0.5]])])?;
    /// assert_eq!(figure.series[0].spectrum.values().len(), 2);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Spectrum::of`].
    pub fn of<N: ToString>(
        title: &str,
        matrices: impl IntoIterator<Item = (N, Kind, Array2<f64>)>,
    ) -> Result<Self> {
        let series = matrices.into_iter().map(|(name, kind, matrix)| {
            Ok(Series { name: name.to_string(), kind, spectrum: Spectrum::of(matrix.view())? })
        });
        let settings = json!({ "version": crate::VERSION });
        Ok(SpectrumFigure { title: title.to_owned(), series: series.collect::<Result<_>>()?, settings })
    }

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

    fn numbers(&self) -> Result<Numbers> {
        Ok(Numbers::Curves(self.lines()?))
    }
}
