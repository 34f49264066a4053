//! Rows of non-negative scores divided by their sums: the weights of linear attention.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::blocks::{NORM, rewrite};
use crate::ops::softmax::expect_fitting;
use crate::tape;
use crate::tensor::Tensor;

/// Attention weights from non-negative scores: each row over the sum of its allowed scores, 0 elsewhere.
///
/// w\[b, h, t, s\] = m\[b, h, t, s\] · x\[b, h, t, s\] / Σᵤ m\[b, h, t, u\] · x\[b, h, t, u\], with m the mask as 0
/// and 1: [`masked_softmax`](super::masked_softmax) without the exponential.
///
/// **Shapes**: scores `[B, H, T, S]`; mask `[B, H, T, S]` with or without B and H; result `[B, H, T, S]`.
///
/// **Conventions**: masked scores are never looked at. A row whose allowed scores add up to 0 has weights
/// 0. Dividing rows is multiplying by a diagonal matrix from the left: without a row of zeros it does not
/// change the rank.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit.
///
/// ```
/// use rankscope::{Axis, Mask, Tensor, mask::{Allowed, Positions}, ops::masked_normalise};
/// let axes = [(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, 2), (Axis::Key, 2)];
/// let scores = Tensor::new(axes, vec![2., f32::MAX, 1., 3.])?;
/// let causal = Allowed::new(&Mask::causal(), 1, 2, 2, Positions { first_query: 0 }, None)?;
/// assert_eq!(masked_normalise(&scores, &causal)?.to_vec()?, [1., 0., 0.25, 0.75]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn masked_normalise(scores: impl Into<Tensor>, allowed: &Allowed) -> Result<Tensor> {
    let scores = scores.into();
    let sizes = expect_fitting("masked_normalise", &scores, allowed)?;
    let [_, heads, queries, keys] = sizes;
    let (tape, [scores]) = tape::begin("masked_normalise", [scores])?;
    let kept = tape.as_ref().map(|_| (scores.clone(), allowed.clone()));
    let weights = match scores.as_slice() {
        Some(_) => rewrite(scores, keys, NORM, |first, rows| {
            cpu::normalise_rows(rows, first, [heads, queries, keys], allowed);
        }),
        None => gpu::masked_normalise(&scores, sizes, allowed)?,
    };
    Ok(tape::record(tape, weights, move |dy| {
        let (scores, allowed) = kept.expect("kept where there is a tape");
        Ok([Some(backward::masked_normalise(&scores, sizes, &allowed, dy)?)])
    }))
}
