//! [`Painted`]: the cells of a mask that were painted by hand, and the strokes that paint them.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::state::MOST_POSITIONS;

/// Query and key.
pub type Cell = (usize, usize);

/// Painted cells: whether each may attend, whatever the rule says.
///
/// A file has them as runs `[query, first key, last key, 1 or 0]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[usize; 4]>", into = "Vec<[usize; 4]>")]
pub struct Painted(BTreeMap<Cell, bool>);

impl Painted {
    /// How many cells are painted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The pattern of a rule, painted over.
    pub fn over(&self, mut pattern: Array2<bool>) -> Array2<bool> {
        for (&cell, &may) in &self.0 {
            if let Some(place) = pattern.get_mut(cell) {
                *place = may;
            }
        }
        pattern
    }

    /// Neighbouring cells of a row with the same value, as runs.
    pub fn runs(&self) -> Vec<[usize; 4]> {
        let mut runs: Vec<[usize; 4]> = Vec::new();
        for (&(query, key), &may) in &self.0 {
            match runs.last_mut() {
                Some([row, _, last, value])
                    if *row == query && *last + 1 == key && *value == usize::from(may) =>
                {
                    *last = key;
                }
                _ => runs.push([query, key, key, usize::from(may)]),
            }
        }
        runs
    }

    /// Paints what `stroke` covers of `pattern`, the mask as it is.
    pub fn paint(&mut self, stroke: &Stroke, pattern: &Array2<bool>) {
        let inside = |&(query, key): &Cell| query < pattern.nrows() && key < pattern.ncols();
        for (query, key) in stroke.cells(pattern).into_iter().filter(inside) {
            self.0.insert((query, key), stroke.may);
            if stroke.mirror {
                self.0.insert((key, query), stroke.may);
            }
        }
    }
}

impl From<Painted> for Vec<[usize; 4]> {
    fn from(painted: Painted) -> Self {
        painted.runs()
    }
}

impl TryFrom<Vec<[usize; 4]>> for Painted {
    type Error = String;

    fn try_from(runs: Vec<[usize; 4]>) -> Result<Self, String> {
        let mut cells = BTreeMap::new();
        for run @ [query, first, last, may] in runs {
            if query >= MOST_POSITIONS || last >= MOST_POSITIONS || first > last || may > 1 {
                return Err(format!(
                    "painted run {run:?}, expected [query, first key, last key, 1 or 0] with positions below {MOST_POSITIONS}"
                ));
            }
            cells.extend((first..=last).map(|key| ((query, key), may == 1)));
        }
        Ok(Painted(cells))
    }
}

/// The tool that paints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// A square that follows the pointer.
    #[default]
    Brush,
    /// All cells between two corners.
    Rectangle,
    /// All cells that are connected with one and have its value.
    Fill,
}

/// One movement of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stroke {
    /// The tool that paints.
    pub tool: Tool,
    /// Where it starts.
    pub from: Cell,
    /// Where it ends.
    pub to: Cell,
    /// Side of the brush in cells.
    pub size: usize,
    /// Whether the painted cells may attend.
    pub may: bool,
    /// Whether the cells mirrored at the diagonal are painted, too.
    pub mirror: bool,
}

impl Stroke {
    fn cells(&self, pattern: &Array2<bool>) -> Vec<Cell> {
        match self.tool {
            Tool::Brush => {
                line(self.from, self.to).into_iter().flat_map(|cell| square(cell, self.size)).collect()
            }
            Tool::Rectangle => {
                let range = |a: usize, b: usize| a.min(b)..=a.max(b);
                let keys = range(self.from.1, self.to.1);
                range(self.from.0, self.to.0)
                    .flat_map(|query| keys.clone().map(move |key| (query, key)))
                    .collect()
            }
            Tool::Fill => region(self.to, pattern),
        }
    }
}

/// The cells from one to another without a gap.
fn line((query, key): Cell, (last_query, last_key): Cell) -> Vec<Cell> {
    let steps = query.abs_diff(last_query).max(key.abs_diff(last_key)).min(MOST_POSITIONS);
    let between = |from: usize, to: usize, step: usize| {
        let part = step as f64 / steps.max(1) as f64;
        (from as f64 + (to as f64 - from as f64) * part).round() as usize
    };
    (0..=steps).map(|step| (between(query, last_query, step), between(key, last_key, step))).collect()
}

/// The cells of a brush `size` cells wide around a cell.
fn square((query, key): Cell, size: usize) -> impl Iterator<Item = Cell> {
    let before = size.clamp(1, 64) / 2;
    let range = move |at: usize| (at + 1).saturating_sub(size.clamp(1, 64) - before)..=at + before;
    range(query).flat_map(move |query| range(key).map(move |key| (query, key)))
}

/// The cells that are connected with `start`, side by side, and have its value.
fn region(start: Cell, pattern: &Array2<bool>) -> Vec<Cell> {
    let Some(&value) = pattern.get(start) else { return Vec::new() };
    let mut seen = Array2::from_elem(pattern.dim(), false);
    let (mut stack, mut cells) = (vec![start], Vec::new());
    seen[start] = true;
    while let Some((query, key)) = stack.pop() {
        cells.push((query, key));
        let neighbours =
            [(query.wrapping_sub(1), key), (query + 1, key), (query, key.wrapping_sub(1)), (query, key + 1)];
        for cell in neighbours {
            if pattern.get(cell) == Some(&value) && !seen[cell] {
                seen[cell] = true;
                stack.push(cell);
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use rankscope::Mask;

    use super::*;

    fn painted(strokes: &[Stroke], rule: &Mask, n: usize) -> Array2<bool> {
        let mut painted = Painted::default();
        for stroke in strokes {
            painted.paint(stroke, &painted.over(rule.pattern(n)));
        }
        let runs: Vec<[usize; 4]> = painted.clone().into();
        assert_eq!(Painted::try_from(runs).unwrap(), painted);
        painted.over(rule.pattern(n))
    }

    fn stroke(tool: Tool, from: Cell, to: Cell) -> Stroke {
        Stroke { tool, from, to, size: 1, may: true, mirror: false }
    }

    #[test]
    fn a_brush_leaves_no_gap_and_paints_as_wide_as_it_is() {
        let none = !Mask::bidirectional();
        let slanted = painted(&[stroke(Tool::Brush, (1, 0), (3, 7))], &none, 8);
        assert!((0..8).all(|key| slanted.column(key).iter().filter(|&&may| may).count() == 1));
        for (size, count) in [(1, 1), (2, 4), (3, 9)] {
            let dot = painted(&[Stroke { size, ..stroke(Tool::Brush, (4, 4), (4, 4)) }], &none, 8);
            assert_eq!(dot.iter().filter(|&&may| may).count(), count, "{size}");
        }
        let corner = painted(&[Stroke { size: 5, ..stroke(Tool::Brush, (0, 7), (0, 7)) }], &none, 8);
        assert_eq!(corner.iter().filter(|&&may| may).count(), 9);
    }

    #[test]
    fn a_rectangle_is_mirrored_at_the_diagonal() {
        let rule = !Mask::bidirectional();
        let both = painted(&[Stroke { mirror: true, ..stroke(Tool::Rectangle, (5, 2), (4, 0)) }], &rule, 6);
        for (query, key) in [(4, 0), (5, 2), (0, 4), (2, 5)] {
            assert!(both[(query, key)]);
        }
        assert_eq!(both.iter().filter(|&&may| may).count(), 12);
    }

    #[test]
    fn a_region_is_filled_up_to_its_border() {
        // The future is one region, and the past with the diagonal is the other.
        let all = painted(&[stroke(Tool::Fill, (0, 3), (0, 3))], &Mask::causal(), 5);
        assert!(all.iter().all(|&may| may));
        let none =
            painted(&[Stroke { may: false, ..stroke(Tool::Fill, (4, 0), (4, 0)) }], &Mask::causal(), 5);
        assert!(!none.iter().any(|&may| may));
        let beyond = painted(&[stroke(Tool::Fill, (9, 9), (9, 9))], &Mask::causal(), 5);
        assert_eq!(beyond, Mask::causal().pattern(5));
    }

    #[test]
    fn what_is_no_run_is_named() {
        for run in [[0, 3, 2, 1], [9999, 0, 0, 1], [0, 0, 9999, 1], [0, 0, 0, 2]] {
            assert!(Painted::try_from(vec![run]).unwrap_err().contains(&format!("{run:?}")));
        }
        assert_eq!(Painted::try_from(vec![[3, 0, 4, 1]]).unwrap().len(), 5);
    }
}
