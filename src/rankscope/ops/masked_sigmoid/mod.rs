//! The sigmoid of every score that a query may attend to.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::blocks::{SIGMOID, rewrite};
use crate::ops::elementwise::{add, filled, multiply, scale};
use crate::ops::softmax::expect_fitting;
use crate::tape;
use crate::tensor::Tensor;

/// Attention weights from scores: the sigmoid of every allowed score plus a bias, exactly 0 elsewhere.
///
/// w\[b, h, t, s\] = m\[b, h, t, s\] / (1 + e^(−x\[b, h, t, s\] − bias)), with m the mask as 0 and 1. Unlike the weights
/// of [`masked_softmax`](super::masked_softmax), those of a row do not depend on each other, and their sum may be
/// anything from 0 to S.
///
/// **Shapes**: scores `[B, H, T, S]`; mask `[B, H, T, S]` with or without B and H; result `[B, H, T, S]`.
///
/// **Conventions**: masked scores are never looked at.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit.
///
/// ```
/// use rankscope::{Axis, Mask, Tensor, mask::{Allowed, Positions}, ops::masked_sigmoid};
/// let axes = [(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, 2), (Axis::Key, 2)];
/// let scores = Tensor::new(axes, vec![1., f32::NAN, 1., 201.])?;
/// let causal = Allowed::new(&Mask::causal(), 1, 2, 2, Positions { first_query: 0 }, None)?;
/// assert_eq!(masked_sigmoid(&scores, &causal, -1.0)?.to_vec()?, [0.5, 0., 0.5, 1.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn masked_sigmoid(scores: impl Into<Tensor>, allowed: &Allowed, bias: f32) -> Result<Tensor> {
    let scores = scores.into();
    let sizes = expect_fitting("masked_sigmoid", &scores, allowed)?;
    let [_, heads, queries, keys] = sizes;
    let (tape, [scores]) = tape::begin("masked_sigmoid", [scores])?;
    let weights = match scores.as_slice() {
        Some(_) => rewrite(scores, keys, SIGMOID, |first, rows| {
            cpu::sigmoid_rows(rows, first, [heads, queries, keys], allowed, bias);
        }),
        None => gpu::masked_sigmoid(&scores, sizes, allowed, bias)?,
    };
    let kept = tape.as_ref().map(|_| weights.clone());
    Ok(tape::record(tape, weights, move |dy| {
        // ∂x = w (1 − w) ∂w, which is 0 where the mask makes w 0.
        let w = kept.expect("kept where there is a tape");
        let rest = add(scale(&w, -1.0)?, filled(&w, 1.0)?)?;
        Ok([Some(multiply(multiply(&w, dy)?, rest)?)])
    }))
}
