//! Zero patterns that determine the rank.

use ndarray::{Array2, ArrayView2, array};

use crate::rank::exact_rank;

fn pattern(rows: usize, cols: usize, nonzero: impl Fn(usize, usize) -> bool) -> Array2<bool> {
    Array2::from_shape_fn((rows, cols), |(row, col)| nonzero(row, col))
}

fn check(pattern: ArrayView2<bool>, rank: Option<usize>, reason: &str) {
    let got = exact_rank(pattern);
    assert_eq!((got.rank, got.reason.as_str()), (rank, reason));
}

#[test]
fn triangles_have_full_rank() {
    check(pattern(7, 7, |t, s| t == s).view(), Some(7), "diagonal with a nonzero diagonal");
    let causal = pattern(7, 7, |t, s| s <= t);
    check(causal.view(), Some(7), "lower triangular with a nonzero diagonal");
    check(causal.t(), Some(7), "upper triangular with a nonzero diagonal");
    let window = pattern(11, 11, |t, s| s <= t && t - s < 3);
    check(window.view(), Some(11), "lower triangular with a nonzero diagonal");
}

#[test]
fn permuted_and_rectangular_triangles_have_full_rank() {
    let reason = "triangular after reordering rows and columns, with a nonzero diagonal";
    let order = [3, 0, 4, 1, 2];
    check(pattern(5, 5, |t, s| order[s] <= order[(t + 2) % 5]).view(), Some(5), reason);
    // Five queries at the last five of nine positions.
    check(pattern(5, 9, |t, s| s <= t + 4).view(), Some(5), reason);
    check(pattern(1, 6, |_, _| true).view(), Some(1), reason);
    check(pattern(6, 1, |_, _| true).view(), Some(1), reason);
}

#[test]
fn an_incomplete_triangle_still_has_a_rank() {
    let strict = exact_rank(pattern(6, 6, |t, s| s < t).view());
    assert_eq!(strict.rank, Some(5));
    assert!(strict.reason.contains("5 pivots"));
    check(pattern(4, 3, |_, _| false).view(), Some(0), "every entry is zero");
}

#[test]
fn dense_blocks_have_no_theorem() {
    check(pattern(5, 5, |_, _| true).view(), None, "no theorem: dense matrix (generically full)");
    let prefix = "no theorem: block lower triangular: nonsingular exactly where its leading 3 × 3 block is";
    check(pattern(8, 8, |t, s| s <= t || s < 3).view(), None, prefix);
    let two_sided = "no theorem: the values of a 9 × 9 core decide";
    check(pattern(9, 9, |t, s| t.abs_diff(s) < 3).view(), None, two_sided);
}

#[test]
fn zero_columns_bound_the_rank() {
    let bounded = "no theorem: the values of a 6 × 2 core decide (at most 2: the zero pattern)";
    check(pattern(6, 5, |_, s| s < 2).view(), None, bounded);
}

#[test]
fn peeling_goes_both_ways_and_reaches_a_core() {
    // Row 0 removes column 0; a 2 × 2 core remains.
    let core = array![[true, false, false], [true, true, true], [true, true, true]];
    check(core.view(), None, "no theorem: the values of a 2 × 2 core decide");
    // In the transpose no row has a single entry at first, but column 0 has.
    check(core.t(), None, "no theorem: the values of a 2 × 2 core decide");
}
