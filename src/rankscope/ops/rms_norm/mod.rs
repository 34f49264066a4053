//! Root-mean-square normalisation.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::ops::blocks::{NORM, rewrite_or_write};
use crate::ops::elementwise::constant;
use crate::tape;
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
pub fn rms_norm(x: impl Into<Tensor>, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    let x = x.into();
    let width = super::expect_innermost("rms_norm", "gain", &x, gain)?;
    let (tape, [x, gain]) = tape::begin("rms_norm", [x, gain.clone()])?;
    let kept = tape.as_ref().map(|_| (x.clone(), gain.clone()));
    let y = match gain.as_slice() {
        Some(gain) => rewrite_or_write(
            x,
            width,
            NORM,
            |_, rows| cpu::normalise(rows, gain, epsilon),
            |_, x, y| cpu::normalise_into(x, y, gain, epsilon),
        ),
        None => gpu::rms_norm(&x, &gain, epsilon)?,
    };
    Ok(tape::record_in_place(tape, y, move |dy| {
        let (x, gain) = kept.expect("kept where there is a tape");
        backward::rms_norm(&x, &gain, epsilon, dy).map(Vec::from)
    }))
}

/// [`rms_norm`] without parameters: every row of the result has the root mean square 1.
///
/// y = x / √(mean(x²) + ε). A row of D values then has the length √D, so the dot product of two such rows is at most D,
/// and a row may be rotated before or after with the same result.
///
/// **Shapes**: x `[…, D]`, result as x.
///
/// # Errors
/// As [`rms_norm`].
///
/// ```
/// use rankscope::{Axis, Tensor, ops::unit_rms_norm};
/// let x = Tensor::new([(Axis::HeadSize, 2)], vec![1., 7.])?;
/// assert_eq!(unit_rms_norm(&x, 0.0)?.to_vec()?, [0.2, 1.4]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn unit_rms_norm(x: impl Into<Tensor>, epsilon: f32) -> Result<Tensor> {
    let x = x.into();
    let (axis, size) = super::innermost("unit_rms_norm", &x)?;
    let ones = constant([(axis, size)], 1.0, &x.device())?;
    rms_norm(x, &ones, epsilon)
}
