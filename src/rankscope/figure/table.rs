//! A figure's numbers as a table, for readers who cannot see it, and for a page that shows both.

use super::Lines;
use super::html::{CellNumbers, Numbers};
use crate::numbers::short;

/// The numbers of a figure as text, with three significant digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The rows, each as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The numbers of a figure.
    pub(super) fn of(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Cells(cells) => Table::of_cells(&cells),
            Numbers::Curves(lines) => Table::of_curves(&lines),
        }
    }

    /// A row for each row of a map, under its name; a cell without a value is a dash.
    fn of_cells(CellNumbers { words: [row, column, _], rows, cols, values }: &CellNumbers) -> Self {
        let head = [format!("{row}, {column}")].into_iter().chain(cols.iter().cloned()).collect();
        let row = |(name, values): (&String, ndarray::ArrayView1<Option<f64>>)| {
            let cells = values.iter().map(|value| value.map_or("–".to_owned(), short)).collect::<Vec<_>>();
            [name.clone()].into_iter().chain(cells).collect()
        };
        Table { head, rows: rows.iter().zip(values.rows()).map(row).collect() }
    }

    /// A column for each curve if all have the same x; otherwise a row for each point of each curve.
    pub(super) fn of_curves(lines: &Lines) -> Self {
        let places = |curve: &super::Curve| curve.points.iter().map(|point| point.0).collect::<Vec<_>>();
        let y = |curve: &super::Curve, at: usize| match curve.spread.get(at) {
            Some(spread) => format!("{} ± {}", short(curve.points[at].1), short(*spread)),
            None => short(curve.points[at].1),
        };
        let x = lines.x.label.clone();
        let shared = lines.curves.first().map(places).unwrap_or_default();
        if lines.curves.iter().all(|curve| places(curve) == shared) {
            let head = [x].into_iter().chain(lines.curves.iter().map(|curve| curve.name.clone())).collect();
            let row = |(at, place): (usize, &f64)| {
                [whole_or_short(*place)]
                    .into_iter()
                    .chain(lines.curves.iter().map(|curve| y(curve, at)))
                    .collect()
            };
            return Table { head, rows: shared.iter().enumerate().map(row).collect() };
        }
        let rows = lines.curves.iter().flat_map(|curve| {
            let row =
                move |at: usize| vec![curve.name.clone(), whole_or_short(curve.points[at].0), y(curve, at)];
            (0..curve.points.len()).map(row)
        });
        Table { rows: rows.collect(), head: vec!["curve".to_owned(), x, lines.y.label.clone()] }
    }
}

/// A whole number below a million in full, and any other number in short form.
fn whole_or_short(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e6 { format!("{value}") } else { short(value) }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::style::Kind;
    use super::super::{Curve, Figure, Heatmap, Lines, PlotAxis, Scale};

    #[test]
    fn curves_over_the_same_places_share_rows() {
        let of = |curves: Vec<Curve>| Lines {
            title: "t".into(),
            x: PlotAxis::linear("n"),
            y: PlotAxis::linear("rank"),
            curves,
            references: Vec::new(),
            settings: serde_json::Value::Null,
        };
        let a = Curve::new("a", Kind::Plain, [(1.0, 2.0), (2.5, 3.0)]).with_spread([0.5, 0.25]);
        let b = Curve::new("b", Kind::Plain, [(1.0, 4.0), (2.5, 1e-5)]);
        let shared = of(vec![a.clone(), b]).table();
        assert_eq!(shared.head, ["n", "a", "b"]);
        assert_eq!(shared.rows, [["1", "2.00 ± 0.500", "4.00"], ["2.50", "3.00 ± 0.250", "1.00e-5"]]);
        let apart = of(vec![a, Curve::new("c", Kind::Plain, [(7.0, 1.0)])]).table();
        assert_eq!(apart.head, ["curve", "n", "rank"]);
        assert_eq!(apart.rows[2], ["c", "7", "1.00"]);
    }

    #[test]
    fn masked_cells_are_dashes() {
        let names = vec!["the".to_owned(), "cat".to_owned()];
        let heatmap = Heatmap {
            title: "t".into(),
            values: array![[1.0, 0.0], [0.25, 0.75]],
            may_attend: Some(array![[true, false], [true, true]]),
            queries: names.clone(),
            keys: names,
            scale: Scale::Amount,
            unit: "weight".into(),
            settings: serde_json::Value::Null,
        };
        let table = heatmap.table();
        assert_eq!(table.head, ["query, key", "the", "cat"]);
        assert_eq!(table.rows, [["the", "1.00", "–"], ["cat", "0.250", "0.750"]]);
    }
}
