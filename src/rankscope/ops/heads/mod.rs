//! From one wide vector a position to heads, and back.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
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
    match x.as_slice() {
        Some(values) => {
            let mut y = any_values(values.len());
            cpu::swap_middle(values, [batch, queries, heads, size], &mut y);
            Ok(Tensor::on_cpu(shape, y))
        }
        None => gpu::permute(x, [batch, queries, heads, size], shape),
    }
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
    match x.as_slice() {
        Some(values) => {
            let mut y = any_values(values.len());
            cpu::swap_middle(values, [batch, heads, queries, size], &mut y);
            Ok(Tensor::on_cpu(shape, y))
        }
        None => gpu::permute(x, [batch, heads, queries, size], shape),
    }
}
