//! Online-softmax attention: one tile of queries for each task, the products of tiles through BLAS.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::AttentionSizes;
use crate::blas;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Tile};
use crate::ops::blocks::share_with;
use crate::ops::real::{self, Real};
use crate::ops::softmax::cpu::hide_scores;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// Queries in a tile.
pub(super) const QUERIES: usize = 64;
/// Keys in a tile: with D = 64, a tile of scores, keys and values fits a core's second-level cache.
const KEYS: usize = 256;
/// The step, in keys, by which a tile is shortened.
const STRIP: usize = 64;

/// Which query sees which keys in one call.
pub struct Visible<'a> {
    /// The mask of every head.
    pub masks: Vec<Mask>,
    /// The position of the first query.
    pub first_query: usize,
    /// Which keys are tokens, where some are not.
    pub padding: Option<&'a Padding>,
}

impl Visible<'_> {
    /// Whether a head's mask allows none, all or some of the pairs of `queries` (by index) and `keys` of one sequence.
    fn tile(&self, sequence: usize, head: usize, queries: &Range<usize>, keys: &Range<usize>) -> Tile {
        let positions = self.first_query + queries.start..self.first_query + queries.end;
        let tile = self.masks[head].tile(&positions, keys);
        let all_real = |padding: &Padding| keys.clone().all(|key| padding.is_real(sequence, key));
        if tile == Tile::Full && !self.padding.is_none_or(all_real) { Tile::Mixed } else { tile }
    }

    /// Mask bits of `queries` (by index) for `keys`, 32 to a word, row by row.
    fn words(&self, sequence: usize, head: usize, queries: &Range<usize>, keys: &Range<usize>) -> Vec<u32> {
        let parts = || keys.clone().step_by(32).map(|first| first..(first + 32).min(keys.end));
        let real = |keys| self.padding.map_or(u32::MAX, |padding| padding.word(sequence, keys));
        let row = |query| {
            parts()
                .map(move |keys| self.masks[head].word(self.first_query + query, keys.clone()) & real(keys))
        };
        queries.clone().flat_map(row).collect()
    }
}

/// Context `[B, H, T, D]`; see [`online_attention`](crate::ops::online_attention).
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled).
#[allow(clippy::too_many_arguments)]
pub fn online_attention<F: Real>(
    q: &[F],
    k: &[F],
    v: &[F],
    factor: F,
    sinks: Option<&[F]>,
    sizes: &AttentionSizes,
    visible: &Visible<'_>,
    run: &Run,
) -> Result<Vec<F>> {
    let inputs = Inputs { q, k, v, factor, sinks, sizes, visible };
    Ok(attend(&inputs, run)?.0)
}

/// The arguments of attention.
pub(super) struct Inputs<'a, F> {
    pub(super) q: &'a [F],
    pub(super) k: &'a [F],
    pub(super) v: &'a [F],
    pub(super) factor: F,
    pub(super) sinks: Option<&'a [F]>,
    pub(super) sizes: &'a AttentionSizes,
    pub(super) visible: &'a Visible<'a>,
}

/// The context, and for every query `[B, H, T]` the logarithm of the sum that its weights are divided by,
/// ln(e^b + Σ e^x); −∞ for a query that may attend to nothing.
pub(super) fn attend<F: Real>(inputs: &Inputs<'_, F>, run: &Run) -> Result<(Vec<F>, Vec<F>)> {
    let AttentionSizes { batch, heads, queries, keys, head_size, .. } = *inputs.sizes;
    let mut context = F::any_values(inputs.q.len());
    let mut log_sums = vec![F::neg_infinity(); batch * heads * queries];
    if context.is_empty() || keys == 0 {
        context.fill(F::zero());
        return Ok((context, log_sums));
    }
    // One job is a tile of queries of one head of one sequence.
    let matrices = context.chunks_mut(queries * head_size).zip(log_sums.chunks_mut(queries));
    let jobs: Vec<_> = matrices
        .enumerate()
        .flat_map(|(matrix, (context, log_sums))| {
            let tiles = context.chunks_mut(QUERIES * head_size).zip(log_sums.chunks_mut(QUERIES));
            tiles.enumerate().map(move |(tile, results)| (matrix, tile, results))
        })
        .collect();
    blas::keep_to_one_thread();
    let skipped = AtomicBool::new(false);
    share_with(jobs.into_iter(), Vec::new, |scores, (matrix, tile, (context, log_sums))| match run.check() {
        Ok(()) => inputs.job(matrix, tile).run(inputs.visible, scores, context, log_sums),
        Err(_) => skipped.store(true, Ordering::Relaxed),
    });
    // Not by asking once more: the flag may be down again, and the context of a skipped tile is arbitrary.
    if skipped.into_inner() { Err(Error::Cancelled) } else { Ok((context, log_sums)) }
}

impl<'a, F: Real> Inputs<'a, F> {
    /// The `tile`-th tile of queries of head `matrix`, counted over the batch.
    pub(super) fn job(&self, matrix: usize, tile: usize) -> Job<'a, F> {
        let AttentionSizes { heads, queries, keys, head_size, .. } = *self.sizes;
        let (sequence, head) = (matrix / heads, matrix % heads);
        let first = tile * QUERIES;
        let rows = QUERIES.min(queries - first);
        let kv = self.sizes.kv_head(sequence, head) * keys * head_size;
        Job {
            q: &self.q[(matrix * queries + first) * head_size..][..rows * head_size],
            k: &self.k[kv..][..keys * head_size],
            v: &self.v[kv..][..keys * head_size],
            factor: self.factor,
            sink: self.sinks.map(|sinks| sinks[head]),
            keys,
            head_size,
            sequence,
            head,
            queries: first..first + rows,
        }
    }
}

/// One tile of queries of one head.
pub(super) struct Job<'a, F> {
    pub(super) q: &'a [F],
    pub(super) k: &'a [F],
    pub(super) v: &'a [F],
    factor: F,
    sink: Option<F>,
    keys: usize,
    head_size: usize,
    sequence: usize,
    head: usize,
    pub(super) queries: Range<usize>,
}

impl<F: Real> Job<'_, F> {
    /// Computes the tile's context. `scores` is memory for a tile of scores, reused from job to job.
    fn run(&self, visible: &Visible<'_>, scores: &mut Vec<F>, context: &mut [F], log_sums: &mut [F]) {
        context.fill(F::zero());
        let rows = self.queries.len();
        // A sink is a score whose value is 0: at first it is the largest score, with e^0 in the sum. A sink of −∞ is no
        // sink.
        let sink = self.sink.filter(|&sink| sink != F::neg_infinity());
        let mut largest = vec![sink.unwrap_or(F::neg_infinity()); rows];
        let mut sum = vec![sink.map_or(F::zero(), |_| F::one()); rows];
        self.for_each_tile(visible, scores, |keys, scores, words| {
            absorb(scores, words, &mut largest, &mut sum, context);
            let weights = matrix(scores, keys.len());
            general_mat_mul(
                F::one(),
                &weights,
                &self.rows_of(self.v, keys),
                F::one(),
                &mut matrix_mut(context, self.head_size),
            );
        });
        for (context, &sum) in context.chunks_mut(self.head_size).zip(&sum) {
            if sum > F::zero() {
                context.iter_mut().for_each(|c| *c = *c / sum);
            }
        }
        for ((log_sum, largest), sum) in log_sums.iter_mut().zip(largest).zip(sum) {
            *log_sum = largest + sum.ln();
        }
    }

    /// Calls `work` with every tile of keys that some query sees: the keys, their scores before the mask, and the
    /// mask's bits, which are empty where every query sees every key.
    pub(super) fn for_each_tile(
        &self,
        visible: &Visible<'_>,
        scores: &mut Vec<F>,
        mut work: impl FnMut(&Range<usize>, &mut [F], &[u32]),
    ) {
        let rows = self.queries.len();
        scores.resize(rows * KEYS.min(self.keys), F::zero());
        for start in (0..self.keys).step_by(KEYS) {
            let mut keys = start..(start + KEYS).min(self.keys);
            let tile = |keys: &Range<usize>| visible.tile(self.sequence, self.head, &self.queries, keys);
            // Drops keys at the end of a tile that no query sees, as in the tiles along a causal mask's diagonal.
            while !keys.is_empty()
                && tile(&(keys.end.saturating_sub(STRIP).max(start)..keys.end)) == Tile::Empty
            {
                keys.end = keys.end.saturating_sub(STRIP).max(start);
            }
            if keys.is_empty() {
                continue;
            }
            let scores = &mut scores[..rows * keys.len()];
            self.score(&keys, scores);
            let words = match tile(&keys) {
                Tile::Mixed => visible.words(self.sequence, self.head, &self.queries, &keys),
                _ => Vec::new(),
            };
            work(&keys, scores, &words);
        }
    }

    /// factor · Q·Kᵀ for the tile's queries and `keys`.
    fn score(&self, keys: &Range<usize>, scores: &mut [F]) {
        let (q, k) = (matrix(self.q, self.head_size), self.rows_of(self.k, keys));
        general_mat_mul(self.factor, &q, &k.t(), F::zero(), &mut matrix_mut(scores, keys.len()));
    }

    /// The rows of `keys` in k or v.
    pub(super) fn rows_of<'a>(&self, values: &'a [F], keys: &Range<usize>) -> ArrayView2<'a, F> {
        matrix(&values[keys.start * self.head_size..keys.end * self.head_size], self.head_size)
    }
}

/// Values as rows of `width`, of which there is at least one.
pub(super) fn matrix<F>(values: &[F], width: usize) -> ArrayView2<'_, F> {
    ArrayView2::from_shape((values.len() / width, width), values).expect("whole rows")
}

/// As [`matrix`].
pub(super) fn matrix_mut<F>(values: &mut [F], width: usize) -> ArrayViewMut2<'_, F> {
    ArrayViewMut2::from_shape((values.len() / width, width), values).expect("whole rows")
}

vectorised! {
    /// Turns the scores of a tile into e^(x − m) with m the largest score of a row so far, updates m and the sum of each
    /// row, and scales its context to the new m. `words` are the mask bits of the tile, empty where every query sees
    /// every key.
    fn absorb[F: Real](scores: &mut [F], words: &[u32], largest: &mut [F], sums: &mut [F], context: &mut [F]) {
        let (rows, row_words) = (sums.len(), words.len() / sums.len());
        let (keys, size) = (scores.len() / rows, context.len() / rows);
        for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
            if row_words > 0 {
                let words = &words[row * row_words..(row + 1) * row_words];
                hide_scores(scores, words.iter().copied());
            }
            let before = largest[row];
            let now = before.max(real::largest(scores));
            largest[row] = now;
            // A NaN among the scores makes the whole row NaN, so that it is not hidden.
            if now == F::neg_infinity() && !scores.iter().any(|score| score.is_nan()) {
                scores.fill(F::zero()); // nothing allowed so far
                continue;
            }
            let shrink = if before == now { F::one() } else { (before - now).exp_fast::<FMA>() };
            sums[row] = sums[row] * shrink + real::exponentials::<FMA, F>(scores, now);
            if shrink != F::one() {
                for c in &mut context[row * size..(row + 1) * size] {
                    *c = *c * shrink;
                }
            }
        }
    }
}
