//! State-space attention with a scalar decay: the decays, the decayed scores, and the recurrence, one head for each
//! thread.

use rayon::prelude::*;

use crate::error::Result;
use crate::mask::{Allowed, Padding, Positions};
use crate::ops::Real;
use crate::ops::blocks::{SOFTMAX, for_each_block};
use crate::ops::online_attention::AttentionSizes;
use crate::ops::softmax::cpu::hide_weights;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// log a `[B, G, S]` of keys `[B, G, S, D]`, with weight `[G, D]` and bias `[G]`, neither empty; `keys` is S. See
/// [`log_decays`](crate::ops::log_decays).
pub fn log_decays<F: Real>(
    k: &[F],
    weight: &[F],
    bias: &[F],
    keys: usize,
    padding: Option<&Padding>,
) -> Vec<F> {
    of_tokens(k, weight, bias, keys, padding, |z| -softplus(z))
}

/// f(w·k + β) for every key that is a token, 0 for padding.
pub(super) fn of_tokens<F: Real>(
    k: &[F],
    weight: &[F],
    bias: &[F],
    keys: usize,
    padding: Option<&Padding>,
    f: impl Fn(F) -> F,
) -> Vec<F> {
    let (kv_heads, size) = (bias.len(), weight.len() / bias.len());
    let of_key = |(row, key): (usize, &[F])| {
        let (matrix, s) = (row / keys, row % keys);
        let (sequence, head) = (matrix / kv_heads, matrix % kv_heads);
        if padding.is_some_and(|padding| !padding.is_real(sequence, s)) {
            return F::zero();
        }
        let weight = &weight[head * size..][..size];
        let dot = key.iter().zip(weight).fold(F::zero(), |sum, (&key, &weight)| sum + key * weight);
        f(dot + bias[head])
    };
    k.chunks_exact(size).enumerate().map(of_key).collect()
}

/// ln(1 + eˣ), computed so that small results keep their digits.
fn softplus<F: Real>(x: F) -> F {
    x.max(F::zero()) + (-x.abs()).exp().ln_1p()
}

/// Turns scores `[B, H, T, S]` into weights in place; log a is `[B, G, S]`, and G follows from its length. See
/// [`decayed_scores`](crate::ops::decayed_scores).
///
/// # Panics
/// If `values` is not B·H·T·S long, the mask has other sizes, or a query's position is not below S.
///
/// ```
/// use rankscope::{Mask, mask::{Allowed, Positions}, ops::cpu::decayed_scores};
/// let at = Positions { first_query: 0 };
/// let causal = Allowed::new(&Mask::causal(), 1, 2, 2, at, None)?;
/// let mut values = [1.0, 1.0, 8.0, 1.0];
/// decayed_scores(&mut values, &[0.1f64.ln(), 0.5f64.ln()], [1, 1, 2, 2], at, &causal);
/// assert_eq!(values, [1.0, 0.0, 4.0, 1.0]); // token 1 halves what was there before it
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn decayed_scores<F: Real>(
    values: &mut [F],
    log_decays: &[F],
    [batch, heads, queries, keys]: [usize; 4],
    at: Positions,
    allowed: &Allowed,
) {
    let group = (batch * heads * keys).checked_div(log_decays.len()).unwrap_or(1);
    for_each_block(values, keys, SOFTMAX, |first, rows| {
        decay_rows(rows, first, [heads, queries, keys], log_decays, group, at, allowed);
    });
}

vectorised! {
    /// The weights of the rows from row `first` on; `sizes` are H, T and S, and `group` is H/G.
    pub(super) fn decay_rows[F: Real](
        rows: &mut [F],
        first: usize,
        sizes: [usize; 3],
        log_decays: &[F],
        group: usize,
        at: Positions,
        allowed: &Allowed,
    ) {
        let [heads, queries, keys] = sizes;
        let mut sums = vec![F::zero(); keys];
        for (row, values) in (first..).zip(rows.chunks_exact_mut(keys)) {
            let (matrix, query) = (row / queries, row % queries);
            sum_outward(&mut sums, &log_decays[matrix / group * keys..][..keys], at.first_query + query);
            for (value, &sum) in values.iter_mut().zip(&sums) {
                *value = *value * sum.exp_fast::<FMA>();
            }
            hide_weights(values, allowed.row(matrix / heads, matrix % heads, query).iter().copied());
        }
    }
}

/// −|L\[t\] − L\[s\]| of every key s, summed from position t outward.
#[inline(always)]
fn sum_outward<F: Real>(sums: &mut [F], log_decays: &[F], t: usize) {
    sums[t] = F::zero();
    for s in (0..t).rev() {
        sums[s] = sums[s + 1] + log_decays[s + 1];
    }
    for s in t + 1..sums.len() {
        sums[s] = sums[s - 1] + log_decays[s];
    }
}

/// Context `[B, H, T, D]` of the queries, and the new `state` `[B, G, D, D]`, which then includes their tokens and all
/// before them. `inputs` are q, k, v and log a `[B, G, S]`; see [`decayed_walk`](crate::ops::decayed_walk).
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled).
///
/// # Panics
/// If a query's position is not below S.
pub fn decayed_walk<F: Real>(
    state: &mut [F],
    inputs: [&[F]; 4],
    sizes: &AttentionSizes,
    at: Positions,
    padding: Option<&Padding>,
    run: &Run,
) -> Result<Vec<F>> {
    let heads = state.par_chunks_mut((sizes.head_size * sizes.head_size).max(1)).enumerate();
    let walk = |(head, state): (usize, &mut [F])| one_head(state, head, inputs, sizes, at, padding, run);
    Ok(heads.map(walk).collect::<Result<Vec<_>>>()?.concat())
}

vectorised! {
    /// Context `[H/G, T, D]` of the queries of key/value head `head`, counted over the batch.
    fn one_head[F: Real](
        state: &mut [F],
        head: usize,
        inputs: [&[F]; 4],
        sizes: &AttentionSizes,
        at: Positions,
        padding: Option<&Padding>,
        run: &Run,
    ) -> Result<Vec<F>> {
        let [q, k, v, log_decays] = inputs;
        let AttentionSizes { heads, kv_heads, queries, keys, head_size, .. } = *sizes;
        let group = heads / kv_heads;
        let factor = F::constant(1.0 / (head_size as f64).sqrt());
        let row = |row: usize| row * head_size..(row + 1) * head_size;
        let mut context = vec![F::zero(); group * queries * head_size];
        for s in 0..at.first_query + queries {
            run.check()?;
            if padding.is_none_or(|padding| padding.is_real(head / kv_heads, s)) {
                let key = head * keys + s;
                push(state, log_decays[key].exp(), &k[row(key)], &v[row(key)]);
            }
            let Some(t) = s.checked_sub(at.first_query) else { continue };
            for matrix in 0..group {
                let query = &q[row((head * group + matrix) * queries + t)];
                read(state, query, factor, &mut context[row(matrix * queries + t)]);
            }
        }
        Ok(context)
    }
}

/// S ← a·S + k vᵀ.
#[inline(always)]
fn push<F: Real>(state: &mut [F], decay: F, key: &[F], value: &[F]) {
    for (row, &key) in state.chunks_exact_mut(value.len()).zip(key) {
        for (sum, &value) in row.iter_mut().zip(value) {
            *sum = decay * *sum + key * value;
        }
    }
}

/// factor · q·S, in `context`, which is 0 before.
#[inline(always)]
fn read<F: Real>(state: &[F], query: &[F], factor: F, context: &mut [F]) {
    for (row, &query) in state.chunks_exact(query.len()).zip(query) {
        let query = factor * query;
        for (sum, &value) in context.iter_mut().zip(row) {
            *sum = *sum + query * value;
        }
    }
}
