//! A difference over two parameters: the regions where either side is ahead, and the border between them.

use ndarray::{Array2, s};
use serde_json::Value;

use super::contour::sign_change;
use super::grid::Grid;
use super::html::{CellNumbers, Numbers};
use super::legend::Legend;
use super::scene::{Point, Rect, Scene};
use super::style::{Palette, Theme};
use super::{Drawing, plot, ruler};
use crate::error::{Error, Result};

const PLOT: (f64, f64) = (720.0, 560.0);
/// The most cells along one axis.
const MOST: usize = 200;

/// One axis of a [`PhaseMap`].
#[derive(Clone, Debug)]
pub struct MapAxis {
    /// The quantity, with its unit.
    pub label: String,
    /// One value per cell, ascending; with equal ratios the axis is logarithmic.
    pub values: Vec<f64>,
}

/// A difference in cells over two parameters, with the line on which it changes its sign.
///
/// # Conventions
/// All cells have the same size, each labelled with its own value. The diverging colours have zero in the middle and
/// the same range on both sides. Between the centres of cells the line of zero is interpolated linearly. A cell without
/// a value is hatched.
#[derive(Clone, Debug)]
pub struct PhaseMap {
    /// The accessible name of the picture; a caption is shown beside it.
    pub title: String,
    /// The horizontal axis, X cells.
    pub x: MapAxis,
    /// The vertical axis, Y cells.
    pub y: MapAxis,
    /// The differences `[Y, X]`, the first row at the bottom.
    pub values: Array2<Option<f64>>,
    /// The quantity of the colour bar, such as "causal − bidirectional effective rank".
    pub unit: String,
    /// The meaning of the line of zero, such as "equal effective rank".
    pub border: String,
    /// The settings that recreate the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl PhaseMap {
    fn check(&self) -> Result<()> {
        let expected = (self.y.values.len(), self.x.values.len());
        let (rows, cols) = self.values.dim();
        if (rows, cols) != expected {
            let expected = format!("{} × {}", expected.0, expected.1);
            return Err(Error::invalid("cells of the map", format!("{rows} × {cols}"), expected));
        }
        if rows == 0 || cols == 0 || rows > MOST || cols > MOST {
            let expected = format!("between 1 × 1 and {MOST} × {MOST}");
            return Err(Error::invalid("cells of the map", format!("{rows} × {cols}"), expected));
        }
        for axis in [&self.x, &self.y] {
            if !axis.values.iter().all(|value| value.is_finite()) || !axis.values.is_sorted_by(|a, b| a < b) {
                return Err(Error::invalid(&axis.label, format!("{:?}", axis.values), "ascending numbers"));
            }
        }
        match self.values.indexed_iter().find(|(_, value)| value.is_some_and(|value| !value.is_finite())) {
            Some((at, Some(value))) => {
                Err(Error::invalid(format!("cell {at:?} of the map"), value, "a finite number"))
            }
            _ => Ok(()),
        }
    }

    /// The value at either end of the colour bar.
    fn reach(&self) -> f64 {
        let largest = self.values.iter().flatten().fold(0.0, |reach, value| f64::max(reach, value.abs()));
        // A map of zeros also needs a scale.
        if largest > 0.0 { largest } else { 1.0 }
    }

    fn has_holes(&self) -> bool {
        self.values.iter().any(Option::is_none)
    }
}

impl Drawing for PhaseMap {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        self.check()?;
        let (palette, map, reach) = (theme.palette(), theme.diverging(), self.reach());
        let (rows, cols) = self.values.dim();
        let up: Vec<String> = self.y.values.iter().map(|&value| ruler::label(value)).collect();
        let left = plot::room_left(&up.iter().map(|name| (0.0, name.clone())).collect::<Vec<_>>());
        let border = sign_change(&self.values);
        let entries = self.entries(!border.is_empty());
        let legend = Legend::new(entries.iter().map(|entry| entry.1.as_str()), left, left + PLOT.0 + 120.0);
        // Whole pixels, so that no seams are visible.
        let cell = ((PLOT.0 / cols as f64).floor().max(1.0), (PLOT.1 / rows as f64).floor().max(1.0));
        let area =
            Rect { x: left, y: legend.height() + 18.0, w: cell.0 * cols as f64, h: cell.1 * rows as f64 };
        let grid = Grid::without_labels(area, (rows, cols));
        let width = grid.scene(palette.background, (-reach, reach)).width.max(left + PLOT.0 + 140.0);
        let mut scene = Scene::new(width, area.bottom() + plot::BELOW, palette.background);
        legend
            .draw(&mut scene, palette.ink, |scene, index, ends| entries[index].0.draw(scene, ends, palette));
        grid.draw_cells(&mut scene, palette, |row, col| {
            self.values[(rows - 1 - row, col)].map(|value| map.at(0.5 + 0.5 * value / reach))
        });
        let at = |(col, row): Point| (area.x + (col + 0.5) * cell.0, area.bottom() - (row + 0.5) * cell.1);
        draw_border(&mut scene, palette, &border.iter().map(|ends| ends.map(at)).collect::<Vec<_>>());
        self.draw_axes(&mut scene, palette, area, cell, &up);
        grid.draw_bar(&mut scene, palette, map, (-reach, reach), &self.unit);
        Ok(scene)
    }

    fn about(&self) -> (&str, &Value) {
        (&self.title, &self.settings)
    }

    fn numbers(&self) -> Result<Numbers> {
        let labels = |axis: &MapAxis| axis.values.iter().map(|&value| ruler::label(value)).collect();
        let mut rows: Vec<String> = labels(&self.y);
        rows.reverse();
        Ok(Numbers::Cells(CellNumbers {
            words: [self.y.label.clone(), self.x.label.clone(), self.unit.clone()],
            rows,
            cols: labels(&self.x),
            // The first row is at the bottom.
            values: self.values.slice(s![..;-1, ..]).to_owned(),
        }))
    }
}

impl PhaseMap {
    fn entries(&self, has_border: bool) -> Vec<(Swatch, String)> {
        let border = has_border.then(|| (Swatch::Border, format!("sign change: {}", self.border)));
        let hole = self.has_holes().then(|| (Swatch::Hole, "not computed".to_owned()));
        border.into_iter().chain(hole).collect()
    }

    fn draw_axes(&self, scene: &mut Scene, palette: &Palette, area: Rect, cell: (f64, f64), up: &[String]) {
        let across: Vec<String> = self.x.values.iter().map(|&value| ruler::label(value)).collect();
        let centre = |index: usize, size: f64| (index as f64 + 0.5) * size;
        let across: Vec<_> =
            across.iter().enumerate().map(|(i, name)| (area.x + centre(i, cell.0), name.as_str())).collect();
        let up: Vec<_> = up
            .iter()
            .enumerate()
            .map(|(i, name)| (area.bottom() - centre(i, cell.1), name.as_str()))
            .collect();
        plot::draw_ticks(scene, palette, area, (&across, &up));
        plot::draw_titles(scene, palette, area, (&self.x.label, &self.y.label));
    }
}

/// The sample of a legend entry.
enum Swatch {
    Border,
    Hole,
}

impl Swatch {
    fn draw(&self, scene: &mut Scene, [from, to]: [Point; 2], palette: &Palette) {
        match self {
            Swatch::Border => draw_border(scene, palette, &[[from, to]]),
            Swatch::Hole => {
                let area = Rect { x: from.0, y: from.1 - 9.0, w: to.0 - from.0, h: 18.0 };
                scene.fill(area, palette.panel);
                scene.hatch(area, palette.hatch);
                scene.frame(area, palette.grid);
            }
        }
    }
}

/// The line is drawn over a wider one in the background colour, so that it is visible on every colour.
fn draw_border(scene: &mut Scene, palette: &Palette, segments: &[[Point; 2]]) {
    for (color, width) in [(palette.background, 5.0), (palette.ink, 2.2)] {
        for ends in segments {
            scene.line(ends.to_vec(), color, width);
        }
    }
}
