//! The products of attention for few queries, as in decoding token by token: keys and values are read once for each query, as
//! they are.

use pulp::{Arch, Simd, WithSimd};

/// scores = factor · q·kᵀ, for scores `[T, S]`, q `[T, D]` and k `[S, D]`; D is `size`.
pub(super) fn multiply_keys(factor: f32, q: &[f32], k: &[f32], size: usize, scores: &mut [f32]) {
    Arch::new().dispatch(Keys { factor, q, k, size, scores });
}

/// context + weights·v, for weights `[T, S]`, v `[S, D]` and context `[T, D]`; D is `size`.
pub(super) fn add_values(weights: &[f32], v: &[f32], size: usize, context: &mut [f32]) {
    Arch::new().dispatch(Values { weights, v, size, context });
}

/// The arguments of [`multiply_keys`].
struct Keys<'a> {
    factor: f32,
    q: &'a [f32],
    k: &'a [f32],
    size: usize,
    scores: &'a mut [f32],
}

impl WithSimd for Keys<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let keys = self.k.len() / self.size;
        for (q, scores) in self.q.chunks_exact(self.size).zip(self.scores.chunks_exact_mut(keys)) {
            let (q, q_rest) = S::as_simd_f32s(q);
            let q_rest = simd.partial_load_f32s(q_rest);
            for (score, k) in scores.iter_mut().zip(self.k.chunks_exact(self.size)) {
                let (k, k_rest) = S::as_simd_f32s(k);
                let mut sum = simd.splat_f32s(0.0);
                for (&q, &k) in q.iter().zip(k) {
                    sum = simd.mul_add_e_f32s(q, k, sum);
                }
                if !k_rest.is_empty() {
                    sum = simd.mul_add_e_f32s(q_rest, simd.partial_load_f32s(k_rest), sum);
                }
                *score = self.factor * simd.reduce_sum_f32s(sum);
            }
        }
    }
}

/// The arguments of [`add_values`].
struct Values<'a> {
    weights: &'a [f32],
    v: &'a [f32],
    size: usize,
    context: &'a mut [f32],
}

/// Rows of v that are added at a time, so that the context is read and written once for all of them.
const ROWS: usize = 4;

impl WithSimd for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Values { weights, v, size, context } = self;
        for (weights, context) in weights.chunks_exact(v.len() / size).zip(context.chunks_exact_mut(size)) {
            let (fours, rest) = weights.as_chunks::<ROWS>();
            let (v_fours, v_rest) = v.split_at(fours.len() * ROWS * size);
            for (weights, v) in fours.iter().zip(v_fours.chunks_exact(ROWS * size)) {
                add_rows::<S, ROWS>(simd, *weights, v, context);
            }
            for (&weight, v) in rest.iter().zip(v_rest.chunks_exact(size)) {
                add_rows::<S, 1>(simd, [weight], v, context);
            }
        }
    }
}

/// Adds R rows of v, each times its weight, to one row of the context.
#[inline(always)]
fn add_rows<S: Simd, const R: usize>(simd: S, weights: [f32; R], v: &[f32], context: &mut [f32]) {
    let size = context.len();
    let (whole, rest) = S::as_mut_simd_f32s(context);
    let mut rows = [(simd.splat_f32s(0.0), &[][..], &[][..]); R];
    for r in 0..R {
        let (v_whole, v_rest) = S::as_simd_f32s(&v[r * size..][..size]);
        rows[r] = (simd.splat_f32s(weights[r]), &v_whole[..whole.len()], v_rest);
    }
    for (i, c) in whole.iter_mut().enumerate() {
        for (weight, v, _) in rows {
            *c = simd.mul_add_e_f32s(weight, v[i], *c);
        }
    }
    if !rest.is_empty() {
        let mut sum = simd.partial_load_f32s(rest);
        for (weight, _, v) in rows {
            sum = simd.mul_add_e_f32s(weight, simd.partial_load_f32s(v), sum);
        }
        simd.partial_store_f32s(rest, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_sizes() {
        let value = |i: usize| (i * 7919 % 101) as f32 - 50.0; // whole numbers: every sum is exact
        for (queries, keys, size) in [(1, 1, 1), (1, 3, 7), (2, 4, 16), (3, 6, 20), (1, 9, 64), (5, 8, 33)] {
            let q: Vec<f32> = (0..queries * size).map(value).collect();
            let k: Vec<f32> = (0..keys * size).map(|i| value(i + 13)).collect();
            let mut scores = vec![0.0; queries * keys];
            multiply_keys(0.5, &q, &k, size, &mut scores);
            for (i, &score) in scores.iter().enumerate() {
                let sum: f32 = (0..size).map(|d| q[i / keys * size + d] * k[i % keys * size + d]).sum();
                assert_eq!(score, 0.5 * sum, "{queries} x {keys} x {size}");
            }
            let weights: Vec<f32> = (0..queries * keys).map(value).collect();
            let mut context = q.clone();
            add_values(&weights, &k, size, &mut context);
            for (i, &c) in context.iter().enumerate() {
                let sum: f32 = (0..keys).map(|s| weights[i / size * keys + s] * k[s * size + i % size]).sum();
                assert_eq!(c, q[i] + sum, "{queries} x {keys} x {size}");
            }
        }
    }
}
