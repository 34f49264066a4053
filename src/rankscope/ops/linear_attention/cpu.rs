//! Linear attention: the recurrence computed directly, one head for each thread.

use rayon::prelude::*;

use crate::error::Result;
use crate::mask::{Padding, Reach};
use crate::ops::Real;
use crate::ops::online_attention::AttentionSizes;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// Which query sees which keys in one call.
pub struct Reachable<'a> {
    /// Which keys the queries of every head see.
    pub reach: Vec<Reach>,
    /// The position of the first query.
    pub first_query: usize,
    /// Which keys are tokens, where some are not.
    pub padding: Option<&'a Padding>,
}

/// The state of one head after some keys: Σₛ k\[s\] v\[s\]ᵀ and Σₛ k\[s\].
///
/// ```
/// use rankscope::ops::cpu::LinearSums;
/// let mut sums = LinearSums::new(1);
/// let mut context = [0.0];
/// sums.push(&[1.0], &[10.0]);
/// sums.push(&[3.0], &[20.0]);
/// sums.context(&[2.0], &mut context);
/// assert_eq!(context, [17.5]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSums<F> {
    size: usize,
    /// `[D, D + 1]`: the columns of the sum of products, and the sum of the keys as the last.
    values: Vec<F>,
}

impl<F: Real> LinearSums<F> {
    /// The sums before any key, zeros, for heads of size D.
    pub fn new(head_size: usize) -> Self {
        Self::from_values(head_size, vec![F::zero(); head_size * (head_size + 1)])
    }

    /// Adds the key with features `key` `[D]` and value `value` `[D]`.
    #[inline(always)]
    pub fn push(&mut self, key: &[F], value: &[F]) {
        for (row, &feature) in self.values.chunks_mut(self.size + 1).zip(key) {
            for (sum, &value) in row.iter_mut().zip(value) {
                *sum = *sum + feature * value;
            }
            row[self.size] = row[self.size] + feature;
        }
    }

    /// The context `[D]` of the query with features `query` `[D]`; 0 if its scores with all keys are 0.
    #[inline(always)]
    pub fn context(&self, query: &[F], context: &mut [F]) {
        context.fill(F::zero());
        let mut total = F::zero();
        for (row, &feature) in self.values.chunks(self.size + 1).zip(query) {
            for (sum, &value) in context.iter_mut().zip(row) {
                *sum = *sum + feature * value;
            }
            total = total + feature * row[self.size];
        }
        if total == F::zero() {
            return context.fill(F::zero());
        }
        context.iter_mut().for_each(|sum| *sum = *sum / total);
    }

    fn from_values(size: usize, values: Vec<F>) -> Self {
        LinearSums { size, values }
    }
}

/// Context `[B, H, T, D]`; see [`linear_attention`](crate::ops::linear_attention).
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled).
pub fn linear_attention<F: Real>(
    q: &[F],
    k: &[F],
    v: &[F],
    sizes: &AttentionSizes,
    visible: &Reachable<'_>,
    run: &Run,
) -> Result<Vec<F>> {
    let AttentionSizes { heads, queries, keys, head_size, .. } = *sizes;
    let mut context = F::any_values(q.len());
    if context.is_empty() {
        return Ok(context);
    }
    context.par_chunks_mut(queries * head_size).enumerate().try_for_each(|(matrix, context)| {
        let (sequence, head) = (matrix / heads, matrix % heads);
        let q = &q[matrix * queries * head_size..][..queries * head_size];
        let kv = sizes.kv_head(sequence, head) * keys * head_size;
        let (k, v) = (&k[kv..][..keys * head_size], &v[kv..][..keys * head_size]);
        one_head([q, k, v], sizes, visible, (sequence, head), context, run)
    })?;
    Ok(context)
}

vectorised! {
    /// Goes through the queries in the order in which they see more keys, and adds the new keys to the sums. `inputs`
    /// are q, k and v, `place` is the sequence and the head.
    fn one_head[F: Real](
        inputs: [&[F]; 3],
        sizes: &AttentionSizes,
        visible: &Reachable<'_>,
        place: (usize, usize),
        context: &mut [F],
        run: &Run,
    ) -> Result<()> {
        let ([q, k, v], (sequence, head)) = (inputs, place);
        let AttentionSizes { queries, keys, head_size, .. } = *sizes;
        let row = |at: usize| at * head_size..(at + 1) * head_size;
        let reach = visible.reach[head];
        let mut sums = LinearSums::new(head_size);
        let mut seen = match reach {
            Reach::UpTo(_) => 0..0,
            Reach::From => keys..keys,
        };
        for step in 0..queries {
            run.check()?;
            let query = if reach == Reach::From { queries - 1 - step } else { step };
            let sees = reach.range(visible.first_query + query, keys);
            for key in (sees.start..seen.start).chain(seen.end..sees.end) {
                if visible.padding.is_none_or(|padding| padding.is_real(sequence, key)) {
                    sums.push(&k[row(key)], &v[row(key)]);
                }
            }
            seen = sees;
            sums.context(&q[row(query)], &mut context[row(query)]);
        }
        Ok(())
    }
}

/// Context `[B, H, T, D]` of T more tokens, whose keys and values are added to `sums` `[B, G, D, D + 1]`; see
/// [`linear_step`](crate::ops::linear_step).
pub fn linear_step<F: Real>(sums: &mut [F], q: &[F], k: &[F], v: &[F], sizes: &AttentionSizes) -> Vec<F> {
    let AttentionSizes { heads, kv_heads, queries, head_size, .. } = *sizes;
    let mut context = vec![F::zero(); q.len()];
    if context.is_empty() {
        return context;
    }
    let group = heads / kv_heads;
    for (kv, values) in sums.chunks_mut(head_size * (head_size + 1)).enumerate() {
        let mut sums = LinearSums::from_values(head_size, values.to_vec());
        for t in 0..queries {
            let row =
                |matrix: usize| (matrix * queries + t) * head_size..(matrix * queries + t + 1) * head_size;
            sums.push(&k[row(kv)], &v[row(kv)]);
            for matrix in kv * group..(kv + 1) * group {
                sums.context(&q[row(matrix)], &mut context[row(matrix)]);
            }
        }
        values.copy_from_slice(&sums.values);
    }
    context
}
