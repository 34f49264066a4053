//! The norm of all gradients, and the factor that clips it.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers of a step that depend on all gradients g together: \[f, ‖g‖, Σ g₀², Σ g₁², …\], with ‖g‖ = √Σᵢ Σ gᵢ² and
/// f = min(1, c / ‖g‖), the factor of the gradients with which their norm is at most c, the argument `most`.
///
/// **Shapes**: gradients of any shapes, at least one; the result `[2 + their number]`.
///
/// **Conventions**: f is 0 where ‖g‖ is not finite; the operations of a step then change nothing. Nothing is read back:
/// on a GPU f stays there. The sums do not depend on the number of threads. Without `most`, f is 1.
///
/// # Errors
/// [`Error::Invalid`] without a gradient, or for a c that is not positive; [`Error::Placement`] if the devices differ;
/// errors of the device.
///
/// **Source**: Pascanu et al. 2012 (arXiv 1211.5063), algorithm 1.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::clip};
/// let (a, b) = (Tensor::new([(Axis::Row, 2)], vec![3., 0.])?, Tensor::new([(Axis::Row, 1)], vec![-4.])?);
/// assert_eq!(clip(&[&a, &b], Some(1.))?.to_vec()?, [0.2, 5., 9., 16.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn clip(gradients: &[&Tensor], most: Option<f32>) -> Result<Tensor> {
    const OP: &str = "clip";
    if most.is_some_and(|most| most.is_nan() || most <= 0.0) {
        return Err(Error::invalid("largest norm of gradients", most.unwrap_or_default(), "more than 0"));
    }
    let first = gradients.first().ok_or_else(|| Error::invalid("number of gradients", 0, "at least 1"))?;
    for gradient in gradients {
        gradient.expect_same_device(OP, "gradient", &first.device())?;
    }
    let shape = Shape::new([(Axis::Row, 2 + gradients.len())]);
    let values: Option<Vec<&[f32]>> = gradients.iter().map(|gradient| gradient.as_slice()).collect();
    let Some(values) = values else { return gpu::clip(gradients, most.unwrap_or(f32::MAX), shape) };
    let squares = cpu::squares(&values);
    let norm = squares.iter().sum::<f64>().sqrt() as f32;
    let factor = match most {
        _ if !norm.is_finite() => 0.0,
        Some(most) if norm > most => most / norm,
        _ => 1.0,
    };
    let squares = squares.iter().map(|&square| square as f32);
    Ok(Tensor::on_cpu(shape, [factor, norm].into_iter().chain(squares).collect()))
}

/// An error unless `clip` has the shape of a result of [`clip()`] and is on the device of `w`.
pub(super) fn expect_clip(op: &'static str, clip: &Tensor, w: &Tensor) -> Result<()> {
    let [count] = clip.shape().expect(op, "clip", [Axis::Row])?;
    if count < 3 {
        return Err(Error::Size { op, argument: "clip", axis: Axis::Row, expected: 3, got: count });
    }
    clip.expect_same_device(op, "clip", &w.device())
}
