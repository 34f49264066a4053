//! The exact rank, where the positions of the nonzero entries determine it.

use ndarray::{ArrayView2, Axis};
use serde::Serialize;

/// The rank that a theorem gives, whatever the values of the nonzero entries; it is never computed from numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExactRank {
    /// The rank, where a theorem gives it.
    pub rank: Option<usize>,
    /// The theorem, or why there is none.
    pub reason: String,
}

impl ExactRank {
    fn known(rank: usize, reason: impl ToString) -> Self {
        ExactRank { rank: Some(rank), reason: reason.to_string() }
    }

    fn unknown(reason: impl ToString) -> Self {
        ExactRank { rank: None, reason: format!("no theorem: {}", reason.to_string()) }
    }
}

/// The rank of every matrix whose nonzero entries are exactly where `pattern` `[N, M]` is true.
///
/// Take a row or column with a single remaining nonzero entry, add one to the count, remove that entry's row *and*
/// column, and repeat. Each step is exact: the single entry eliminates the rest of its column (or row), so the rank of A
/// is one more than the rank of the rest. Where no nonzero entry is left, the count is the rank; where the count is
/// min(N, M), the matrix is a permuted triangular one without a zero on its diagonal.
///
/// # Shapes
/// `pattern` `[N, M]`; the work is O(N·M).
///
/// # Source
/// Elementary; the same peeling orders sparse triangular factors (Duff, Erisman & Reid, Direct Methods
/// for Sparse Matrices, chapter 6: singletons).
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::exact_rank;
/// let causal = exact_rank(array![[true, false], [true, true]].view());
/// assert_eq!((causal.rank, causal.reason.as_str()), (Some(2), "lower triangular with a nonzero diagonal"));
/// assert_eq!(exact_rank(array![[true, true], [true, true]].view()).rank, None);
/// ```
pub fn exact_rank(pattern: ArrayView2<bool>) -> ExactRank {
    let (rows, cols) = pattern.dim();
    if pattern.is_empty() {
        return ExactRank::known(0, "no entries");
    }
    let peeled = Peeled::from(pattern);
    if peeled.core_rows == 0 {
        return ExactRank::known(peeled.count, complete(pattern, peeled.count));
    }
    let bound = peeled.count + peeled.core_rows.min(peeled.core_cols);
    let mut reason = if let Some(p) = prefix_block(pattern).filter(|&p| p < rows && has_diagonal(pattern)) {
        format!("block lower triangular: nonsingular exactly where its leading {p} × {p} block is")
    } else if pattern.iter().all(|&nonzero| nonzero) {
        "dense matrix (generically full)".to_owned()
    } else {
        format!("the values of a {} × {} core decide", peeled.core_rows, peeled.core_cols)
    };
    if bound < rows.min(cols) {
        reason += &format!(" (at most {bound}: the zero pattern)");
    }
    ExactRank::unknown(reason)
}

/// Names the form of a pattern in which peeling removes every nonzero entry.
fn complete(pattern: ArrayView2<bool>, rank: usize) -> String {
    let (rows, cols) = pattern.dim();
    let full = rank == rows.min(cols);
    let (lower, upper) = (is_lower(pattern), is_lower(pattern.t()));
    match (rank, full) {
        (0, _) => "every entry is zero".to_owned(),
        (_, true) if rows == cols && lower && upper => "diagonal with a nonzero diagonal".to_owned(),
        (_, true) if rows == cols && lower => "lower triangular with a nonzero diagonal".to_owned(),
        (_, true) if rows == cols && upper => "upper triangular with a nonzero diagonal".to_owned(),
        (_, true) => "triangular after reordering rows and columns, with a nonzero diagonal".to_owned(),
        (_, false) => {
            format!("the nonzero entries reduce to {rank} pivots, each alone in its row or column")
        }
    }
}

/// Whether every entry above the diagonal is zero.
pub(crate) fn is_lower(pattern: ArrayView2<bool>) -> bool {
    prefix_block(pattern) == Some(0)
}

/// Whether every diagonal entry is nonzero.
fn has_diagonal(pattern: ArrayView2<bool>) -> bool {
    pattern.diag().iter().all(|&nonzero| nonzero)
}

/// The smallest p such that columns p and later are zero above the diagonal (block lower triangular with
/// a leading p × p block; 0 for lower triangular), or `None` for a pattern that is not square.
pub(crate) fn prefix_block(pattern: ArrayView2<bool>) -> Option<usize> {
    let above = |col: usize| pattern.column(col).iter().take(col).any(|&nonzero| nonzero);
    let last = (0..pattern.ncols()).rev().find(|&col| above(col));
    pattern.is_square().then(|| last.map_or(0, |col| col + 1))
}

/// The result of peeling.
struct Peeled {
    /// The number of pivots.
    count: usize,
    /// Rows and columns that still hold a nonzero entry.
    core_rows: usize,
    core_cols: usize,
}

/// The remaining nonzero entries of one row or column.
#[derive(Clone, Copy)]
struct Line {
    count: usize,
    /// The sum of their indices: with one remaining entry it is that entry's index.
    sum: usize,
}

impl Line {
    fn all(pattern: ArrayView2<bool>, axis: Axis) -> Vec<Line> {
        let line = |entries: ndarray::ArrayView1<bool>| {
            let indices = entries.iter().enumerate().filter(|&(_, &nonzero)| nonzero).map(|(i, _)| i);
            indices
                .fold(Line { count: 0, sum: 0 }, |line, i| Line { count: line.count + 1, sum: line.sum + i })
        };
        pattern.axis_iter(axis).map(line).collect()
    }

    fn remove(&mut self, index: usize) {
        self.count -= 1;
        self.sum -= index;
    }
}

impl From<ArrayView2<'_, bool>> for Peeled {
    fn from(pattern: ArrayView2<bool>) -> Self {
        let mut rows = Line::all(pattern, Axis(0));
        let mut cols = Line::all(pattern, Axis(1));
        let single = |lines: &[Line]| (0..lines.len()).filter(|&i| lines[i].count == 1).collect::<Vec<_>>();
        let (mut single_rows, mut single_cols) = (single(&rows), single(&cols));
        let mut count = 0;
        loop {
            let (row, col) = if let Some(row) = single_rows.pop() {
                if rows[row].count != 1 {
                    continue;
                }
                (row, rows[row].sum)
            } else if let Some(col) = single_cols.pop() {
                if cols[col].count != 1 {
                    continue;
                }
                (cols[col].sum, col)
            } else {
                break;
            };
            count += 1;
            remove(pattern.row(row), row, &mut rows[row], &mut cols, &mut single_cols);
            remove(pattern.column(col), col, &mut cols[col], &mut rows, &mut single_rows);
        }
        let left = |lines: &[Line]| lines.iter().filter(|line| line.count > 0).count();
        Peeled { count, core_rows: left(&rows), core_cols: left(&cols) }
    }
}

/// Removes the line `index`, and its entries from the lines across it; notes the lines that then have one entry.
fn remove(
    entries: ndarray::ArrayView1<bool>,
    index: usize,
    line: &mut Line,
    across: &mut [Line],
    single: &mut Vec<usize>,
) {
    *line = Line { count: 0, sum: 0 };
    for (i, _) in entries.iter().enumerate().filter(|&(_, &nonzero)| nonzero) {
        if across[i].count == 0 {
            continue; // This line was removed before.
        }
        across[i].remove(index);
        if across[i].count == 1 {
            single.push(i);
        }
    }
}
