//! The sums of the gradients on plain slices: a state to which one row at a time is added, one head for each thread.

use rayon::prelude::*;

use super::Sums;
use crate::mask::Reach;
use crate::ops::Real;
use crate::ops::blocks::{NORM, for_each_block};
use crate::ops::linear_attention::cpu::Reachable;
use crate::ops::online_attention::AttentionSizes;
use crate::ops::vectorised::vectorised;

/// See [`sums`](super::sums); rows of v and of the result have `columns` numbers.
pub(in crate::ops) fn sums<F: Real>(
    how: Sums,
    [q, k, v]: [&[F]; 3],
    columns: usize,
    sizes: &AttentionSizes,
    visible: &Reachable<'_>,
) -> Vec<F> {
    let AttentionSizes { batch, heads, kv_heads, queries, keys, .. } = *sizes;
    let (rows, others) = match how {
        Sums::OfQueries => (queries, keys),
        Sums::OfKeys => (keys, queries),
    };
    let mut y = vec![F::zero(); batch * heads * rows * columns];
    if y.is_empty() || others == 0 {
        return y;
    }
    let inner = k.len() / (others * batch * if how == Sums::OfQueries { kv_heads } else { heads });
    y.par_chunks_mut(rows * columns).enumerate().for_each(|(matrix, y)| {
        let (sequence, head) = (matrix / heads, matrix % heads);
        let kv = sizes.kv_head(sequence, head);
        let (of_rows, of_others) = if how == Sums::OfQueries { (matrix, kv) } else { (kv, matrix) };
        let q = &q[of_rows * rows * inner..][..rows * inner];
        let k = &k[of_others * others * inner..][..others * inner];
        let v = &v[of_others * others * columns..][..others * columns];
        one_head(how, [q, k, v], [inner, columns], sizes, visible, [sequence, head], y);
    });
    y
}

vectorised! {
    /// Goes through the rows in the order in which they see more and more, and adds what each newly sees to the state.
    fn one_head[F: Real](
        how: Sums,
        inputs: [&[F]; 3],
        widths: [usize; 2],
        sizes: &AttentionSizes,
        visible: &Reachable<'_>,
        place: [usize; 2],
        y: &mut [F],
    ) {
        let ([q, k, v], [inner, columns], [sequence, head]) = (inputs, widths, place);
        let AttentionSizes { queries, keys, .. } = *sizes;
        let (reach, first) = (visible.reach[head], visible.first_query);
        let is_token = |key: usize| visible.padding.is_none_or(|padding| padding.is_real(sequence, key));
        let others = if how == Sums::OfQueries { keys } else { queries };
        // Whether a row sees from some place on, and not up to some place.
        let is_from = (reach == Reach::From) == (how == Sums::OfQueries);
        let mut seen = if is_from { others..others } else { 0..0 };
        let mut state = vec![F::zero(); inner * columns]; // [E, P]
        let rows = y.len() / columns;
        for step in 0..rows {
            let row = if is_from { rows - 1 - step } else { step };
            let sees = match how {
                Sums::OfQueries => reach.range(first + row, keys),
                Sums::OfKeys => reach.seen_by(row, first, queries),
            };
            for other in (sees.start..seen.start).chain(seen.end..sees.end) {
                if how == Sums::OfQueries && !is_token(other) {
                    continue;
                }
                let (k, v) = (&k[other * inner..][..inner], &v[other * columns..][..columns]);
                for (state, &feature) in state.chunks_exact_mut(columns).zip(k) {
                    for (sum, &value) in state.iter_mut().zip(v) {
                        *sum = *sum + feature * value;
                    }
                }
            }
            seen = sees;
            if how == Sums::OfKeys && !is_token(row) {
                continue;
            }
            let y = &mut y[row * columns..][..columns];
            for (state, &feature) in state.chunks_exact(columns).zip(&q[row * inner..][..inner]) {
                for (y, &sum) in y.iter_mut().zip(state) {
                    *y = *y + feature * sum;
                }
            }
        }
    }
}

/// See [`shares`](super::shares).
pub(in crate::ops) fn shares<F: Real>(dy: &[F], y: &[F], totals: &[F], size: usize) -> Vec<F> {
    let mut shares = vec![F::zero(); totals.len() * (size + 1)];
    for_each_block(&mut shares, size + 1, NORM, |first, shares| {
        for (row, shares) in (first..).zip(shares.chunks_exact_mut(size + 1)) {
            let (total, of_row) = (totals[row], row * size..(row + 1) * size);
            if total == F::zero() {
                continue;
            }
            let mut product = F::zero();
            for ((share, &dy), &y) in shares.iter_mut().zip(&dy[of_row.clone()]).zip(&y[of_row]) {
                *share = dy / total;
                product = product + dy * y;
            }
            shares[size] = -product / total;
        }
    });
    shares
}
