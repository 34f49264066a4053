//! Biases of scores that depend on the distance of query and key.

mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::ops::expect_size;
use crate::tape;
use crate::tensor::Tensor;

/// A bias for every pair, from one for every distance: y\[h, t, s\] = bias\[h, s − t + T − 1\].
///
/// The bias depends on the relative position alone: each head's T × S matrix is constant along its diagonals, so T + S
/// − 1 numbers determine it.
///
/// **Shapes**: bias `[H, P]` with P = T + S − 1, from the farthest key before a query to the farthest key after it:
/// entry p is for s − t = p − (T − 1), counted in indices; result `[H, T, S]`.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the bias does not fit T and S;
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::spread_by_distance};
/// let bias = Tensor::new([(Axis::Head, 1), (Axis::Position, 4)], vec![-1., 0., 1., 2.])?;
/// assert_eq!(spread_by_distance(&bias, 2, 3)?.to_vec()?, [0., 1., 2., -1., 0., 1.]); // [H, T = 2, S = 3]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn spread_by_distance(bias: &Tensor, queries: usize, keys: usize) -> Result<Tensor> {
    const OP: &str = "spread_by_distance";
    let [heads, got] = bias.shape().expect(OP, "bias", [Axis::Head, Axis::Position])?;
    let expected = (queries + keys).saturating_sub(1);
    expect_size(OP, "bias", Axis::Position, expected, got)?;
    let shape = Shape::new([(Axis::Head, heads), (Axis::Query, queries), (Axis::Key, keys)]);
    let (tape, [bias]) = tape::begin(OP, [bias.clone()])?;
    let y = match bias.as_slice() {
        Some(bias) => Tensor::on_cpu(shape, cpu::spread_by_distance(bias, heads, queries, keys)),
        None => gpu::by_distance(&gpu::SPREAD, ("bias", &bias), queries, keys, shape)?,
    };
    Ok(tape::record(tape, y, |dy| Ok([Some(backward::gather_by_distance(dy)?)])))
}

/// Scores with a bias for every head and pair, the same for all sequences:
/// y\[b, h, t, s\] = scores\[b, h, t, s\] + bias\[h, t, s\].
///
/// **Shapes**: scores `[B, H, T, S]`, bias `[H, T, S]`, result `[B, H, T, S]`.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::add_position_bias};
/// let pairs = [(Axis::Head, 1), (Axis::Query, 1), (Axis::Key, 2)];
/// let scores = Tensor::new([&[(Axis::Batch, 2)], &pairs[..]].concat(), vec![1., 2., 3., 4.])?;
/// let bias = Tensor::new(pairs, vec![10., 20.])?;
/// assert_eq!(add_position_bias(&scores, &bias)?.to_vec()?, [11., 22., 13., 24.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn add_position_bias(scores: impl Into<Tensor>, bias: &Tensor) -> Result<Tensor> {
    let scores = scores.into();
    const OP: &str = "add_position_bias";
    let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::Key];
    let [batch, sizes @ ..] = scores.shape().expect(OP, "scores", axes)?;
    let got = bias.shape().expect(OP, "bias", [Axis::Head, Axis::Query, Axis::Key])?;
    for ((axis, expected), got) in axes[1..].iter().zip(sizes).zip(got) {
        expect_size(OP, "bias", *axis, expected, got)?;
    }
    // A sequence is a row, and the bias is added to every row.
    let (axes, pairs) = (scores.shape().axes().to_vec(), (Axis::Column, bias.shape().len()));
    let rows = scores.reshaped(Shape::new([(Axis::Batch, batch), pairs]));
    super::add_bias(rows, &bias.reshape([pairs])?)?.reshape(axes)
}
