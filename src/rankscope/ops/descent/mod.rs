//! The two halves of a step of gradient descent with momentum.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::ops::blocks::{ADDITION, rewrite};
use crate::ops::clip::expect_clip;
use crate::ops::expect_alike;
use crate::tensor::Tensor;

/// m ← μ m + f g, the running sum of gradients, with f of [`clip`](super::clip()); where f is 0, m stays.
///
/// **Shapes**: m, g and the result the same; clip as [`clip`](super::clip()) made it.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ, errors of the device.
///
/// **Source**: Polyak 1964; in this form Sutskever et al. 2013, *On the importance of initialization and momentum in deep
/// learning*, equation 1, with the learning rate outside.
pub fn momentum(m: impl Into<Tensor>, gradient: &Tensor, share: f32, clip: &Tensor) -> Result<Tensor> {
    let m = m.into();
    expect_alike("momentum", "gradient", &m, gradient)?;
    expect_clip("momentum", clip, &m)?;
    match (gradient.as_slice(), clip.as_slice()) {
        (Some(_), Some([0.0, ..])) => Ok(m),
        (Some(gradient), Some([factor, ..])) => {
            Ok(rewrite(m, 1, ADDITION, |first, m| cpu::weighted_sum(m, share, &gradient[first..], *factor)))
        }
        _ => gpu::momentum(&m, gradient, share, clip),
    }
}

/// w ← (1 − η λ) w − η u: a step against the direction u, and decay; where f of [`clip`](super::clip()) is 0, w stays.
///
/// **Shapes**: w, u and the result the same; clip as [`clip`](super::clip()) made it.
///
/// # Errors
/// As [`momentum`].
///
/// **Source**: decay apart from the gradient: Loshchilov & Hutter 2017 (arXiv 1711.05101), algorithm 1.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{clip, descend}};
/// let one = |value| Tensor::new([(Axis::Column, 1)], vec![value]);
/// let finite = clip(&[&one(1.)?], None)?;
/// assert_eq!(descend(one(2.)?, &one(-3.)?, 0.5, 0.25, &finite)?.to_vec()?, [3.25]); // (1 − ⅛) · 2 + ½ · 3
/// let not = clip(&[&one(f32::NAN)?], None)?;
/// assert_eq!(descend(one(2.)?, &one(-3.)?, 0.5, 0.25, &not)?.to_vec()?, [2.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn descend(
    w: impl Into<Tensor>,
    direction: &Tensor,
    rate: f32,
    decay: f32,
    clip: &Tensor,
) -> Result<Tensor> {
    let (w, keep) = (w.into(), 1.0 - rate * decay);
    expect_alike("descend", "direction", &w, direction)?;
    expect_clip("descend", clip, &w)?;
    match (direction.as_slice(), clip.as_slice()) {
        (Some(_), Some([0.0, ..])) => Ok(w),
        (Some(direction), Some(_)) => {
            Ok(rewrite(w, 1, ADDITION, |first, w| cpu::weighted_sum(w, keep, &direction[first..], -rate)))
        }
        _ => gpu::descend(&w, direction, keep, rate, clip),
    }
}
