//! The gradient of rows divided by their sums.

use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::Real;
use crate::ops::blocks::{NORM, rewrite};
use crate::ops::launch::{Grid, buffer, kernels, launch};
use crate::ops::real::{sum_of, sum_of_pairs};
use crate::ops::softmax::cpu::hide_weights;
use crate::ops::softmax::gpu::{Params, row_params};
use crate::ops::vectorised::vectorised;
use crate::tensor::Tensor;

kernels! { BACKWARD: "masked_normalise_backward", Params, "normalise_backward.wgsl" + "../reductions.wgsl"; }

/// ∂x\[s\] = m\[s\] · (∂w\[s\] − Σᵤ w\[u\] · ∂w\[u\]) / Σᵤ m\[u\] · x\[u\], row by row; 0 in a row whose sum is 0.
///
/// **Shapes**: x, ∂w and the result `[B, H, T, S]`.
pub(super) fn masked_normalise(
    scores: &Tensor,
    sizes: [usize; 4],
    allowed: &Allowed,
    dy: &Tensor,
) -> Result<Tensor> {
    let [batch, heads, queries, keys] = sizes;
    if let Some(scores) = scores.as_slice() {
        return Ok(rewrite(dy.clone(), keys, NORM, |first, rows| {
            let scores = &scores[first * keys..][..rows.len()];
            normalise_rows(scores, rows, first, [heads, queries, keys], allowed);
        }));
    }
    let (params, mask) = row_params(&BACKWARD, buffer(&BACKWARD, scores)?.gpu(), sizes, allowed)?;
    let inputs = [("scores", buffer(&BACKWARD, scores)?), ("allowed", &mask), ("dy", buffer(&BACKWARD, dy)?)];
    let rows = batch * heads * queries;
    let grid = Grid { workgroups: rows, work: 4 * (rows * keys) as u64 };
    launch(&BACKWARD, params, &inputs, dy.shape().clone(), grid)
}

vectorised! {
    /// Replaces the gradients of weights by those of scores, for the rows from row `first` on, counted as H · T in a
    /// sequence.
    pub fn normalise_rows[F: Real](
        scores: &[F],
        gradients: &mut [F],
        first: usize,
        sizes: [usize; 3],
        allowed: &Allowed,
    ) {
        let [heads, queries, keys] = sizes;
        let mut seen = vec![F::zero(); keys];
        for ((row, scores), gradients) in (first..).zip(scores.chunks_exact(keys)).zip(gradients.chunks_exact_mut(keys)) {
            let (matrix, query) = (row / queries, row % queries);
            let bits = allowed.row(matrix / heads, matrix % heads, query);
            seen.copy_from_slice(scores);
            hide_weights(&mut seen, bits.iter().copied());
            let sum = sum_of(&seen, |x| x);
            if sum == F::zero() {
                gradients.fill(F::zero());
                continue;
            }
            let mean = sum_of_pairs(&seen, gradients, |x, dw| x * dw) / sum; // Σ w · ∂w
            for gradient in gradients.iter_mut() {
                *gradient = (*gradient - mean) / sum;
            }
            hide_weights(gradients, bits.iter().copied());
        }
    }
}
