//! Curves over a number, with points, spreads and reference lines.

mod look;
mod reference;

use serde_json::Value;

use super::Drawing;
use super::dash::broken;
use super::html::Numbers;
use super::legend::Legend;
use super::marked::marked;
use super::plot::{self, Plot, Tick};
use super::ruler::{AxisScale, PlotAxis, Ruler};
use super::scene::{Point, Rect, Scene};
use super::style::{Kind, Rgb, Theme};
use crate::error::{Error, Result};

use look::Look;
use reference::Above;
pub use reference::{Reference, ReferenceLine};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 440.0;
/// The most points of all curves together.
const MOST: usize = 50_000;
const MOST_CURVES: usize = 24;
const MOST_REFERENCES: usize = 12;

/// One curve of [`Lines`].
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// The kind, which determines colour and marker. Further curves of one kind get broken lines and hollow markers;
    /// several of [`Kind::Plain`] get shades and markers in order.
    pub kind: Kind,
    /// x and y, joined in this order.
    pub points: Vec<(f64, f64)>,
    /// For each point the half-length of its error bar, such as a standard deviation; empty for no error bars.
    pub spread: Vec<f64>,
    /// Whether a line joins the points; without a line every point has a marker.
    pub is_joined: bool,
}

impl Curve {
    /// A curve through `points`.
    pub fn new(name: impl Into<String>, kind: Kind, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().collect();
        Curve { name: name.into(), kind, points, spread: Vec::new(), is_joined: true }
    }

    /// The curve as points without a line.
    pub fn scattered(self) -> Self {
        Curve { is_joined: false, ..self }
    }

    /// The curve with error bars of ± `spread`, one for each point.
    pub fn with_spread(mut self, spread: impl IntoIterator<Item = f64>) -> Self {
        self.spread = spread.into_iter().collect();
        self
    }

    /// The error bars, for a vertical axis of this scale.
    fn whiskers(&self, scale: AxisScale) -> impl Iterator<Item = Whisker> + Clone {
        self.points.iter().zip(&self.spread).map(move |(&at, &spread)| Whisker::new(at, spread, scale))
    }
}

/// The error bar of one point.
#[derive(Clone, Copy)]
struct Whisker {
    /// The lower end and the upper end.
    ends: [Point; 2],
    /// Whether the spread reaches lower than the drawn error bar.
    is_open: bool,
}

impl Whisker {
    fn new((x, y): Point, spread: f64, scale: AxisScale) -> Self {
        let mut ends = [(x, y - spread), (x, y + spread)];
        let low = ends[0].1;
        let is_open = match scale {
            AxisScale::Linear => false,
            // On a logarithmic axis a value near 0 is far away, and would leave little room for everything else.
            AxisScale::Log { lowest } => low < y / 10.0 || lowest.is_some_and(|lowest| low < lowest),
        };
        if is_open && y > 0.0 {
            // The lower part is as long as the upper one: the same ratio.
            ends[0].1 = y * y / ends[1].1;
        }
        Whisker { ends, is_open }
    }

    fn draw(&self, scene: &mut Scene, plot: &Plot, color: Rgb) {
        let [low, high] = self.ends.map(|end| plot.at(end));
        scene.line(vec![low, high], color, 1.2);
        for (x, y) in [Some(low).filter(|_| !self.is_open), Some(high)].into_iter().flatten() {
            scene.line(vec![(x - 4.0, y), (x + 4.0, y)], color, 1.2);
        }
    }
}

/// Curves over one axis: points joined by thin lines, with spreads, beside reference lines.
///
/// # Conventions
/// A linear vertical axis starts at 0 if 0 is near the values. On a logarithmic axis a spread that reaches below a
/// tenth of its point, or below the axis, is drawn with equal lengths up and down, and without a cap at its lower end.
/// Curves with many points have markers only at some of them.
///
/// ```
/// use rankscope::figure::{Curve, Figure, Lines, PlotAxis, Reference, style::{Kind, Theme}};
/// let figure = Lines {
///     title: "Effective rank over n".into(),
///     x: PlotAxis::log("positions n"),
///     y: PlotAxis::linear("effective rank"),
///     curves: vec![Curve::new("causal", Kind::Causal, [(16.0, 8.6), (32.0, 21.0)]).with_spread([0.1, 0.4])],
///     references: vec![Reference::level("rank of J/n", 1.0)],
///     settings: serde_json::json!({ "seed": 7 }),
/// };
/// assert!(figure.to_svg(Theme::Dark)?.contains("rank of J/n"));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    /// The accessible name of the picture; a caption is shown beside it.
    pub title: String,
    /// The horizontal axis.
    pub x: PlotAxis,
    /// The vertical axis.
    pub y: PlotAxis,
    /// The measured curves.
    pub curves: Vec<Curve>,
    /// The lines that they are compared with.
    pub references: Vec<Reference>,
    /// The settings that recreate the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl Lines {
    fn check(&self) -> Result<()> {
        let points: usize = self.curves.iter().map(|curve| curve.points.len()).sum();
        if points == 0 || points > MOST {
            return Err(Error::invalid("points of the figure", points, format!("between 1 and {MOST}")));
        }
        let (curves, references) = (self.curves.len(), self.references.len());
        if curves > MOST_CURVES {
            return Err(Error::invalid("curves of the figure", curves, format!("at most {MOST_CURVES}")));
        }
        if references > MOST_REFERENCES {
            let expected = format!("at most {MOST_REFERENCES}");
            return Err(Error::invalid("references of the figure", references, expected));
        }
        for curve in self.curves.iter().filter(|curve| !curve.spread.is_empty()) {
            if curve.spread.len() != curve.points.len() {
                let what = format!("spreads of {}", curve.name);
                return Err(Error::invalid(what, curve.spread.len(), curve.points.len()));
            }
            if let Some(bad) = curve.spread.iter().find(|spread| !(spread.is_finite() && **spread >= 0.0)) {
                let expected = "a finite number, 0 or more";
                return Err(Error::invalid(format!("spread of {}", curve.name), bad, expected));
            }
        }
        Ok(())
    }

    fn across(&self) -> Result<Ruler> {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0));
        Ruler::new(&self.x, points.chain(self.references.iter().filter_map(Reference::x)), false)
    }

    fn up(&self) -> Result<Ruler> {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
        let scale = self.y.scale;
        let whiskers = self.curves.iter().flat_map(move |curve| curve.whiskers(scale));
        let ends = whiskers.flat_map(|whisker| whisker.ends.map(|end| end.1));
        // An end of an error bar below a logarithmic axis is not shown.
        let is_shown = move |end: &f64| match scale {
            AxisScale::Linear => true,
            AxisScale::Log { lowest } => *end > 0.0 && *end >= lowest.unwrap_or(0.0),
        };
        let ends = ends.filter(is_shown);
        Ruler::new(&self.y, points.chain(ends).chain(self.references.iter().filter_map(Reference::y)), true)
    }
}

/// The places of the parts of the figure.
struct Layout {
    plot: Plot,
    up_ticks: Vec<Tick>,
    legend: Legend,
    above: Above,
}

impl Lines {
    fn layout(&self) -> Result<Layout> {
        self.check()?;
        let (across, up) = (self.across()?, self.up()?);
        let up_ticks = up.ticks(9);
        let left = plot::room_left(&up_ticks);
        let legend = Legend::new(self.curves.iter().map(|curve| curve.name.as_str()), left, WIDTH - 16.0);
        let right = reference::room_right(&self.references);
        let area = Rect { x: left, y: 0.0, w: WIDTH - left - right, h: HEIGHT };
        let mut plot = Plot { area, across, up };
        let above = reference::above(&self.references, &plot, WIDTH);
        plot.area.y = legend.height().max(18.0) + above.height;
        Ok(Layout { plot, up_ticks, legend, above })
    }

    /// The pixels of each curve's points.
    pub(super) fn places(&self) -> Result<Vec<Vec<Point>>> {
        let plot = self.layout()?.plot;
        let of_curve = |curve: &Curve| curve.points.iter().map(|&point| plot.at(point)).collect();
        Ok(self.curves.iter().map(of_curve).collect())
    }
}

impl Drawing for Lines {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        let Layout { plot, up_ticks, legend, above } = self.layout()?;
        let palette = theme.palette();
        let across_ticks =
            plot.across.ticks_at(self.curves.iter().flat_map(|curve| curve.points.iter().map(|p| p.0)), 10);
        let mut scene = Scene::new(WIDTH, plot.area.bottom() + plot::BELOW, palette.background);
        let looks = look::looks(&self.curves, theme);
        legend.draw(&mut scene, palette.ink, |scene, index, ends| {
            looks[index].draw(scene, &ends, palette.background)
        });
        plot.draw_ground(&mut scene, palette, &up_ticks);
        reference::draw(&mut scene, palette, &plot, &self.references, &above);
        plot.draw_axes(&mut scene, palette, (&across_ticks, &up_ticks), (&self.x.label, &self.y.label));
        for (index, (curve, look)) in self.curves.iter().zip(&looks).enumerate() {
            curve.whiskers(self.y.scale).for_each(|whisker| whisker.draw(&mut scene, &plot, look.color));
            draw_curve(&mut scene, &plot, (curve, look), (index, looks.len()), palette.panel);
        }
        Ok(scene)
    }

    fn about(&self) -> (&str, &Value) {
        (&self.title, &self.settings)
    }

    fn numbers(&self) -> Result<Numbers> {
        Ok(Numbers::Curves(self.clone()))
    }

    fn curves(&self) -> Option<&Lines> {
        Some(self)
    }
}

/// Draws the line, if there is one, and the markers of the `nth` curve.
fn draw_curve(
    scene: &mut Scene,
    plot: &Plot,
    (curve, look): (&Curve, &Look),
    nth: (usize, usize),
    ground: Rgb,
) {
    let points: Vec<Point> = curve.points.iter().map(|&point| plot.at(point)).collect();
    if points.len() > 1 && curve.is_joined {
        for piece in broken(&points, look.dash) {
            scene.line(piece, look.color, 1.6);
        }
    }
    for point in if curve.is_joined { marked(&points, nth) } else { points } {
        look.draw_marker(scene, point, 4.0, ground);
    }
}
