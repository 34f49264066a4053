//! Singular values on a log axis, with the lines below which arithmetic cannot tell them from zero.

use std::collections::BTreeSet;

use serde_json::Value;

use super::axis::{decades, ticks};
use super::marked::marked;
use super::scene::{Anchor, Point, Rect, Scene, standard_width};
use super::style::{Kind, Palette, Theme};
use super::{Drawing, text};
use crate::error::{Error, Result};
use crate::rank::{EPSILON_F32, EPSILON_F64, Spectrum};

const WIDTH: f64 = 1000.0;
const PLOT: Rect = Rect { x: 92.0, y: 0.0, w: 740.0, h: 460.0 };
const LEGEND_ROW: f64 = 28.0;

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
/// the region below the second, the rounding floor, is shaded. A value of zero, or below the axis, stands
/// on the axis, whose lowest label then begins with ≤.
#[derive(Clone, Debug)]
pub struct SpectrumFigure {
    /// What the picture is called where it is not seen; a caption stands beside it.
    pub title: String,
    /// The lines.
    pub series: Vec<Series>,
    /// What recreates the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

/// What the series have in common.
struct Range {
    indices: usize,
    /// The larger side of the largest matrix.
    size: f64,
    /// The axis runs from 10^low to 10^high.
    low: i32,
    high: f64,
    /// Whether some value is below the axis.
    clipped: bool,
}

impl Range {
    fn of(series: &[Series]) -> Result<Self> {
        let indices = series.iter().map(|s| s.spectrum.values().len()).max().unwrap_or(0);
        if indices == 0 {
            return Err(Error::invalid("spectrum figure", "without singular values", "one spectrum or more"));
        }
        let size = series.iter().map(|s| s.spectrum.rows().max(s.spectrum.cols())).max().unwrap_or(0) as f64;
        let low = (size * EPSILON_F64).log10().floor() as i32 - 2;
        let clipped =
            series.iter().any(|s| s.spectrum.relative().iter().any(|&value| value < 10f64.powi(low)));
        Ok(Range { indices, size, low, high: 0.3, clipped })
    }

    fn x(&self, plot: Rect, index: usize) -> f64 {
        // Half a step of air on either side, so that the first and last markers are whole.
        plot.x + plot.w * (index as f64 + 0.5) / self.indices as f64
    }

    fn y(&self, plot: Rect, value: f64) -> f64 {
        // The logarithm of 0 is −∞, and clamps to the axis.
        let place = value.log10().clamp(f64::from(self.low), self.high);
        plot.bottom() - plot.h * (place - f64::from(self.low)) / (self.high - f64::from(self.low))
    }
}

impl Drawing for SpectrumFigure {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        let range = Range::of(&self.series)?;
        let legend = legend_places(&self.series);
        let rows = legend.iter().map(|&(_, row, _)| row + 1).max().unwrap_or(0);
        let plot = Rect { y: 18.0 + rows as f64 * LEGEND_ROW, ..PLOT };
        let palette = theme.palette();
        let mut scene = Scene::new(WIDTH, plot.bottom() + 74.0, palette.background);
        self.draw_legend(&mut scene, &legend, palette);
        draw_ground(&mut scene, plot, &range, palette);
        draw_axes(&mut scene, plot, &range, palette);
        for (index, series) in self.series.iter().enumerate() {
            draw_series(&mut scene, plot, &range, (index, self.series.len()), series);
        }
        Ok(scene)
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn settings(&self) -> &Value {
        &self.settings
    }
}

/// Per series: x, row, and the name as far as it fits.
fn legend_places(series: &[Series]) -> Vec<(f64, usize, String)> {
    let (mut x, mut row) = (PLOT.x, 0);
    let mut places = Vec::new();
    for series in series {
        let name = text::fit(&series.name, super::scene::TEXT, 400.0);
        let width = 22.0 + standard_width(&name);
        if x + width > WIDTH - 16.0 && x > PLOT.x {
            (x, row) = (PLOT.x, row + 1);
        }
        places.push((x, row, name));
        x += width + 28.0;
    }
    places
}

impl SpectrumFigure {
    fn draw_legend(&self, scene: &mut Scene, places: &[(f64, usize, String)], palette: &Palette) {
        for (series, (x, row, name)) in self.series.iter().zip(places) {
            let y = 22.0 + *row as f64 * LEGEND_ROW;
            scene.marker(series.kind.marker(), (x + 7.0, y), 5.5, series.kind.color());
            scene.text(name, (x + 22.0, y), palette.ink, Anchor::Start);
        }
    }
}

/// Panel, rounding floor, grid, tolerance lines.
fn draw_ground(scene: &mut Scene, plot: Rect, range: &Range, palette: &Palette) {
    let lines = [("f32", range.size * EPSILON_F32), ("f64", range.size * EPSILON_F64)];
    let floor = range.y(plot, lines[1].1);
    scene.fill(plot, palette.panel);
    scene.fill(Rect { y: floor, h: plot.bottom() - floor, ..plot }, palette.floor);
    for decade in decades(range.low, 0, 9) {
        let y = range.y(plot, 10f64.powi(decade));
        scene.line(vec![(plot.x, y), (plot.right(), y)], palette.grid, 1.0);
    }
    for (name, value) in lines {
        let y = range.y(plot, value);
        scene.dashed((plot.x, y), (plot.right(), y), palette.muted, 1.5);
        scene.text(format!("{name} tolerance"), (plot.right() + 10.0, y - 10.0), palette.ink, Anchor::Start);
        scene.text(text::number(value), (plot.right() + 10.0, y + 9.0), palette.muted, Anchor::Start);
    }
    let below = (plot.right() + 10.0, (floor + plot.bottom()) / 2.0 + 12.0);
    scene.text("rounding floor", below, palette.muted, Anchor::Start);
    scene.frame(plot, palette.grid);
}

fn draw_axes(scene: &mut Scene, plot: Rect, range: &Range, palette: &Palette) {
    let mut exponents: BTreeSet<i32> = decades(range.low, 0, 9).into_iter().collect();
    if range.clipped {
        // The lowest label speaks for everything below; its neighbour gives way.
        exponents.remove(&(range.low + 1));
        exponents.insert(range.low);
    }
    for exponent in exponents {
        let below = if range.clipped && exponent == range.low { "≤ " } else { "" };
        let label = format!("{below}{}", text::power_of_ten(exponent));
        let y = range.y(plot, 10f64.powi(exponent));
        scene.text(label, (plot.x - 10.0, y), palette.muted, Anchor::End);
    }
    for index in index_ticks(range.indices) {
        let x = range.x(plot, index - 1);
        scene.line(vec![(x, plot.bottom()), (x, plot.bottom() + 5.0)], palette.muted, 1.0);
        scene.text(index.to_string(), (x, plot.bottom() + 18.0), palette.muted, Anchor::Middle);
    }
    scene.text("index i", (plot.x + plot.w / 2.0, plot.bottom() + 48.0), palette.ink, Anchor::Middle);
    let title = "singular value relative to σ₁";
    scene.upwards(title, (18.0, plot.y + plot.h / 2.0), palette.ink, Anchor::Middle);
}

/// 1, round numbers, and nothing close to 1.
fn index_ticks(indices: usize) -> Vec<usize> {
    let round = ticks(1.0, indices as f64, 10).into_iter().map(|tick| tick.round() as usize);
    let mut shown: Vec<usize> = round.filter(|&tick| tick > 1 + indices / 16).collect();
    shown.insert(0, 1);
    shown.dedup();
    shown
}

fn draw_series(scene: &mut Scene, plot: Rect, range: &Range, nth: (usize, usize), series: &Series) {
    let place = |(index, value)| (range.x(plot, index), range.y(plot, value));
    let points: Vec<Point> = series.spectrum.relative().into_iter().enumerate().map(place).collect();
    let color = series.kind.color();
    if points.len() > 1 {
        scene.line(points.clone(), color, 1.5);
    }
    for point in marked(&points, nth) {
        scene.marker(series.kind.marker(), point, 3.5, color);
    }
}
