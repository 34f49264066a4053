//! The gradients of online-softmax attention: one key/value head for each thread, the products of tiles through BLAS.

use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

use crate::blas;
use crate::error::Result;
use crate::ops::Real;
use crate::ops::online_attention::AttentionSizes;
use crate::ops::online_attention::cpu::{Inputs, QUERIES, matrix, matrix_mut};
use crate::ops::real::sum_of_pairs;
use crate::ops::softmax::cpu::hide_weights;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// The gradients of q, k, v and sinks, each in the shape of its argument; without sinks the gradient of sinks is empty.
pub(super) struct Gradients<F> {
    pub(super) q: Vec<F>,
    pub(super) k: Vec<F>,
    pub(super) v: Vec<F>,
    pub(super) sinks: Vec<F>,
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
/// order, whatever the number of threads. Memory beyond arguments and results: two tiles for each thread.
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled).
///
/// **Source**: Dao et al. 2022 (arXiv 2205.14135), algorithm 4.
pub(super) fn online_attention<F: Real>(past: &Past<'_, F>, run: &Run) -> Result<Gradients<F>> {
    let inputs = past.inputs;
    let AttentionSizes { heads, kv_heads, queries, keys, head_size, .. } = *inputs.sizes;
    let zeros = |length| {
        let mut values = F::any_values(length);
        values.fill(F::zero());
        values
    };
    let [mut dq, mut dk, mut dv] = [inputs.q, inputs.k, inputs.v].map(|x| zeros(x.len()));
    let mut sinks = zeros(inputs.sinks.map_or(0, <[F]>::len));
    if dq.is_empty() || dk.is_empty() {
        return Ok(Gradients { q: dq, k: dk, v: dv, sinks });
    }
    let group = heads / kv_heads;
    blas::keep_to_one_thread();
    let of_keys = dk.par_chunks_mut(keys * head_size).zip_eq(dv.par_chunks_mut(keys * head_size));
    let kv_heads = dq.par_chunks_mut(group * queries * head_size).zip_eq(of_keys).enumerate();
    let passed = kv_heads.map(|(kv, (dq, (dk, dv)))| {
        let mut tiles = [Vec::new(), Vec::new()];
        let query_heads = (kv * group..).zip(dq.chunks_mut(queries * head_size));
        query_heads.map(|(head, dq)| query_head(past, head, [dq, dk, dv], &mut tiles, run)).collect()
    });
    let of_sinks = passed.collect::<Result<Vec<Vec<F>>>>()?.concat(); // [B, H]
    for parts in of_sinks.chunks(heads) {
        sinks.iter_mut().zip(parts).for_each(|(sum, &part)| *sum = *sum + part);
    }
    Ok(Gradients { q: dq, k: dk, v: dv, sinks })
}

/// The arguments and results of the forward pass, and the gradient of the context.
pub(super) struct Past<'a, F> {
    pub(super) inputs: &'a Inputs<'a, F>,
    pub(super) context: &'a [F],
    pub(super) log_sums: &'a [F],
    pub(super) dy: &'a [F],
}

/// Writes ∂q of query head `head`, counted over the batch, adds to ∂k and ∂v, and returns the gradient of its sink.
/// `tiles` is memory for two tiles, reused from head to head.
fn query_head<F: Real>(
    past: &Past<'_, F>,
    head: usize,
    [dq, dk, dv]: [&mut [F]; 3],
    [weights, gradients]: &mut [Vec<F>; 2],
    run: &Run,
) -> Result<F> {
    let inputs = past.inputs;
    let AttentionSizes { heads, queries, head_size: size, .. } = *inputs.sizes;
    let mut of_sink = F::zero();
    for (tile, dq) in dq.chunks_mut(QUERIES * size).enumerate() {
        run.check()?;
        let job = inputs.job(head, tile);
        let here = head * queries + job.queries.start..head * queries + job.queries.end;
        let values = here.start * size..here.end * size;
        let (log_sums, dy) = (&past.log_sums[here], &past.dy[values.clone()]);
        let products = dot_rows(dy, &past.context[values], size); // d
        if let Some(sinks) = inputs.sinks {
            let parts =
                log_sums.iter().zip(&products).map(|(&lse, &d)| (sinks[head % heads] - lse).exp() * d);
            of_sink = parts.fold(of_sink, |sum, part| sum - part);
        }
        let (q, dy, mut dq) = (matrix(job.q, size), matrix(dy, size), matrix_mut(dq, size));
        job.for_each_tile(inputs.visible, weights, |keys, weights, words| {
            weigh(weights, words, log_sums);
            let here = keys.start * size..keys.end * size;
            let (mut dk, mut dv) = (matrix_mut(&mut dk[here.clone()], size), matrix_mut(&mut dv[here], size));
            general_mat_mul(F::one(), &matrix(weights, keys.len()).t(), &dy, F::one(), &mut dv);
            gradients.resize(weights.len(), F::zero());
            let v = job.rows_of(job.v, keys);
            general_mat_mul(F::one(), &dy, &v.t(), F::zero(), &mut matrix_mut(gradients, keys.len()));
            through_softmax(gradients, weights, &products);
            let dx = matrix(gradients, keys.len());
            general_mat_mul(inputs.factor, &dx, &job.rows_of(job.k, keys), F::one(), &mut dq);
            general_mat_mul(inputs.factor, &dx.t(), &q, F::one(), &mut dk);
        });
    }
    Ok(of_sink)
}

vectorised! {
    /// Σ aᵢ bᵢ of every row.
    fn dot_rows[F: Real](a: &[F], b: &[F], width: usize) -> Vec<F> {
        let rows = a.chunks_exact(width).zip(b.chunks_exact(width));
        rows.map(|(a, b)| sum_of_pairs(a, b, |a, b| a * b)).collect()
    }
}

vectorised! {
    /// Replaces scores by weights, e^(x − lse) where the mask's bits allow it and 0 elsewhere; without bits everything
    /// is allowed.
    fn weigh[F: Real](scores: &mut [F], words: &[u32], log_sums: &[F]) {
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
    fn through_softmax[F: Real](gradients: &mut [F], weights: &[F], products: &[F]) {
        let keys = weights.len() / products.len();
        let rows = gradients.chunks_exact_mut(keys).zip(weights.chunks_exact(keys));
        for ((gradients, weights), &d) in rows.zip(products) {
            for (gradient, &weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - d);
            }
        }
    }
}
