//! Exports that several labs have.

use rankscope::figure::{Figure, Heatmap, Scale};
use serde_json::Value;

use crate::heatmap::Matrix;
use crate::lab::{Export, Numbers};

/// Numbers without a figure.
pub fn table(panel: &'static str, name: impl Into<String>, numbers: impl Into<Numbers>) -> Export {
    Export { panel, name: name.into(), figure: None, numbers: Some(numbers.into()) }
}

/// A figure, with its numbers where it has some of its own.
pub fn drawn(
    panel: &'static str,
    name: impl Into<String>,
    figure: impl Figure + Send + 'static,
    numbers: Option<Numbers>,
) -> Export {
    Export { panel, name: name.into(), figure: Some(Box::new(figure)), numbers }
}

/// A picture, and its numbers with the names of its rows and columns.
pub fn heatmap(panel: &'static str, name: String, figure: Heatmap) -> Export {
    let (rows, columns) = (figure.queries.clone(), figure.keys.clone());
    let numbers = Numbers { rows, columns, values: figure.values.clone() };
    drawn(panel, name, figure, Some(numbers))
}

/// A matrix as a picture whose rows and columns are numbered, and its numbers.
pub fn matrix(
    panel: &'static str,
    name: &str,
    matrix: &Matrix,
    scale: Scale,
    unit: &str,
    lesson: &Value,
) -> Export {
    let labels = |count: usize| (0..count).map(|index| index.to_string()).collect();
    let (queries, keys) = matrix.dim();
    let figure = Heatmap {
        title: name.to_owned(),
        values: matrix.values.clone(),
        may_attend: matrix.may_attend.clone(),
        queries: labels(queries),
        keys: labels(keys),
        scale,
        unit: unit.to_owned(),
        settings: lesson.clone(),
    };
    drawn(panel, name, figure, Some(matrix.values.clone().into()))
}
