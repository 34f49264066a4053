//! Tensors: axes, device, and a corner of the numbers; attention as a heatmap.

use ndarray::Array2;

use super::{Rich, escape, picture};
use crate::axis::Axis;
use crate::error::Result;
use crate::figure::{Heatmap, Scale};
use crate::numbers::short;
use crate::tensor::Tensor;

/// The most rows and columns of numbers that are shown.
const CORNER: usize = 8;
/// The most rows or columns of a matrix that is drawn.
pub(super) const DRAWN: usize = 64;

impl Rich for Tensor {
    fn text(&self) -> String {
        let head = format!("{self:?}");
        match first_matrix(self) {
            Ok(Some(matrix)) => format!("{head}{}\n{}", of_several(self), numbers_as_text(&matrix)),
            Ok(None) => head,
            Err(error) => format!("{head}: {error}"),
        }
    }

    fn html(&self) -> String {
        let head = format!("<p><code>{}</code>{}</p>", escape(&format!("{self:?}")), of_several(self));
        match first_matrix(self) {
            Ok(Some(matrix)) if is_attention(self, &matrix) => {
                head + &weights_as_html(matrix.mapv(f64::from))
            }
            Ok(Some(matrix)) => head + &numbers_as_html(&matrix),
            Ok(None) => head,
            Err(error) => format!("{head}<p>{}</p>", escape(&error.to_string())),
        }
    }
}

/// The matrix at the start of the tensor; a vector is one row. `None` if there is no number in it.
fn first_matrix(tensor: &Tensor) -> Result<Option<Array2<f32>>> {
    let sizes = tensor.shape().sizes();
    let (rows, columns) = match sizes[..] {
        [] => (1, 1),
        [columns] => (1, columns),
        [.., rows, columns] => (rows, columns),
    };
    if tensor.shape().is_empty() {
        return Ok(None);
    }
    let values = match tensor.gpu_buffer() {
        Some(buffer) => buffer.read_f32(rows * columns)?,
        None => tensor.as_slice().expect("on the CPU where it has no buffer")[..rows * columns].to_vec(),
    };
    Ok(Array2::from_shape_vec((rows, columns), values).ok())
}

/// The remark that there are more matrices than the one shown.
fn of_several(tensor: &Tensor) -> String {
    let sizes = tensor.shape().sizes();
    let matrices: usize = sizes[..sizes.len().saturating_sub(2)].iter().product();
    if matrices > 1 { format!(", the first of {matrices} matrices") } else { String::new() }
}

/// The first rows and columns of a matrix, one line for each row.
pub(super) fn numbers_as_text<F: Copy + Into<f64>>(matrix: &Array2<F>) -> String {
    let line =
        |row: Vec<String>| row.iter().map(|number| format!("{number:>9}")).collect::<Vec<_>>().join(" ");
    corner(matrix).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The same as a table.
pub(super) fn numbers_as_html<F: Copy + Into<f64>>(matrix: &Array2<F>) -> String {
    let cell = |number: &String| format!("<td>{}</td>", escape(number));
    let row = |row: &Vec<String>| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>());
    let rows: String = corner(matrix).iter().map(row).collect();
    // On a narrow page it can be scrolled sideways.
    format!("<div tabindex=\"0\" style=\"overflow-x:auto\"><table>{rows}</table></div>")
}

fn corner<F: Copy + Into<f64>>(matrix: &Array2<F>) -> Vec<Vec<String>> {
    let (rows, columns) = matrix.dim();
    let row = |t: usize| {
        let shown = columns.min(CORNER);
        let mut row: Vec<String> = (0..shown).map(|s| short(matrix[(t, s)].into())).collect();
        row.extend((columns > shown).then(|| "…".to_owned()));
        row
    };
    let mut corner: Vec<_> = (0..rows.min(CORNER)).map(row).collect();
    corner.extend((rows > CORNER).then(|| vec!["…".to_owned()]));
    corner
}

/// Whether this looks like attention weights: queries by keys, finite, and not negative.
fn is_attention(tensor: &Tensor, matrix: &Array2<f32>) -> bool {
    let axes: Vec<Axis> = tensor.shape().axes().iter().map(|(axis, _)| *axis).collect();
    let (rows, columns) = matrix.dim();
    axes.ends_with(&[Axis::Query, Axis::Key])
        && rows.max(columns) <= DRAWN
        && matrix.iter().all(|value| value.is_finite() && *value >= 0.0)
}

/// Weights of attention as a heatmap with positions as labels. Weights of exactly 0 are hatched, and the display says
/// so, because a matrix does not know its mask.
pub(super) fn weights_as_html(values: Array2<f64>) -> String {
    let (rows, columns) = values.dim();
    let may_attend = values.mapv(|weight| weight != 0.0);
    let numbers = |count: usize| (0..count).map(|position| position.to_string()).collect();
    let is_hatched = !may_attend.iter().all(|may| *may);
    let heatmap = Heatmap {
        title: "attention weights".into(),
        values,
        may_attend: Some(may_attend),
        queries: numbers(rows),
        keys: numbers(columns),
        scale: Scale::Amount,
        unit: "weight".into(),
        settings: serde_json::json!({ "version": crate::VERSION }),
    };
    let note = if is_hatched { "<p><small>Hatched: exactly 0.</small></p>" } else { "" };
    picture(&heatmap) + note
}
