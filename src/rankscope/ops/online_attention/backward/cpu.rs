//! The gradients of online-softmax attention: one key/value head for each thread.

use rayon::prelude::*;

use crate::buffer::any_values;
use crate::error::Result;
use crate::ops::Real;
use crate::ops::online_attention::AttentionSizes;
use crate::ops::online_attention::cpu::{Inputs, QUERIES, Right};
use crate::ops::online_attention::panels::{Left, Panels, multiply};
use crate::ops::real::sum_of_pairs;
use crate::ops::softmax::cpu::hide_weights;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// The gradients of q, k, v and sinks, each in the shape of its argument; without sinks the gradient of sinks is empty.
pub(super) struct Gradients {
    pub(super) q: Vec<f32>,
    pub(super) k: Vec<f32>,
    pub(super) v: Vec<f32>,
    pub(super) sinks: Vec<f32>,
}

/// The weights w = e^(x − lse) are computed again, tile by tile, from the `log_sums` lse of the forward pass. With
/// them, d the sum of ∂y · y over a query's context, and ∂x = w · (∂y·v − d):
///
/// ∂v\[s\] = Σ w\[t, s\] · ∂y\[t\], ∂q\[t\] = factor · Σ ∂x\[t, s\] · k\[s\], ∂k\[s\] = factor · Σ ∂x\[t, s\] · q\[t\], and
/// ∂b = −Σ e^(b − lse\[t\]) · d\[t\]. The gradients of a key/value head add up over the query heads that share it.
///
/// **Shapes**: as [`online_attention`](crate::ops::online_attention()); context y and ∂y `[B, H, T, D]`, log sums `[B, H, T]`.
///
/// **Conventions**: a thread takes a key/value head of a sequence with its H/G query heads, so that each sum has one
/// order, whatever the number of threads. Memory beyond arguments and results, for each thread: three copies of a head's keys
/// or values, and two tiles with their queries.
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled).
///
/// **Source**: Dao et al. 2022 (arXiv 2205.14135), algorithm 4.
pub(super) fn online_attention(past: &Past<'_>, run: &Run) -> Result<Gradients> {
    let inputs = past.inputs;
    let AttentionSizes { heads, kv_heads, queries, keys, head_size, .. } = *inputs.sizes;
    let zeros = |length| {
        let mut values = any_values(length);
        values.fill(0.0);
        values
    };
    let [mut dq, mut dk, mut dv] = [inputs.q, inputs.k, inputs.v].map(|x| zeros(x.len()));
    let mut sinks = zeros(inputs.sinks.map_or(0, <[f32]>::len));
    if dq.is_empty() || dk.is_empty() {
        return Ok(Gradients { q: dq, k: dk, v: dv, sinks });
    }
    let group = heads / kv_heads;
    let of_keys = dk.par_chunks_mut(keys * head_size).zip_eq(dv.par_chunks_mut(keys * head_size));
    let kv_heads = dq.par_chunks_mut(group * queries * head_size).zip_eq(of_keys).enumerate();
    let passed = kv_heads.map(|(kv, (dq, (dk, dv)))| {
        run.check()?;
        let [k, v] = [inputs.k, inputs.v].map(|x| &x[kv * keys * head_size..][..keys * head_size]);
        let pairs = Pairs {
            k: Panels::of_rows(k, head_size),
            k_turned: Panels::of_columns(k, head_size),
            v_turned: Panels::of_columns(v, head_size),
        };
        let mut tiles = [Vec::new(), Vec::new()];
        let query_heads = (kv * group..).zip(dq.chunks_mut(queries * head_size));
        query_heads.map(|(head, dq)| query_head(past, &pairs, head, [dq, dk, dv], &mut tiles, run)).collect()
    });
    let of_sinks = passed.collect::<Result<Vec<Vec<f32>>>>()?.concat(); // [B, H]
    for parts in of_sinks.chunks(heads) {
        sinks.iter_mut().zip(parts).for_each(|(sum, &part)| *sum += part);
    }
    Ok(Gradients { q: dq, k: dk, v: dv, sinks })
}

/// The arguments and results of the forward pass, and the gradient of the context.
pub(super) struct Past<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) context: &'a [f32],
    pub(super) log_sums: &'a [f32],
    pub(super) dy: &'a [f32],
}

/// The keys and values of a head.
struct Pairs {
    /// K `[S, D]`.
    k: Panels,
    /// Kᵀ.
    k_turned: Panels,
    /// Vᵀ.
    v_turned: Panels,
}

/// Writes ∂q of query head `head`, counted over the batch, adds to ∂k and ∂v, and returns the gradient of its sink.
/// `tiles` is memory for two tiles, reused from head to head.
fn query_head(
    past: &Past<'_>,
    pairs: &Pairs,
    head: usize,
    [dq, dk, dv]: [&mut [f32]; 3],
    [weights, gradients]: &mut [Vec<f32>; 2],
    run: &Run,
) -> Result<f32> {
    let inputs = past.inputs;
    let AttentionSizes { heads, queries, head_size: size, .. } = *inputs.sizes;
    let mut of_sink = 0.0;
    for (tile, dq) in dq.chunks_mut(QUERIES * size).enumerate() {
        run.check()?;
        let job = inputs.job(head, tile, Right::Panels(&pairs.k_turned));
        let here = head * queries + job.queries.start..head * queries + job.queries.end;
        let values = here.start * size..here.end * size;
        let (log_sums, dy) = (&past.log_sums[here], &past.dy[values.clone()]);
        let products = dot_rows(dy, &past.context[values], size); // d
        if let Some(sinks) = inputs.sinks {
            let parts =
                log_sums.iter().zip(&products).map(|(&lse, &d)| (sinks[head % heads] - lse).exp() * d);
            of_sink = parts.fold(of_sink, |sum, part| sum - part);
        }
        let [q_panels, dy_panels] = [job.q, dy].map(|x| Panels::of_rows(x, size));
        job.for_each_tile(inputs.visible, weights, |keys, weights, words| {
            weigh(weights, words, log_sums);
            let here = keys.start * size..keys.end * size;
            multiply(1.0, Left::Columns(weights, keys.len()), &dy_panels.all(), true, &mut dv[here.clone()]);
            gradients.resize(weights.len(), 0.0);
            multiply(1.0, Left::Rows(dy, size), &pairs.v_turned.columns(keys), false, gradients);
            through_softmax(gradients, weights, &products);
            let (by_query, by_key) =
                (Left::Rows(gradients, keys.len()), Left::Columns(gradients, keys.len()));
            multiply(inputs.factor, by_query, &pairs.k.rows(keys), true, dq);
            multiply(inputs.factor, by_key, &q_panels.all(), true, &mut dk[here]);
        });
    }
    Ok(of_sink)
}

vectorised! {
    /// Σ aᵢ bᵢ of every row.
    fn dot_rows[](a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
        let rows = a.chunks_exact(width).zip(b.chunks_exact(width));
        rows.map(|(a, b)| sum_of_pairs(a, b, |a, b| a * b)).collect()
    }
}

vectorised! {
    /// Replaces scores by weights, e^(x − lse) where the mask's bits allow it and 0 elsewhere; without bits everything
    /// is allowed.
    fn weigh[](scores: &mut [f32], words: &[u32], log_sums: &[f32]) {
        let (keys, row_words) = (scores.len() / log_sums.len(), words.len() / log_sums.len());
        for (row, (scores, &log_sum)) in scores.chunks_exact_mut(keys).zip(log_sums).enumerate() {
            for x in scores.iter_mut() {
                *x = (*x - log_sum).exp_fast::<FMA>();
            }
            if row_words > 0 {
                hide_weights(scores, words[row * row_words..][..row_words].iter().copied());
            }
        }
    }
}

vectorised! {
    /// Replaces the gradients of weights by those of scores: w · (∂w − d), with the row's d.
    fn through_softmax[](gradients: &mut [f32], weights: &[f32], products: &[f32]) {
        let keys = weights.len() / products.len();
        let rows = gradients.chunks_exact_mut(keys).zip(weights.chunks_exact(keys));
        for ((gradients, weights), &d) in rows.zip(products) {
            for (gradient, &weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - d);
            }
        }
    }
}
