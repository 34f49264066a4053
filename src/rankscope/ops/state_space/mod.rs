//! State-space attention: scores that decay with every token between query and key.

pub(super) mod backward;
pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Padding, Positions};
use crate::ops::blocks::{SOFTMAX, rewrite};
use crate::ops::expect_size;
use crate::ops::linear_attention::expect_state;
use crate::ops::online_attention::{AttentionSizes, kv_axis};
use crate::ops::softmax::expect_fitting;
use crate::run::Run;
use crate::tape;
use crate::tensor::Tensor;

/// The logarithm of every key's decay: log a\[b, g, s\] = −softplus(w\[g\]·k\[b, g, s\] + β\[g\]), with
/// softplus(x) = ln(1 + eˣ), so that a is between 0 and 1.
///
/// **Shapes**: k `[B, G, S, D]` (or H in place of G), weight w `[G, D]`, bias β `[G]`; result `[B, G, S]`.
///
/// **Conventions**: padding keys are never read; they have log a = 0, a decay of 1.
///
/// # Errors
/// A shape or placement error naming what does not fit; [`Error::Invalid`] for padding of other sizes.
///
/// **Source**: Dao & Gu 2024 (arXiv 2405.21060) and their code, where a = exp(−A·softplus(x + β)) with x a projection
/// of the hidden state.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::log_decays};
/// let k = Tensor::new([(Axis::Batch, 1), (Axis::KvHead, 1), (Axis::Key, 2), (Axis::HeadSize, 1)], vec![0., 5.])?;
/// let weight = Tensor::new([(Axis::KvHead, 1), (Axis::HeadSize, 1)], vec![0.])?;
/// let bias = Tensor::new([(Axis::KvHead, 1)], vec![0.])?;
/// assert_eq!(log_decays(&k, &weight, &bias, None)?.to_vec()?, [-2f32.ln(); 2]); // a = 1/2, whatever the key
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn log_decays(k: &Tensor, weight: &Tensor, bias: &Tensor, padding: Option<&Padding>) -> Result<Tensor> {
    const OP: &str = "log_decays";
    let kv_axis = kv_axis(k);
    let [batch, kv_heads, keys, size] =
        k.shape().expect(OP, "k", [Axis::Batch, kv_axis, Axis::Key, Axis::HeadSize])?;
    let [weight_heads, weight_size] = weight.shape().expect(OP, "weight", [Axis::KvHead, Axis::HeadSize])?;
    let [bias_heads] = bias.shape().expect(OP, "bias", [Axis::KvHead])?;
    expect_size(OP, "weight", Axis::KvHead, kv_heads, weight_heads)?;
    expect_size(OP, "weight", Axis::HeadSize, size, weight_size)?;
    expect_size(OP, "bias", Axis::KvHead, kv_heads, bias_heads)?;
    for (argument, tensor) in [("weight", weight), ("bias", bias)] {
        tensor.expect_same_device(OP, argument, &k.device())?;
    }
    let padding = padding.filter(|padding| !padding.is_trivial());
    padding.map_or(Ok(()), |padding| padding.expect(batch, keys))?;
    let shape = Shape::new([(Axis::Batch, batch), (kv_axis, kv_heads), (Axis::Key, keys)]);
    if size == 0 {
        return Err(Error::invalid("log_decays: head size D", size, "at least 1"));
    }
    if shape.is_empty() {
        return Tensor::zeros(shape.axes()).to_device(&k.device());
    }
    let (tape, [k, weight, bias]) = tape::begin(OP, [k, weight, bias].map(Tensor::clone))?;
    let decays = match (k.as_slice(), weight.as_slice(), bias.as_slice()) {
        (Some(k), Some(weight), Some(bias)) => {
            Tensor::on_cpu(shape, cpu::log_decays(k, weight, bias, keys, padding))
        }
        _ => gpu::log_decays([&k, &weight, &bias], shape, padding)?,
    };
    let padding = padding.cloned();
    Ok(tape::record(tape, decays, move |dy| backward::log_decays([&k, &weight, &bias], padding.as_ref(), dy)))
}

/// Attention weights from scores that decay with the distance:
/// w\[b, h, t, s\] = m\[b, h, t, s\] · e^(−|L\[t\] − L\[s\]|) · x\[b, h, t, s\], with m the mask as 0 and 1 and L the
/// cumulative sum of log a over the keys.
///
/// For s ≤ t the factor is the product of the decays of the tokens s + 1 to t, and for s > t that of t + 1 to s: 1
/// where s = t. Rows do not add up to 1.
///
/// **Shapes**: scores `[B, H, T, S]`; log a `[B, G, S]` (or H in place of G); mask `[B, H, T, S]` with or without B and
/// H; result `[B, H, T, S]`. Query head h uses key/value head ⌊h / (H/G)⌋.
///
/// **Conventions**: query t stands at position `at.first_query + t` and has the decay of the key there. Masked scores
/// are never looked at. |L\[t\] − L\[s\]| is summed from the query outward, so that its relative error is |t − s|·ε/2
/// at most; the difference of two cumulative sums would be off by ε/2 of the whole sum. The factor is then off by
/// 0.18·|t − s|·ε at most, as x·e^(−x) ≤ 1/e, and by the error of the exponential.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ;
/// [`Error::Invalid`] for a query without a key at its position.
///
/// **Source**: Dao & Gu 2024 (arXiv 2405.21060), section 5: the semiseparable matrix of a scalar decay. With a constant
/// decay: RetNet, Sun et al. 2023 (arXiv 2307.08621), equation 5.
pub fn decayed_scores(
    scores: impl Into<Tensor>,
    log_decays: &Tensor,
    at: Positions,
    allowed: &Allowed,
) -> Result<Tensor> {
    const OP: &str = "decayed_scores";
    let scores = scores.into();
    let sizes @ [batch, heads, queries, keys] = expect_fitting(OP, &scores, allowed)?;
    let kv_heads = expect_decays(OP, log_decays, [batch, heads, keys], &scores)?;
    expect_among_keys(OP, queries, keys, at)?;
    let (tape, [scores, log_decays]) = tape::begin(OP, [scores, log_decays.clone()])?;
    let weights = match log_decays.as_slice() {
        Some(log_decays) => rewrite(scores, keys, SOFTMAX, |first, rows| {
            let group = heads / kv_heads;
            cpu::decay_rows(rows, first, [heads, queries, keys], log_decays, group, at, allowed);
        }),
        None => gpu::decayed_scores(&scores, &log_decays, sizes, at, allowed)?,
    };
    let kept = tape.as_ref().map(|_| (weights.clone(), allowed.clone()));
    Ok(tape::record(tape, weights, move |dy| {
        let (weights, allowed) = kept.expect("kept where there is a tape");
        let dx = decayed_scores(dy, &log_decays, at, &allowed)?;
        Ok([Some(dx), Some(backward::decays(&weights, dy, log_decays.shape(), at)?)])
    }))
}

/// The recurrence that computes the same context as [`decayed_scores`] under a causal mask, in memory that does not
/// grow with the tokens: S ← a\[s\]·S + k\[s\] v\[s\]ᵀ with every token, and context\[t\] = q\[t\]·S / √D after the
/// token at query t's position.
///
/// **Shapes**: state S `[B, G, D, M]` with M = D: the tokens before key 0, zeros ([`no_tokens`](super::no_tokens)) if
/// there are none. q `[B, H, T, D]`, k and v `[B, G, S, D]`, log a `[B, G, S]` (or H in place of G); results: context
/// `[B, H, T, D]`, and the state after the last query's token.
///
/// **Conventions**: query t stands at position `at.first_query + t`; keys after the last query are never looked at.
/// Padding keys leave the state as it is. Accumulation in f32: a weight is a product of rounded decays, with a relative
/// error of at most about 2·|t − s|·ε.
///
/// # Errors
/// A shape, placement or mask error naming what does not fit; [`Error::Invalid`] for a query without a key at its
/// position; [`Error::Cancelled`].
///
/// **Source**: Dao & Gu 2024 (arXiv 2405.21060), section 5; with a constant decay: Sun et al. 2023
/// (arXiv 2307.08621), equation 6.
#[allow(clippy::too_many_arguments)]
pub fn decayed_walk(
    state: &Tensor,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    log_decays: &Tensor,
    at: Positions,
    padding: Option<&Padding>,
    run: &Run,
) -> Result<(Tensor, Tensor)> {
    const OP: &str = "decayed_walk";
    let (sizes, padding) = AttentionSizes::under(OP, [q, k, v], &Mask::causal(), padding)?;
    let AttentionSizes { batch, heads, queries, keys, .. } = sizes;
    expect_state(OP, "state", state, &sizes, sizes.head_size)?;
    state.expect_same_device(OP, "state", &q.device())?;
    let got = expect_decays(OP, log_decays, [batch, heads, keys], q)?;
    expect_size(OP, "log_decays", Axis::KvHead, sizes.kv_heads, got)?;
    expect_among_keys(OP, queries, keys, at)?;
    if [state, q, k, v, log_decays].iter().any(|x| x.is_tracked()) {
        let expected = "one that is not: training goes through decayed_scores";
        return Err(Error::invalid(OP, "of a tracked tensor", expected));
    }
    run.check()?;
    match (state.as_slice(), q.as_slice(), k.as_slice(), v.as_slice(), log_decays.as_slice()) {
        (Some(state_values), Some(q_values), Some(k), Some(v), Some(log_decays)) => {
            let mut values = state_values.to_vec();
            let context =
                cpu::decayed_walk(&mut values, [q_values, k, v, log_decays], &sizes, at, padding, run)?;
            Ok((Tensor::on_cpu(q.shape().clone(), context), Tensor::on_cpu(state.shape().clone(), values)))
        }
        _ => gpu::decayed_walk(state, [q, k, v, log_decays], &sizes, at, padding, run),
    }
}

/// G of log decays, or an error unless they fit B, H and S and are on the device of `other`.
fn expect_decays(
    op: &'static str,
    log_decays: &Tensor,
    [batch, heads, keys]: [usize; 3],
    other: &Tensor,
) -> Result<usize> {
    let argument = "log_decays";
    let axes = [Axis::Batch, kv_axis(log_decays), Axis::Key];
    let [got_batch, kv_heads, got_keys] = log_decays.shape().expect(op, argument, axes)?;
    expect_size(op, argument, Axis::Batch, batch, got_batch)?;
    expect_size(op, argument, Axis::Key, keys, got_keys)?;
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        let expected = format!("a divisor of H = {heads}");
        return Err(Error::invalid(format!("{op}: G of log_decays"), kv_heads, expected));
    }
    log_decays.expect_same_device(op, argument, &other.device())?;
    Ok(kv_heads)
}

/// An error unless there is a key at every query's position.
fn expect_among_keys(op: &'static str, queries: usize, keys: usize, at: Positions) -> Result<()> {
    let end = at.first_query.saturating_add(queries);
    if end <= keys {
        return Ok(());
    }
    let expected = format!("below the number of keys, {keys}: a query decays as the key at its own position");
    Err(Error::invalid(format!("{op}: position of the last query"), end - 1, expected))
}
