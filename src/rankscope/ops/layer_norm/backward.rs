//! The gradients of layer normalisation.

use crate::error::Result;
use crate::ops::Real;
use crate::ops::blocks::rewrite_and_sum;
use crate::ops::elementwise::{filled, multiply, sum_rows};
use crate::ops::launch::kernels;
use crate::ops::real::{sum_of, sum_of_pairs};
use crate::ops::row_wise::{NormParams, norm_backward};
use crate::ops::vectorised::vectorised;
use crate::tensor::Tensor;

kernels! { BACKWARD: "layer_norm_backward", NormParams, "layer_norm_backward.wgsl" + "../reductions.wgsl"; }

/// ∂x = r · (g − mean(g) − x̂ · mean(g · x̂)) with x̂ = r · (x − mean(x)), r = 1 / √(var(x) + ε), and g = gain · ∂y;
/// ∂gain = Σ x̂ · ∂y; ∂bias = Σ ∂y, summed over rows.
///
/// **Shapes**: x and ∂y `[…, C]`, gain `[C]`; the results as x, gain and bias.
pub(super) fn layer_norm(x: &Tensor, gain: &Tensor, epsilon: f32, dy: Tensor) -> Result<[Option<Tensor>; 3]> {
    let width = gain.shape().len();
    if let (Some(x), Some(weights)) = (x.as_slice(), gain.as_slice()) {
        let (dx, mut sums) = rewrite_and_sum(dy, width, 2 * width, |first, rows, sums| {
            let (of_gain, of_bias) = sums.split_at_mut(width);
            rows_backward(&x[first * width..][..rows.len()], weights, rows, epsilon, of_gain, of_bias);
        });
        let of_bias = sums.split_off(width);
        let [of_gain, of_bias] = [sums, of_bias].map(|values| Tensor::on_cpu(gain.shape().clone(), values));
        return Ok([Some(dx), Some(of_gain), Some(of_bias)]);
    }
    let dx = norm_backward(&BACKWARD, x, gain, &dy, epsilon)?;
    let (ones, zeros) = (filled(gain, 1.0)?, filled(gain, 0.0)?);
    let normed = super::layer_norm(x, &ones, &zeros, epsilon)?; // x̂
    Ok([Some(dx), Some(sum_rows(&multiply(normed, &dy)?)?), Some(sum_rows(&dy)?)])
}

vectorised! {
    /// Replaces the gradients of results by those of arguments, and adds the gradients of gain and bias to theirs.
    pub fn rows_backward[F: Real](
        x: &[F],
        gain: &[F],
        gradients: &mut [F],
        epsilon: F,
        of_gain: &mut [F],
        of_bias: &mut [F],
    ) {
        let width = F::constant(gain.len() as f64);
        for (x, gradients) in x.chunks_exact(gain.len()).zip(gradients.chunks_exact_mut(gain.len())) {
            let mean = sum_of(x, |x| x) / width;
            let r = F::one() / (sum_of(x, |x| (x - mean) * (x - mean)) / width + epsilon).sqrt();
            let sums = of_gain.iter_mut().zip(of_bias.iter_mut());
            for (((gradient, &x), &gain), (of_gain, of_bias)) in gradients.iter_mut().zip(x).zip(gain).zip(sums) {
                *of_gain = *of_gain + (x - mean) * r * *gradient;
                *of_bias = *of_bias + *gradient;
                *gradient = *gradient * gain;
            }
            let mean_gradient = sum_of(gradients, |g| g) / width;
            let product = sum_of_pairs(x, gradients, |x, g| (x - mean) * r * g) / width;
            for (gradient, &x) in gradients.iter_mut().zip(x) {
                *gradient = r * (*gradient - mean_gradient - (x - mean) * r * product);
            }
        }
    }
}
