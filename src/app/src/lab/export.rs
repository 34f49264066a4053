//! Figures and numbers that leave the app.

use ndarray::Array2;
use rankscope::figure::Figure;

/// A figure, its numbers, or both.
pub struct Export {
    /// The panel that shows it.
    pub panel: &'static str,
    /// Its name, such as `weights under prefix(4)`; also the name of the file.
    pub name: String,
    /// The figure, for SVG and PNG.
    pub figure: Option<Box<dyn Figure + Send>>,
    /// The numbers, for CSV and NPY.
    pub numbers: Option<Numbers>,
}

/// A matrix, with names where rows and columns have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// One for each row, or none.
    pub rows: Vec<String>,
    /// One for each column, or none.
    pub columns: Vec<String>,
    /// The values.
    pub values: Array2<f64>,
}

impl From<Array2<f64>> for Numbers {
    fn from(values: Array2<f64>) -> Self {
        Numbers { rows: Vec::new(), columns: Vec::new(), values }
    }
}
