//! Root-mean-square normalisation.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::tensor::Tensor;

/// Normalisation by the root mean square over the innermost axis.
///
/// y = gain · x / √(mean(x²) + ε)
///
/// **Shapes**: x `[…, C]`, gain `[C]`, result as x.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// **Source**: Zhang & Sennrich 2019 (arXiv 1910.07467), equation 4; ε as in LLaMA's code.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::rms_norm};
/// let x = Tensor::new([(Axis::Width, 2)], vec![1., 7.])?;
/// let gain = Tensor::new([(Axis::Width, 2)], vec![5., 10.])?;
/// assert_eq!(rms_norm(&x, &gain, 0.0)?.to_vec()?, [1., 14.]); // root mean square 5
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    super::expect_innermost("rms_norm", "gain", x, gain)?;
    let (Some(values), Some(gain_values)) = (x.as_slice(), gain.as_slice()) else {
        return gpu::rms_norm(x, gain, epsilon);
    };
    let mut y = values.to_vec();
    cpu::rms_norm(&mut y, gain_values, epsilon);
    Ok(Tensor::on_cpu(x.shape().clone(), y))
}
