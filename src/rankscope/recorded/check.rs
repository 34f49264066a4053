//! Checks whether a matrix holds attention weights, and whether they are causal.

use ndarray::{ArrayView2, Axis};
use serde::Serialize;

/// Properties of a matrix as attention weights, each with the largest deviation from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightCheck {
    /// Whether every entry for a later key is exactly 0, with query t at position S − T + t.
    pub causal: Option<bool>,
    /// The reason why `causal` is unknown.
    pub causal_reason: Option<String>,
    /// The largest magnitude for a later key: the deviation from a causal matrix.
    pub largest_above_diagonal: Option<f64>,
    /// The smallest entry of a query for its own position.
    pub smallest_on_diagonal: Option<f64>,
    /// The maximum over rows of |Σ − 1|, except rows of zeros: the deviation from a row-stochastic matrix.
    pub row_sum_error: f64,
    /// The row whose sum is furthest from 1.
    pub worst_row: usize,
    /// The number of rows with only zeros: queries that may attend to nothing, or padding.
    pub zero_rows: usize,
    /// The smallest entry.
    pub smallest: f64,
    /// The largest entry.
    pub largest: f64,
    /// What the matrix seems to hold.
    pub content: Content,
}

/// The kinds of matrices that are saved as attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// No entry is negative, and every row sums to 1.
    Weights,
    /// Every row sums to 1, but some entries are negative: not a softmax.
    SignedWeights,
    /// The exponentials of every row sum to 1.
    LogWeights,
    /// Every column sums to 1, but not every row: queries and keys are exchanged.
    Transposed,
    /// No entry is negative, and rows sum to other values.
    Unnormalised,
    /// Some entries are negative, and rows have arbitrary sums: scores before softmax.
    Scores,
}

impl Content {
    /// A warning for the reader in one sentence, with advice; `None` for weights.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Content::Weights => None,
            Content::SignedWeights => Some("rows sum to 1, but entries are negative: no softmax gives that"),
            Content::LogWeights => Some("these are logarithms of weights; save their exp()"),
            Content::Transposed => {
                Some("columns sum to 1, and rows do not: save the transpose, queries down")
            }
            Content::Unnormalised => Some(
                "rows do not sum to 1: scores before softmax, weights with dropout (call model.eval() first), or \
                 weights rounded to few digits",
            ),
            Content::Scores => Some(
                "entries are negative and rows do not sum to 1: scores (logits) before softmax, not weights; \
                 save output_attentions",
            ),
        }
    }
}

impl WeightCheck {
    /// Checks `weights` `[T, S]`, not empty; NaN entries do not count as zeros and are left out of the extremes. For
    /// [`content`](Self::content), a sum counts as 1 if its distance from 1 is at most `near`.
    ///
    /// ```
    /// use ndarray::array;
    /// use rankscope::recorded::{Content, WeightCheck};
    /// let check = WeightCheck::of(array![[1.0, 0.0], [0.25, 0.5]].view(), 1e-3);
    /// assert_eq!((check.causal, check.smallest_on_diagonal), (Some(true), Some(0.5)));
    /// assert_eq!((check.row_sum_error, check.worst_row, check.content), (0.25, 1, Content::Unnormalised));
    /// ```
    pub fn of(weights: ArrayView2<f64>, near: f64) -> Self {
        let (queries, keys) = weights.dim();
        let first = keys.checked_sub(queries);
        let later = |first: usize| {
            let later = weights.indexed_iter().filter(move |((query, key), _)| *key > first + query);
            later.map(|(_, &entry)| entry)
        };
        let above = |first: usize| later(first).fold(0.0f64, |largest, entry| largest.max(entry.abs()));
        let own = |first: usize| {
            (0..queries).map(|query| weights[(query, first + query)]).fold(f64::INFINITY, f64::min)
        };
        let (largest_above_diagonal, smallest_on_diagonal) = (first.map(above), first.map(own));
        let (row_sum_error, worst_row) = furthest_from_one(weights);
        let is_zero = |row: &ndarray::ArrayView1<f64>| row.iter().all(|&entry| entry == 0.0);
        let (smallest, largest) = (fold(weights, f64::min), fold(weights, f64::max));
        let reason = || format!("{queries} queries do not stand at the last of {keys} keys");
        WeightCheck {
            causal: first.map(|first| later(first).all(|entry| entry == 0.0)),
            causal_reason: first.is_none().then(reason),
            largest_above_diagonal,
            smallest_on_diagonal,
            row_sum_error,
            worst_row,
            zero_rows: weights.axis_iter(Axis(0)).filter(is_zero).count(),
            smallest,
            largest,
            content: content(weights, row_sum_error, smallest, near),
        }
    }
}

fn fold(weights: ArrayView2<f64>, choose: fn(f64, f64) -> f64) -> f64 {
    weights.iter().copied().reduce(choose).unwrap_or(0.0)
}

/// The largest |Σ − 1| over rows that are not all zeros, and the row's number.
fn furthest_from_one(weights: ArrayView2<f64>) -> (f64, usize) {
    let mut worst = (0.0, 0);
    for (index, row) in weights.axis_iter(Axis(0)).enumerate() {
        let error = (row.sum() - 1.0).abs().min(f64::MAX); // a sum may overflow although no entry does
        if error > worst.0 && row.iter().any(|&entry| entry != 0.0) {
            worst = (error, index);
        }
    }
    worst
}

fn content(weights: ArrayView2<f64>, row_sum_error: f64, smallest: f64, near: f64) -> Content {
    match (smallest < 0.0, row_sum_error <= near) {
        (false, true) => Content::Weights,
        (true, true) => Content::SignedWeights,
        (false, false) if furthest_from_one(weights.t()).0 <= near => Content::Transposed,
        (false, false) => Content::Unnormalised,
        (true, false) if furthest_from_one(weights.mapv(f64::exp).view()).0 <= near => Content::LogWeights,
        (true, false) => Content::Scores,
    }
}
