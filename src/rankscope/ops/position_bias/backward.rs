//! The gradient of a bias for every distance.

use super::gpu;
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::ops::Real;
use crate::tensor::Tensor;

/// ∂bias\[h, p\] = Σ ∂y\[h, t, s\] over the pairs with s − t = p − (T − 1).
///
/// **Shapes**: ∂y `[H, T, S]`, result `[H, P]` with P = T + S − 1.
pub(super) fn gather_by_distance(dy: &Tensor) -> Result<Tensor> {
    let [heads, queries, keys] =
        dy.shape().expect("gather_by_distance", "dy", [Axis::Head, Axis::Query, Axis::Key])?;
    let distances = (queries + keys).saturating_sub(1);
    let shape = Shape::new([(Axis::Head, heads), (Axis::Position, distances)]);
    if let Some(dy) = dy.as_slice() {
        return Ok(Tensor::on_cpu(shape, gathered(dy, heads, queries, keys)));
    }
    gpu::by_distance(&gpu::GATHER, ("dy", dy), queries, keys, shape)
}

/// The sums of [`gather_by_distance`] on plain slices.
fn gathered<F: Real>(dy: &[F], heads: usize, queries: usize, keys: usize) -> Vec<F> {
    let distances = (queries + keys).saturating_sub(1);
    let mut y = vec![F::zero(); heads * distances];
    for (row, dy) in dy.chunks_exact(keys.max(1)).enumerate() {
        let (head, query) = (row / queries, row % queries);
        let first = head * distances + queries - 1 - query;
        for (y, &x) in y[first..first + keys].iter_mut().zip(dy) {
            *y = *y + x;
        }
    }
    y
}
