//! One number for each layer and head, written into its cell.

use ndarray::Array2;
use serde_json::Value;

use super::grid::Grid;
use super::html::{CellNumbers, Numbers};
use super::scene::{Anchor, Scene, standard_width};
use super::style::{Rgb, Theme, contrast};
use super::{Drawing, text};
use crate::error::{Error, Result};
use crate::model::heads::{HeadReport, attention_of};

/// A metric over layers (down) and heads (across), such as "effective rank"; `None` is hatched.
///
/// # Conventions
/// Rows have the names in `layers`: those of one stack, or of several, one below the other.
#[derive(Clone, Debug)]
pub struct Wall {
    /// The accessible name of the picture; a caption is shown beside it.
    pub title: String,
    /// The values `[L, H]`, none negative.
    pub values: Array2<Option<f64>>,
    /// L names of rows: `L0` and so on, or `decoder 0` where there are several stacks.
    pub layers: Vec<String>,
    /// The quantity of the numbers.
    pub unit: String,
    /// The settings that recreate the figure: version, device, dtype, seed, parameters.
    pub settings: Value,
}

impl Wall {
    /// The names of the layers of one stack: `L0`, `L1` and so on.
    pub fn one_stack(layers: usize) -> Vec<String> {
        (0..layers).map(|layer| format!("L{layer}")).collect()
    }

    /// The effective rank of every head as a figure, a row for each name of weights.
    pub fn of(title: &str, reports: &[HeadReport]) -> Self {
        let mut names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
        names.dedup();
        let heads = reports.iter().map(|report| report.head + 1).max().unwrap_or(0);
        let mut values = Array2::from_elem((names.len(), heads), None);
        for report in reports {
            let row = names.iter().position(|name| *name == report.name).expect("its own name");
            values[(row, report.head)] = Some(report.report.effective_rank);
        }
        Wall {
            title: title.to_owned(),
            values,
            layers: names.into_iter().map(|name| attention_of(name).to_owned()).collect(),
            unit: "effective rank".to_owned(),
            settings: serde_json::json!({ "version": crate::VERSION }),
        }
    }

    /// The names of its columns.
    fn heads(&self) -> Vec<String> {
        (0..self.values.ncols()).map(|head| format!("H{head}")).collect()
    }

    /// The values at both ends of the colour bar: from 0, so that colours compare as amounts.
    fn range(&self) -> Result<(f64, f64)> {
        let (layers, heads) = self.values.dim();
        if layers == 0 || heads == 0 {
            return Err(Error::invalid("wall", format!("{layers} × {heads}"), "a layer and a head or more"));
        }
        if self.layers.len() != layers {
            return Err(Error::invalid("names of the wall's layers", self.layers.len(), layers));
        }
        let mut largest = 0.0f64;
        for ((layer, head), value) in self.values.indexed_iter() {
            if let Some(value) = value.filter(|value| !value.is_finite() || *value < 0.0) {
                let what = format!("{} of {}, head {head}", self.unit, self.layers[layer]);
                return Err(Error::invalid(what, value, "a finite number, 0 or more"));
            }
            largest = largest.max(value.unwrap_or(0.0));
        }
        Ok((0.0, if largest > 0.0 { largest } else { 1.0 }))
    }

    /// The numbers as text, if the widest of them fits into `cell`.
    fn notes(&self, cell: f64) -> Option<Array2<String>> {
        let notes = self.values.map(|value| value.map_or(String::new(), text::number));
        let widest = notes.iter().map(|note| standard_width(note)).fold(0.0, f64::max);
        (widest <= cell - 6.0).then_some(notes)
    }
}

impl Drawing for Wall {
    fn scene(&self, theme: Theme) -> Result<Scene> {
        let (low, high) = self.range()?;
        let (palette, map) = (theme.palette(), theme.sequential());
        let grid =
            Grid::new((&self.layers, &self.heads()), (1000.0, 640.0), ((8.0, 8.0), (120.0, 44.0)), false);
        let mut scene = grid.scene(palette.background, (low, high));
        let color = |value: f64| map.at(value / high);
        grid.draw_cells(&mut scene, palette, |row, col| self.values[(row, col)].map(color));
        if let Some(notes) = self.notes(grid.cell(0, 0).w).filter(|_| grid.cell(0, 0).h >= 20.0) {
            for ((row, col), note) in notes.indexed_iter().filter(|(_, note)| !note.is_empty()) {
                let cell = grid.cell(row, col);
                let ink = legible(color(self.values[(row, col)].unwrap_or(0.0)));
                scene.text(note, (cell.x + cell.w / 2.0, cell.y + cell.h / 2.0), ink, Anchor::Middle);
            }
        }
        grid.draw_labels(&mut scene, palette, ("layers", "heads"));
        grid.draw_bar(&mut scene, palette, map, (low, high), &self.unit);
        Ok(scene)
    }

    fn about(&self) -> (&str, &Value) {
        (&self.title, &self.settings)
    }

    fn numbers(&self) -> Result<Numbers> {
        Ok(Numbers::Cells(CellNumbers {
            words: ["layer".into(), "head".into(), self.unit.clone()],
            rows: self.layers.clone(),
            cols: self.heads(),
            values: self.values.clone(),
        }))
    }
}

/// Black or white, whichever reads better on `ground`.
fn legible(ground: Rgb) -> Rgb {
    [[0x10; 3], [0xff; 3]]
        .into_iter()
        .max_by(|&a, &b| contrast(a, ground).total_cmp(&contrast(b, ground)))
        .unwrap_or([0x10; 3])
}
