//! Reference lines, with which measurements are compared: dashed lines with their names beside them.

use super::super::dash::{broken, clipped};
use super::super::plot::Plot;
use super::super::scene::{Anchor, Point, Rect, Scene, TEXT, standard_width};
use super::super::style::Palette;
use super::super::text;

/// The distance between the centres of two names, one below the other.
const LINE: f64 = 1.25 * TEXT;
/// The widest name beside the plot.
const MOST_WIDE: f64 = 250.0;

/// A line that was not measured: a bound, a theory, a floor.
#[derive(Clone, Debug)]
pub struct Reference {
    name: String,
    line: ReferenceLine,
}

/// The shape of a [`Reference`].
#[derive(Clone, Debug, PartialEq)]
pub enum ReferenceLine {
    /// A level y.
    Level(f64),
    /// A level y below which the plot is shaded.
    Floor(f64),
    /// An upright line at x.
    At(f64),
    /// A curve.
    Curve(Vec<(f64, f64)>),
}

impl Reference {
    /// A level y; the axis is extended to include it.
    pub fn level(name: impl Into<String>, y: f64) -> Self {
        Reference { name: name.into(), line: ReferenceLine::Level(y) }
    }

    /// A level y below which the plot is shaded, such as the rounding floor.
    pub fn floor(name: impl Into<String>, y: f64) -> Self {
        Reference { name: name.into(), line: ReferenceLine::Floor(y) }
    }

    /// An upright line at x, such as a threshold.
    pub fn at(name: impl Into<String>, x: f64) -> Self {
        Reference { name: name.into(), line: ReferenceLine::At(x) }
    }

    /// A curve, such as a bound; parts outside the range of the measurements are cut off.
    pub fn curve(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Reference { name: name.into(), line: ReferenceLine::Curve(points.into_iter().collect()) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shape, for a surface that draws it itself.
    pub fn line(&self) -> &ReferenceLine {
        &self.line
    }

    /// The x that the plot must show.
    pub(super) fn x(&self) -> Option<f64> {
        if let ReferenceLine::At(x) = self.line { Some(x) } else { None }
    }

    /// The y that the plot must show.
    pub(super) fn y(&self) -> Option<f64> {
        if let ReferenceLine::Level(y) | ReferenceLine::Floor(y) = self.line { Some(y) } else { None }
    }

    /// The pixels of the line, inside the plot.
    fn parts(&self, plot: &Plot) -> Vec<Vec<Point>> {
        let area = plot.area;
        match &self.line {
            ReferenceLine::Level(y) | ReferenceLine::Floor(y) => {
                let y = plot.at((0.0, *y)).1;
                vec![vec![(area.x, y), (area.right(), y)]]
            }
            ReferenceLine::At(x) => {
                let x = plot.at((*x, 0.0)).0;
                vec![vec![(x, area.bottom()), (x, area.y)]]
            }
            ReferenceLine::Curve(points) => {
                let usable = points.iter().filter(|(x, y)| !x.is_nan() && !y.is_nan());
                clipped(&usable.map(|&point| plot.beyond(point)).collect::<Vec<_>>(), area)
            }
        }
    }
}

/// Names above the plot: the place of each reference's name, and their total height.
pub(super) struct Above {
    pub height: f64,
    places: Vec<Option<Point>>,
}

fn fitted(reference: &Reference) -> String {
    text::fit(&reference.name, TEXT, MOST_WIDE)
}

/// The space for names beside the plot.
pub(super) fn room_right(references: &[Reference]) -> f64 {
    let beside = references.iter().filter(|reference| reference.x().is_none());
    let widest = beside.map(|reference| standard_width(&fitted(reference))).fold(0.0, f64::max);
    if widest > 0.0 { (widest + 34.0).ceil() } else { 26.0 }
}

/// Places the names of vertical lines above them, in as many rows as are needed to avoid overlaps. Heights count from
/// the top of the plot.
pub(super) fn above(references: &[Reference], plot: &Plot, width: f64) -> Above {
    let mut rows: Vec<Vec<(f64, f64)>> = Vec::new();
    let place = |reference: &Reference| {
        let half = standard_width(&fitted(reference)) / 2.0 + 8.0;
        let x = plot.at((reference.x()?, 0.0)).0.clamp(half + 34.0, width - half);
        let is_free =
            |row: &Vec<(f64, f64)>| row.iter().all(|&(from, to)| x + half <= from || to <= x - half);
        let row = rows.iter().position(is_free).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(Vec::new());
        }
        rows[row].push((x - half, x + half));
        Some((x, -18.0 - row as f64 * LINE))
    };
    let places = references.iter().map(place).collect();
    Above { height: if rows.is_empty() { 0.0 } else { rows.len() as f64 * LINE + 14.0 }, places }
}

/// Draws shades, lines and names.
pub(super) fn draw(
    scene: &mut Scene,
    palette: &Palette,
    plot: &Plot,
    references: &[Reference],
    above: &Above,
) {
    for reference in references {
        if let ReferenceLine::Floor(y) = reference.line {
            let y = plot.at((0.0, y)).1;
            scene.fill(Rect { y, h: plot.area.bottom() - y, ..plot.area }, palette.floor);
        }
    }
    let right = plot.area.right();
    let mut beside = Vec::new();
    for (reference, place) in references.iter().zip(&above.places) {
        let parts = reference.parts(plot);
        for piece in parts.iter().flat_map(|part| broken(part, &[9.0, 6.0])) {
            scene.line(piece, palette.muted, 1.6);
        }
        let end = parts.last().and_then(|part| part.last().copied());
        match place {
            Some((x, y)) => {
                scene.text(fitted(reference), (*x, plot.area.y + y), palette.ink, Anchor::Middle);
            }
            // A curve with no part inside the plot has its name at the plot's upper end.
            None => beside.push((end.unwrap_or((right, plot.area.y)), fitted(reference))),
        }
    }
    beside.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    let heights = apart(&beside.iter().map(|(end, _)| end.1).collect::<Vec<_>>(), plot.area);
    for ((end, name), y) in beside.into_iter().zip(heights) {
        scene.line(vec![end, (right + 10.0, y)], palette.muted, 1.0);
        scene.text(name, (right + 15.0, y), palette.ink, Anchor::Start);
    }
}

/// Ascending heights near `wanted`, far enough from each other, and inside `area` if there is enough room.
fn apart(wanted: &[f64], area: Rect) -> Vec<f64> {
    let mut heights: Vec<f64> = wanted.to_vec();
    for i in 1..heights.len() {
        heights[i] = heights[i].max(heights[i - 1] + LINE);
    }
    let mut limit = area.bottom();
    for height in heights.iter_mut().rev() {
        *height = height.min(limit);
        limit = *height - LINE;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_inside() {
        let area = Rect { x: 0.0, y: 0.0, w: 10.0, h: 100.0 };
        assert_eq!(apart(&[10.0, 50.0], area), [10.0, 50.0]);
        assert_eq!(apart(&[10.0, 12.0, 40.0], area), [10.0, 30.0, 50.0]);
        assert_eq!(apart(&[95.0, 99.0], area), [80.0, 100.0]);
    }
}
