//! Attention without a softmax, in time and memory linear in the number of tokens.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions, Reach};
use crate::ops::online_attention::AttentionSizes;
use crate::ops::{expect_shape, expect_size};
use crate::run::Run;
use crate::tape;
use crate::tensor::Tensor;

/// Linear attention over features q = φ(Q) and k = φ(K):
/// context\[t\] = Σₛ (q\[t\]·k\[s\]) v\[s\] / Σₛ q\[t\]·k\[s\] over the keys s that query t sees.
///
/// By associativity the numerator is q\[t\]·(Σₛ k\[s\] v\[s\]ᵀ): the D × D sums and the D numbers Σₛ k\[s\] are all
/// that a query needs from its keys. Bidirectional, they are the same for every query; causal, they grow by one key
/// from query to query, and are the recurrent state of [`linear_step`].
///
/// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` (or H in place of G), result `[B, H, T, D]`.
///
/// **Conventions**: q and k hold features already ([`feature_map`](super::feature_map)), none of them negative.
/// Key s stands at position s and query t at `at.first_query + t`: with T ≠ S under a causal mask, the
/// queries may begin in the middle of the keys. Masks: bidirectional, causal, anti-causal and prefix, also
/// mixed by head. A query whose denominator is 0 has context 0. Padding keys are never looked at.
/// Accumulation in f32, order unspecified. Gradients take time and memory linear in T and S, too.
///
/// # Errors
/// A shape, placement or mask error naming what does not fit; [`Error::Invalid`] for a mask under which the
/// keys of a query are no single run; [`Error::Cancelled`].
///
/// **Source**: Katharopoulos et al. 2020 (arXiv 2006.16236), sections 3.2 to 3.4. The chunks of the GPU's
/// upper rung: Hua et al. 2022 (arXiv 2202.10447), section 3.2.
///
/// ```
/// use rankscope::{Axis, Mask, Run, Tensor, mask::Positions, ops::linear_attention};
/// let head = |length| [(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 1)];
/// let q = Tensor::new(head(Axis::Query), vec![1., 1.])?;
/// let (k, v) = (Tensor::new(head(Axis::Key), vec![1., 3.])?, Tensor::new(head(Axis::Key), vec![10., 20.])?);
/// let at = Positions { first_query: 0 };
/// let context = |mask| linear_attention(&q, &k, &v, &mask, at, None, &Run::default())?.to_vec();
/// assert_eq!(context(Mask::causal())?, [10., 17.5]); // 10, and (1 · 10 + 3 · 20) / 4
/// assert_eq!(context(Mask::bidirectional())?, [17.5, 17.5]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn linear_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: &Mask,
    at: Positions,
    padding: Option<&Padding>,
    run: &Run,
) -> Result<Tensor> {
    let (sizes, padding) = AttentionSizes::under(OP, [q, k, v], mask, padding)?;
    let reach = reach_of_heads(mask, sizes.heads, sizes.keys).ok_or_else(|| {
        let expected = "bidirectional, causal, anti-causal, a prefix, or such masks by head";
        Error::invalid("linear_attention: mask", mask, expected)
    })?;
    let visible = cpu::Reachable { reach, first_query: at.first_query, padding };
    let call = gpu::Call { mask, visible: &visible, run };
    let is_tracked = [q, k, v].iter().any(|x| x.is_tracked());
    let variant = match q.device() {
        Device::Cpu => None,
        Device::Gpu(gpu) => Some(gpu::variant(&gpu, &sizes, is_tracked)?),
    };
    if variant.is_some_and(|variant| variant.kernel.is_none()) {
        return gpu::materialised([q, k, v], &sizes, &call);
    }
    let (tape, [q, k, v]) = tape::begin(OP, [q, k, v].map(Tensor::clone))?;
    let context = match variant {
        None => {
            let [q_values, k, v] = [&q, &k, &v].map(|x| x.as_slice().expect("on the CPU, as all are"));
            Tensor::on_cpu(q.shape().clone(), cpu::linear_attention(q_values, k, v, &sizes, &visible, run)?)
        }
        Some(variant) => gpu::linear_attention([&q, &k, &v], &sizes, &call, variant)?,
    };
    let kept = tape.as_ref().map(|_| backward::Kept {
        inputs: [q, k, v],
        context: context.clone(),
        sizes,
        reach: visible.reach,
        first_query: at.first_query,
        padding: padding.cloned(),
        run: run.clone(),
    });
    Ok(tape::record(tape, context, |dy| kept.expect("kept where there is a tape").gradients(dy)))
}

/// The reach of every head, if each of them sees one run of keys.
pub(crate) fn reach_of_heads(mask: &Mask, heads: usize, keys: usize) -> Option<Vec<Reach>> {
    (0..heads).map(|head| mask.for_head(head, heads).reach(keys)).collect()
}

/// Continues causal linear attention by T tokens: their context, and the sums after them.
///
/// **Shapes**: sums `[B, G, D, M]` with M = D + 1: the columns of Σₛ k\[s\] v\[s\]ᵀ and, last, Σₛ k\[s\]; zeros
/// ([`no_tokens`] with M columns) to begin with. q `[B, H, T, D]`, k and v `[B, G, S, D]` with S = T; results
/// `[B, H, T, D]` and `[B, G, D, M]`.
///
/// **Conventions**: as [`linear_attention`] under a causal mask; a step of T tokens equals T steps of one,
/// except for rounding.
///
/// # Errors
/// A shape or placement error naming what does not fit; [`Error::Cancelled`].
pub fn linear_step(sums: &Tensor, q: &Tensor, k: &Tensor, v: &Tensor, run: &Run) -> Result<(Tensor, Tensor)> {
    const OP: &str = "linear_step";
    let sizes = AttentionSizes::of(OP, q, k, v)?;
    expect_same_length(OP, q, k)?;
    expect_state(OP, "sums", sums, &sizes, sizes.head_size + 1)?;
    if [sums, q, k, v].iter().any(|x| x.is_tracked()) {
        let expected = "one that is not: training goes through linear_attention";
        return Err(Error::invalid(OP, "of a tracked tensor", expected));
    }
    for (argument, tensor) in [("k", k), ("v", v), ("sums", sums)] {
        tensor.expect_same_device(OP, argument, &q.device())?;
    }
    run.check()?;
    match (sums.as_slice(), q.as_slice(), k.as_slice(), v.as_slice()) {
        (Some(sums_values), Some(q_values), Some(k), Some(v)) => {
            let mut values = sums_values.to_vec();
            let context = cpu::linear_step(&mut values, q_values, k, v, &sizes);
            Ok((Tensor::on_cpu(q.shape().clone(), context), Tensor::on_cpu(sums.shape().clone(), values)))
        }
        _ => gpu::linear_step(sums, [q, k, v], &sizes),
    }
}

/// The state before any token: zeros, `[B, G, D, M]`.
///
/// # Errors
/// [`Error::Gpu`] if the upload fails.
pub fn no_tokens(
    batch: usize,
    kv_heads: usize,
    head_size: usize,
    columns: usize,
    device: &Device,
) -> Result<Tensor> {
    Tensor::zeros(state_shape(batch, kv_heads, head_size, columns).axes()).to_device(device)
}

pub(super) fn state_shape(batch: usize, kv_heads: usize, head_size: usize, columns: usize) -> Shape {
    let axes = [(Axis::Batch, batch), (Axis::KvHead, kv_heads)];
    Shape::new([&axes[..], &[(Axis::HeadSize, head_size), (Axis::Column, columns)]].concat())
}

/// An error unless there are as many keys as queries.
pub(crate) fn expect_same_length(op: &'static str, q: &Tensor, k: &Tensor) -> Result<()> {
    let [expected, got] =
        [(q, Axis::Query), (k, Axis::Key)].map(|(x, axis)| x.shape().size(axis).unwrap_or(0));
    expect_size(op, "k", Axis::Key, expected, got)
}

/// An error unless `state`, an argument of operation `op`, has the shape of a state with `columns` columns.
pub(super) fn expect_state(
    op: &'static str,
    argument: &'static str,
    state: &Tensor,
    sizes: &AttentionSizes,
    columns: usize,
) -> Result<()> {
    expect_shape(op, argument, &state_shape(sizes.batch, sizes.kv_heads, sizes.head_size, columns), state)
}

const OP: &str = "linear_attention";
