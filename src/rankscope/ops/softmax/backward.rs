//! The gradient of softmax.

use crate::axis::Axis;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::Real;
use crate::ops::blocks::{NORM, rewrite};
use crate::ops::elementwise::{add, constant, filled, multiply, sum_by_head};
use crate::ops::launch::{buffer, count, kernels, launch};
use crate::ops::matmul::matmul;
use crate::ops::real::sum_of_pairs;
use crate::ops::vectorised::vectorised;
use crate::tensor::Tensor;

params! {
    /// The number of rows and their length.
    pub(in crate::ops) struct Rows { rows: u32, width: u32 }
}

kernels! { BACKWARD: "masked_softmax_backward", Rows, "softmax_backward.wgsl" + "../reductions.wgsl"; }

/// ∂x\[s\] = w\[s\] · (∂w\[s\] − Σᵤ w\[u\] · ∂w\[u\]), row by row.
///
/// **Shapes**: w, ∂w and the result `[B, H, T, S]`.
pub(super) fn softmax(weights: &Tensor, dy: Tensor) -> Result<Tensor> {
    let width = weights.shape().last().map_or(1, |(_, width)| width);
    if let Some(weights) = weights.as_slice() {
        return Ok(rewrite(dy, width, NORM, |first, rows| {
            softmax_rows(&weights[first * width..][..rows.len()], rows, width);
        }));
    }
    let rows = weights.shape().len() / width.max(1);
    let params = Rows { rows: count(&BACKWARD, rows)?, width: count(&BACKWARD, width)? };
    let inputs = [("weights", buffer(&BACKWARD, weights)?), ("dy", buffer(&BACKWARD, &dy)?)];
    launch(&BACKWARD, params, &inputs, dy.shape().clone(), rows)
}

/// ∂b\[h\] = −Σ (1 − Σₛ w\[t, s\]) · Σₛ w\[t, s\] · ∂w\[t, s\] over sequences and queries: a sink's weight is 1 minus
/// the sum of the row's weights.
///
/// **Shapes**: w and ∂w `[B, H, T, S]`, result `[H]`.
pub(super) fn sinks(weights: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let [batch, heads, queries, keys] = weights.shape().sizes()[..] else { unreachable!("[B, H, T, S]") };
    let rows = [(Axis::Row, batch * heads * queries), (Axis::Key, keys)];
    let ones = constant([(Axis::Column, 1), (Axis::Key, keys)], 1.0, &weights.device())?;
    let sum = |x: &Tensor| matmul(&x.reshape(rows)?, &ones, Axis::Key, 1.0); // [N, 1]
    let sums = sum(weights)?;
    let missing = add(&sums, filled(&sums, -1.0)?)?; // Σ w − 1
    let products = multiply(missing, sum(&multiply(weights, dy)?)?)?;
    let axes = [(Axis::Batch, batch), (Axis::Head, heads), (Axis::Query, queries)];
    sum_by_head(&products.reshape(axes)?)
}

vectorised! {
    /// Replaces the gradients of weights by those of scores.
    pub fn softmax_rows[F: Real](weights: &[F], gradients: &mut [F], width: usize) {
        for (weights, gradients) in weights.chunks_exact(width).zip(gradients.chunks_exact_mut(width)) {
            let sum = sum_of_pairs(weights, gradients, |w, dw| w * dw);
            for (gradient, &weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - sum);
            }
        }
    }
}
