//! Softmax over the keys that a query may attend to.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::blocks::{SOFTMAX, rewrite};
use crate::ops::expect_size;
use crate::tape;
use crate::tensor::Tensor;

/// Attention weights from scores: softmax over the allowed keys, exactly 0 elsewhere.
///
/// w\[b, h, t, s\] = m\[b, h, t, s\] · e^(x\[b, h, t, s\] − c) / Σᵤ m\[b, h, t, u\] · e^(x\[b, h, t, u\] − c),
/// with c the largest allowed score of the row and m the mask as 0 and 1.
///
/// **Shapes**: scores `[B, H, T, S]`; mask `[B, H, T, S]` with or without B and H; result `[B, H, T, S]`.
///
/// **Conventions**: the mask is a separate argument; masked scores are never read, so they may be anything. A query
/// that may attend to nothing has weights 0.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit.
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
    softmax("masked_softmax", scores.into(), allowed, None)
}

/// The same with a learned sink: e^(b\[h\]) is added to the sum of every row of head h, so that the weights of a row
/// sum to less than 1.
///
/// w\[b, h, t, s\] = m\[b, h, t, s\] · e^(x\[b, h, t, s\] − c) / (e^(b\[h\] − c) + Σᵤ m\[b, h, t, u\] · e^(x\[b, h, t, u\] − c)),
/// with c the larger of the sink b\[h\] and the largest allowed score of the row: the weights that
/// [`masked_softmax`] has when every query sees one more key, of score b\[h\] and value 0.
///
/// **Shapes**: as [`masked_softmax`]; sinks `[H]`.
///
/// **Conventions**: as [`masked_softmax`]. A sink of −∞ changes nothing.
///
/// # Errors
/// As [`masked_softmax`], and [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// **Source**: gpt-oss (OpenAI 2025, arXiv 2508.10925); with b = 0 Miller 2023, "Attention is off by one".
///
/// ```
/// use rankscope::{Axis, Mask, Tensor, mask::{Allowed, Positions}, ops::masked_softmax_with_sinks};
/// let scores = Tensor::zeros([(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, 2), (Axis::Key, 2)]);
/// let causal = Allowed::new(&Mask::causal(), 1, 2, 2, Positions { first_query: 0 }, None)?;
/// let sinks = Tensor::new([(Axis::Head, 1)], vec![2f32.ln()])?; // worth two keys
/// let weights = masked_softmax_with_sinks(&scores, &causal, &sinks)?.to_vec()?;
/// assert!(weights.iter().zip([1. / 3., 0., 0.25, 0.25]).all(|(got, want)| (got - want).abs() < 1e-6));
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn masked_softmax_with_sinks(
    scores: impl Into<Tensor>,
    allowed: &Allowed,
    sinks: &Tensor,
) -> Result<Tensor> {
    softmax("masked_softmax_with_sinks", scores.into(), allowed, Some(sinks))
}

/// Softmax with or without sinks, for the operation `op`.
pub(super) fn softmax(
    op: &'static str,
    scores: Tensor,
    allowed: &Allowed,
    sinks: Option<&Tensor>,
) -> Result<Tensor> {
    let sizes = expect_fitting(op, &scores, allowed)?;
    let [_, heads, queries, keys] = sizes;
    if let Some(sinks) = sinks {
        expect_sinks(op, sinks, heads, &scores.device())?;
    }
    let arguments: Vec<&Tensor> = std::iter::once(&scores).chain(sinks).collect();
    let (tape, mut arguments) = tape::begin_all(op, &arguments)?;
    let sinks = arguments.split_off(1).pop();
    drop(scores);
    let scores = arguments.pop().expect("at least the scores");
    let weights = match scores.as_slice() {
        Some(_) => {
            let sinks = sinks.as_ref().and_then(Tensor::as_slice);
            rewrite(scores, keys, SOFTMAX, |first, rows| {
                cpu::softmax_rows(rows, first, [heads, queries, keys], allowed, sinks);
            })
        }
        None => gpu::masked_softmax(&scores, sizes, allowed, sinks.as_ref())?,
    };
    let kept = tape.as_ref().map(|_| weights.clone());
    Ok(tape::record_in_place(tape, weights, move |dy| {
        let weights = kept.expect("kept where there is a tape");
        let of_sinks = sinks.map(|_| backward::sinks(&weights, &dy)).transpose()?;
        let of_scores = backward::softmax(&weights, dy)?;
        Ok(std::iter::once(of_scores).chain(of_sinks).map(Some).collect())
    }))
}

/// An error unless there is a sink for every head, on `device`.
pub(super) fn expect_sinks(op: &'static str, sinks: &Tensor, heads: usize, device: &Device) -> Result<()> {
    let [got] = sinks.shape().expect(op, "sinks", [Axis::Head])?;
    expect_size(op, "sinks", Axis::Head, heads, got)?;
    sinks.expect_same_device(op, "sinks", device)
}

/// B, H, T and S of scores, or an error unless the mask fits them.
pub(super) fn expect_fitting(op: &'static str, scores: &Tensor, allowed: &Allowed) -> Result<[usize; 4]> {
    let sizes = scores.shape().expect(op, "scores", [Axis::Batch, Axis::Head, Axis::Query, Axis::Key])?;
    let [batch, heads, queries, keys] = sizes;
    expect_size(op, "mask", Axis::Batch, batch, allowed.batch().unwrap_or(batch))?;
    expect_size(op, "mask", Axis::Head, heads, allowed.heads().unwrap_or(heads))?;
    expect_size(op, "mask", Axis::Query, queries, allowed.queries())?;
    expect_size(op, "mask", Axis::Key, keys, allowed.keys())?;
    Ok(sizes)
}
