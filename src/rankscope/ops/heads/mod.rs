//! Splits one wide vector for each position into heads, and merges heads again.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::tape;
use crate::tensor::Tensor;

/// Cuts the innermost axis into heads and moves the heads outward: y\[b, h, t, d\] = x\[b, t, h·D + d\].
///
/// **Shapes**: x `[B, T, HD]` gives `[B, H, T, D]`; x `[B, T, GD]` gives `[B, G, T, D]`.
///
/// # Errors
/// [`Error::Axes`] for other axes, [`Error::Invalid`] if `heads` does not divide the width.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::split_heads};
/// let x = Tensor::new([(Axis::Batch, 1), (Axis::Query, 2), (Axis::HeadWidth, 2)], vec![1., 2., 3., 4.])?;
/// assert_eq!(split_heads(&x, 2)?.to_vec()?, [1., 3., 2., 4.]); // [B, H, T, D]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let [(Axis::Batch, batch), (Axis::Query, queries), (wide @ (Axis::HeadWidth | Axis::KvWidth), width)] =
        *x.shape().axes()
    else {
        let (expected, got) = ("[B, T, HD] or [B, T, GD]".to_owned(), x.shape().letters());
        return Err(Error::Axes { op: "split_heads", argument: "x", expected, got });
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(Error::invalid("number of heads", heads, format!("a divisor of the width {width}")));
    }
    let axis = if wide == Axis::HeadWidth { Axis::Head } else { Axis::KvHead };
    let size = width / heads;
    let shape =
        Shape::new([(Axis::Batch, batch), (axis, heads), (Axis::Query, queries), (Axis::HeadSize, size)]);
    swap_middle("split_heads", x, [batch, queries, heads, size], shape)
}

/// Puts the heads side by side again: y\[b, t, h·D + d\] = x\[b, h, t, d\].
///
/// **Shapes**: x `[B, H, T, D]` gives `[B, T, HD]`.
///
/// # Errors
/// [`Error::Axes`] for other axes.
pub fn merge_heads(x: &Tensor) -> Result<Tensor> {
    let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::HeadSize];
    let [batch, heads, queries, size] = x.shape().expect("merge_heads", "x", axes)?;
    let shape = Shape::new([(Axis::Batch, batch), (Axis::Query, queries), (Axis::HeadWidth, heads * size)]);
    swap_middle("merge_heads", x, [batch, heads, queries, size], shape)
}

/// The matrix with rows and columns exchanged.
///
/// **Shapes**: x of two axes, result with their order exchanged.
///
/// # Errors
/// [`Error::Axes`] for another number of axes.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::transpose};
/// let x = Tensor::new([(Axis::Row, 2), (Axis::Column, 2)], vec![1., 2., 3., 4.])?;
/// assert_eq!(transpose(&x)?.to_vec()?, [1., 3., 2., 4.]); // [M, N]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn transpose(x: &Tensor) -> Result<Tensor> {
    let [row, column] = *x.shape().axes() else {
        let (expected, got) = ("two axes".to_owned(), x.shape().letters());
        return Err(Error::Axes { op: "transpose", argument: "x", expected, got });
    };
    swap_middle("transpose", x, [1, row.1, column.1, 1], Shape::new([column, row]))
}

/// y\[i, k, j\] = x\[i, j, k\] for sizes `[outer, j, k, inner]`; the gradient goes back the same way.
fn swap_middle(op: &'static str, x: &Tensor, sizes: [usize; 4], shape: Shape) -> Result<Tensor> {
    let (tape, [x]) = tape::begin(op, [x.clone()])?;
    let y = match x.as_slice() {
        Some(values) => {
            let mut y = any_values(values.len());
            cpu::swap_middle(values, sizes, &mut y);
            Tensor::on_cpu(shape, y)
        }
        None => gpu::permute(&x, sizes, shape)?,
    };
    let ([outer, j, k, inner], back) = (sizes, x.shape().clone());
    Ok(tape::record(tape, y, move |dy| Ok([Some(swap_middle(op, dy, [outer, k, j, inner], back)?)])))
}
