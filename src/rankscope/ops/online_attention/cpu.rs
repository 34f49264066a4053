//! Online-softmax attention: one tile of queries for each task.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::AttentionSizes;
use super::few_queries::{add_values, multiply_keys};
use super::panels::{Left, Panels, multiply};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Tile};
use crate::ops::blocks::{share, share_with};
use crate::ops::real::{self, Real};
use crate::ops::softmax::cpu::hide_scores;
use crate::ops::vectorised::vectorised;
use crate::run::Run;

/// Queries in a tile.
pub(super) const QUERIES: usize = 32;
/// Keys in a tile: with D = 64, a tile of scores, keys and values fits a core's second-level cache.
const KEYS: usize = 512;
/// The step, in keys, by which a tile is shortened.
const STRIP: usize = 32;
/// The fewest queries, counted over the heads that share keys, for which keys and values are copied into [`Panels`]. For fewer,
/// as in decoding token by token, the copy takes longer than it saves.
const COPIED_FOR: usize = 16;

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

/// The arguments of attention.
pub(super) struct Inputs<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) factor: f32,
    pub(super) sinks: Option<&'a [f32]>,
    pub(super) sizes: &'a AttentionSizes,
    pub(super) visible: &'a Visible<'a>,
}

/// The context, and for every query `[B, H, T]` the logarithm of the sum that its weights are divided by,
/// ln(e^b + Σ e^x); −∞ for a query that may attend to nothing.
pub(super) fn attend(inputs: &Inputs<'_>, run: &Run) -> Result<(Vec<f32>, Vec<f32>)> {
    let AttentionSizes { batch, heads, kv_heads, queries, keys, head_size } = *inputs.sizes;
    let mut context = any_values(inputs.q.len());
    let mut log_sums = vec![f32::NEG_INFINITY; batch * heads * queries];
    if context.is_empty() || keys == 0 {
        context.fill(0.0);
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
    let pair = |kv: usize| [inputs.k, inputs.v].map(|x| &x[kv * keys * head_size..][..keys * head_size]);
    let mut copies: Vec<Option<[Panels; 2]>> = (0..batch * kv_heads).map(|_| None).collect();
    if queries * (heads / kv_heads) >= COPIED_FOR {
        share(copies.iter_mut().enumerate(), |(kv, copy)| {
            let [k, v] = pair(kv);
            *copy = Some([Panels::of_columns(k, head_size), Panels::of_rows(v, head_size)]);
        });
    }
    let skipped = AtomicBool::new(false);
    share_with(jobs.into_iter(), Vec::new, |scores, (matrix, tile, (context, log_sums))| {
        if run.check().is_err() {
            return skipped.store(true, Ordering::Relaxed);
        }
        let kv = inputs.sizes.kv_head(matrix / heads, matrix % heads);
        let [k, v] = match &copies[kv] {
            Some(copy) => copy.each_ref().map(Right::Panels),
            None => pair(kv).map(Right::Rows),
        };
        inputs.job(matrix, tile, k).run(inputs.visible, v, scores, context, log_sums);
    });
    // Not by asking once more: the flag may be down again, and the context of a skipped tile is arbitrary.
    if skipped.into_inner() { Err(Error::Cancelled) } else { Ok((context, log_sums)) }
}

impl<'a> Inputs<'a> {
    /// The `tile`-th tile of queries of head `matrix`, counted over the batch, and the keys that it looks at.
    pub(super) fn job(&self, matrix: usize, tile: usize, k: Right<'a>) -> Job<'a> {
        let AttentionSizes { heads, queries, keys, head_size, .. } = *self.sizes;
        let (sequence, head) = (matrix / heads, matrix % heads);
        let first = tile * QUERIES;
        let rows = QUERIES.min(queries - first);
        Job {
            q: &self.q[(matrix * queries + first) * head_size..][..rows * head_size],
            k,
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

/// The keys or values of a head.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// As they are, `[S, D]`.
    Rows(&'a [f32]),
    /// Kᵀ `[D, S]` or V `[S, D]`.
    Panels(&'a Panels),
}

/// One tile of queries of one head.
pub(super) struct Job<'a> {
    pub(super) q: &'a [f32],
    k: Right<'a>,
    factor: f32,
    sink: Option<f32>,
    keys: usize,
    head_size: usize,
    sequence: usize,
    head: usize,
    pub(super) queries: Range<usize>,
}

impl Job<'_> {
    /// Computes the tile's context. `scores` is memory for a tile of scores, reused from job to job.
    fn run(
        &self,
        visible: &Visible<'_>,
        v: Right<'_>,
        scores: &mut Vec<f32>,
        context: &mut [f32],
        log_sums: &mut [f32],
    ) {
        context.fill(0.0);
        let rows = self.queries.len();
        // A sink is a score whose value is 0: at first it is the largest score, with e^0 in the sum. A sink of −∞ is no
        // sink.
        let sink = self.sink.filter(|&sink| sink != f32::NEG_INFINITY);
        let mut largest = vec![sink.unwrap_or(f32::NEG_INFINITY); rows];
        let mut sum = vec![sink.map_or(0.0, |_| 1.0); rows];
        self.for_each_tile(visible, scores, |keys, scores, words| {
            absorb(scores, words, &mut largest, &mut sum, context);
            match v {
                Right::Rows(v) => add_values(scores, self.rows_of(v, keys), self.head_size, context),
                Right::Panels(v) => {
                    multiply(1.0, Left::Rows(scores, keys.len()), &v.rows(keys), true, context);
                }
            }
        });
        for (context, &sum) in context.chunks_mut(self.head_size).zip(&sum) {
            if sum > 0.0 {
                context.iter_mut().for_each(|c| *c /= sum);
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
        scores: &mut Vec<f32>,
        mut work: impl FnMut(&Range<usize>, &mut [f32], &[u32]),
    ) {
        let rows = self.queries.len();
        scores.resize(rows * KEYS.min(self.keys), 0.0);
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

    /// The rows of `keys` in k or v.
    fn rows_of<'a>(&self, values: &'a [f32], keys: &Range<usize>) -> &'a [f32] {
        &values[keys.start * self.head_size..keys.end * self.head_size]
    }

    /// factor · Q·Kᵀ for the tile's queries and `keys`.
    fn score(&self, keys: &Range<usize>, scores: &mut [f32]) {
        match self.k {
            Right::Rows(k) => {
                multiply_keys(self.factor, self.q, self.rows_of(k, keys), self.head_size, scores);
            }
            Right::Panels(k) => {
                let q = Left::Rows(self.q, self.head_size);
                multiply(self.factor, q, &k.columns(keys), false, scores);
            }
        }
    }
}

vectorised! {
    /// Turns the scores of a tile into e^(x − m) with m the largest score of a row so far, updates m and the sum of each
    /// row, and scales its context to the new m. `words` are the mask bits of the tile, empty where every query sees
    /// every key.
    fn absorb[](scores: &mut [f32], words: &[u32], largest: &mut [f32], sums: &mut [f32], context: &mut [f32]) {
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
            if now == f32::NEG_INFINITY && !scores.iter().any(|score| score.is_nan()) {
                scores.fill(0.0); // nothing allowed so far
                continue;
            }
            let shrink = if before == now { 1.0 } else { (before - now).exp_fast::<FMA>() };
            sums[row] = sums[row] * shrink + real::exponentials::<FMA, f32>(scores, now);
            if shrink != 1.0 {
                for c in &mut context[row * size..(row + 1) * size] {
                    *c *= shrink;
                }
            }
        }
    }
}
