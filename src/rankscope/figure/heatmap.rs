//! One attention matrix as a picture.

use ndarray::Array2;
use serde_json::Value;

use super::Drawing;
use super::grid::Grid;
use super::html::{CellNumbers, Numbers};
use super::scene::Scene;
use super::style::Theme;
use crate::error::{Error, Result};

/// The most cells along one side.
const MOST: usize = 1024;

/// The colours and the range of a [`Heatmap`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Amounts from 0 to the largest value: the sequential map.
    Amount,
    /// Amounts from 0 to a given value, so that several pictures can be compared; larger amounts
    /// have the colour of this value.
    AmountTo(f64),
    /// Differences: the diverging map, symmetric around 0.
    Difference,
}

/// Attention weights (or scores, or differences): queries down, keys across, masked cells hatched.
#[derive(Clone, Debug)]
pub struct Heatmap {
    /// The accessible name of the picture; a caption is shown beside it.
    pub title: String,
    /// The values `[T, S]`.
    pub values: Array2<f64>,
    /// Which cells may attend `[T, S]`; the others are hatched. All, where `None`.
    pub may_attend: Option<Array2<bool>>,
    /// T labels.
    pub queries: Vec<String>,
    /// S labels.
    pub keys: Vec<String>,
    /// Colours and range.
    pub scale: Scale,
    /// The quantity of the colour bar, such as "attention weight".
    pub unit: String,
    /// The settings that recreate the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl Heatmap {
    fn check(&self) -> Result<()> {
        let (rows, cols) = self.values.dim();
        let given = |n: usize, m: usize| format!("{n} × {m}");
        if rows == 0 || cols == 0 || rows > MOST || cols > MOST {
            let expected = format!("between 1 × 1 and {MOST} × {MOST}");
            return Err(Error::invalid("heatmap", given(rows, cols), expected));
        }
        if (self.queries.len(), self.keys.len()) != (rows, cols) {
            let labels = given(self.queries.len(), self.keys.len());
            return Err(Error::invalid("heatmap labels", labels, given(rows, cols)));
        }
        match &self.may_attend {
            Some(mask) if mask.dim() != (rows, cols) => {
                Err(Error::invalid("heatmap mask", given(mask.nrows(), mask.ncols()), given(rows, cols)))
            }
            _ => Ok(()),
        }
    }

    fn is_visible(&self, row: usize, col: usize) -> bool {
        self.may_attend.as_ref().is_none_or(|mask| mask[(row, col)])
    }

    /// The values at both ends of the colour bar.
    fn range(&self) -> Result<(f64, f64)> {
        let visible = self.values.indexed_iter().filter(|&((row, col), _)| self.is_visible(row, col));
        let mut largest = 0.0f64;
        for ((row, col), value) in visible {
            if !value.is_finite() {
                let expected = "a finite number";
                return Err(Error::invalid(format!("heatmap entry ({row}, {col})"), value, expected));
            }
            largest = largest.max(if self.scale == Scale::Difference { value.abs() } else { *value });
        }
        // A picture of zeros also needs a scale.
        let largest = if largest > 0.0 { largest } else { 1.0 };
        match self.scale {
            Scale::Amount => Ok((0.0, largest)),
            Scale::AmountTo(top) if top > 0.0 && top.is_finite() => Ok((0.0, top)),
            Scale::AmountTo(top) => Err(Error::invalid("top of the colour bar", top, "a number above 0")),
            Scale::Difference => Ok((-largest, largest)),
        }
    }
}

impl Drawing for Heatmap {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        self.check()?;
        let (low, high) = self.range()?;
        let map = if self.scale == Scale::Difference { theme.diverging() } else { theme.sequential() };
        let palette = theme.palette();
        let grid = Grid::new((&self.queries, &self.keys), (1000.0, 760.0), ((1.0, 1.0), (88.0, 88.0)), true);
        let mut scene = grid.scene(palette.background, (low, high));
        grid.draw_cells(&mut scene, palette, |row, col| {
            let place = (self.values[(row, col)] - low) / (high - low);
            self.is_visible(row, col).then(|| map.at(place))
        });
        grid.draw_labels(&mut scene, palette, ("queries", "keys"));
        grid.draw_bar(&mut scene, palette, map, (low, high), &self.unit);
        Ok(scene)
    }

    fn about(&self) -> (&str, &Value) {
        (&self.title, &self.settings)
    }

    fn numbers(&self) -> Result<Numbers> {
        let visible = |(at, value): ((usize, usize), &f64)| self.is_visible(at.0, at.1).then_some(*value);
        let values = self.values.indexed_iter().map(visible).collect();
        Ok(Numbers::Cells(CellNumbers {
            words: ["query".into(), "key".into(), self.unit.clone()],
            rows: self.queries.clone(),
            cols: self.keys.clone(),
            values: Array2::from_shape_vec(self.values.dim(), values).expect("a value per cell"),
        }))
    }
}
