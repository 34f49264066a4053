//! The gradients of root-mean-square normalisation.

use crate::error::Result;
use crate::ops::Real;
use crate::ops::blocks::rewrite_and_sum;
use crate::ops::elementwise::{filled, multiply, sum_rows};
use crate::ops::launch::kernels;
use crate::ops::real::{sum_of, sum_of_pairs};
use crate::ops::row_wise::{NormParams, norm_backward};
use crate::ops::vectorised::vectorised;
use crate::tensor::Tensor;

kernels! { BACKWARD: "rms_norm_backward", NormParams, "rms_norm_backward.wgsl" + "../reductions.wgsl"; }

/// ∂x = r · (g − x̂ · mean(g · x̂)) with x̂ = r · x, r = 1 / √(mean(x²) + ε), and g = gain · ∂y; ∂gain = Σ x̂ · ∂y, summed
/// over rows.
///
/// **Shapes**: x and ∂y `[…, C]`, gain `[C]`; the results as x and gain.
pub(super) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32, dy: Tensor) -> Result<[Option<Tensor>; 2]> {
    let width = gain.shape().len();
    if let (Some(x), Some(weights)) = (x.as_slice(), gain.as_slice()) {
        let (dx, of_gain) = rewrite_and_sum(dy, width, width, |first, rows, of_gain| {
            rows_backward(&x[first * width..][..rows.len()], weights, rows, epsilon, of_gain);
        });
        return Ok([Some(dx), Some(Tensor::on_cpu(gain.shape().clone(), of_gain))]);
    }
    let dx = norm_backward(&BACKWARD, x, gain, &dy, epsilon)?;
    let normed = super::rms_norm(x, &filled(gain, 1.0)?, epsilon)?; // x̂
    Ok([Some(dx), Some(sum_rows(&multiply(normed, dy)?)?)])
}

vectorised! {
    /// Replaces the gradients of results by those of arguments, and adds the gradients of the gain to its own.
    pub fn rows_backward[F: Real](x: &[F], gain: &[F], gradients: &mut [F], epsilon: F, of_gain: &mut [F]) {
        let width = F::constant(gain.len() as f64);
        for (x, gradients) in x.chunks_exact(gain.len()).zip(gradients.chunks_exact_mut(gain.len())) {
            let r = F::one() / (sum_of(x, |x| x * x) / width + epsilon).sqrt();
            for (((gradient, &x), &gain), sum) in gradients.iter_mut().zip(x).zip(gain).zip(of_gain.iter_mut()) {
                *sum = *sum + x * r * *gradient;
                *gradient = *gradient * gain;
            }
            let product = sum_of_pairs(x, gradients, |x, g| x * r * g) / width;
            for (gradient, &x) in gradients.iter_mut().zip(x) {
                *gradient = r * (*gradient - x * r * product);
            }
        }
    }
}
