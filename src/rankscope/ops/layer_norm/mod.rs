//! Layer normalisation.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::ops::blocks::{NORM, rewrite_or_write};
use crate::tape;
use crate::tensor::Tensor;

/// Layer normalisation over the innermost axis.
///
/// y = gain · (x − mean(x)) / √(var(x) + ε) + bias, with var the mean squared deviation (divided by C).
///
/// **Shapes**: x `[…, C]`, gain and bias `[C]`, result as x.
///
/// **Conventions**: mean first, then the variance of the centred values, both in f32.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// **Source**: Ba, Kiros & Hinton 2016 (arXiv 1607.06450), equation 4.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::layer_norm};
/// let x = Tensor::new([(Axis::Width, 2)], vec![3., 7.])?;
/// let gain = Tensor::new([(Axis::Width, 2)], vec![1., 2.])?;
/// let bias = Tensor::new([(Axis::Width, 2)], vec![0., 5.])?;
/// assert_eq!(layer_norm(&x, &gain, &bias, 0.0)?.to_vec()?, [-1., 7.]); // mean 5, deviation 2
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn layer_norm(x: impl Into<Tensor>, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let x = x.into();
    let width = super::expect_innermost("layer_norm", "gain", &x, gain)?;
    super::expect_innermost("layer_norm", "bias", &x, bias)?;
    let (tape, [x, gain, bias]) = tape::begin("layer_norm", [x, gain.clone(), bias.clone()])?;
    let kept = tape.as_ref().map(|_| (x.clone(), gain.clone()));
    let y = match (gain.as_slice(), bias.as_slice()) {
        (Some(gain), Some(bias)) => rewrite_or_write(
            x,
            width,
            NORM,
            |_, rows| cpu::normalise(rows, gain, bias, epsilon),
            |_, x, y| cpu::normalise_into(x, y, gain, bias, epsilon),
        ),
        _ => gpu::layer_norm(&x, &gain, &bias, epsilon)?,
    };
    Ok(tape::record_in_place(tape, y, move |dy| {
        let (x, gain) = kept.expect("kept where there is a tape");
        backward::layer_norm(&x, &gain, epsilon, dy).map(Vec::from)
    }))
}
