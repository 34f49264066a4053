//! Softmax over the keys that a query may attend to.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Allowed;
use crate::ops::blocks::{SOFTMAX, rewrite};
use crate::tensor::Tensor;

/// Attention weights from scores: softmax over the allowed keys, exactly 0 elsewhere.
///
/// w\[b, h, t, s\] = m\[b, h, t, s\] · e^(x\[b, h, t, s\] − c) / Σᵤ m\[b, h, t, u\] · e^(x\[b, h, t, u\] − c),
/// with c the largest allowed score of the row and m the mask as 0 and 1.
///
/// **Shapes**: scores `[B, H, T, S]`; mask `[B, H, T, S]` with or without B and H; result `[B, H, T, S]`.
///
/// **Conventions**: the mask is data of its own; masked scores are never looked at, so they may be
/// anything. A query that may attend to nothing has weights 0.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit.
///
/// ```
/// use rankscope::{Axis, Mask, Tensor, mask::{Allowed, Positions}, ops::masked_softmax};
/// let axes = [(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, 2), (Axis::Key, 2)];
/// let scores = Tensor::new(axes, vec![1., f32::MAX, 2., 2.])?;
/// let causal = Allowed::new(&Mask::causal(), 1, 2, 2, Positions { first_query: 0 }, None)?;
/// assert_eq!(masked_softmax(&scores, &causal)?.to_vec()?, [1., 0., 0.5, 0.5]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn masked_softmax(scores: impl Into<Tensor>, allowed: &Allowed) -> Result<Tensor> {
    let scores = scores.into();
    let sizes = expect_fitting("masked_softmax", &scores, allowed)?;
    let [_, heads, queries, keys] = sizes;
    match scores.as_slice() {
        Some(_) => Ok(rewrite(scores, keys, SOFTMAX, |first, rows| {
            cpu::softmax_rows(rows, first, [heads, queries, keys], allowed);
        })),
        None => gpu::masked_softmax(&scores, sizes, allowed),
    }
}

/// B, H, T and S of scores, or an error unless the mask fits them.
pub(super) fn expect_fitting(op: &'static str, scores: &Tensor, allowed: &Allowed) -> Result<[usize; 4]> {
    let sizes = scores.shape().expect(op, "scores", [Axis::Batch, Axis::Head, Axis::Query, Axis::Key])?;
    let [batch, heads, queries, keys] = sizes;
    let checks = [
        (Axis::Batch, batch, allowed.batch().unwrap_or(batch)),
        (Axis::Head, heads, allowed.heads().unwrap_or(heads)),
        (Axis::Query, queries, allowed.queries()),
        (Axis::Key, keys, allowed.keys()),
    ];
    for (axis, expected, got) in checks {
        if expected != got {
            return Err(Error::Size { op, argument: "mask", axis, expected, got });
        }
    }
    Ok(sizes)
}
