//! The numbers that the argument about rank quotes.

use std::path::PathBuf;

use ndarray::{Array1, Array2, Axis};
use serde_json::Value;

use crate::array::read_matrix;
use crate::rank::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claims").join(name)
}

fn close(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{got} is not {expected}");
}

/// Softmax over the first `visible(row)` scores of each row, in f64.
fn weights(scores: &Array2<f64>, visible: impl Fn(usize) -> usize) -> Array2<f64> {
    let mut weights = Array2::zeros(scores.dim());
    for (row, scores) in scores.axis_iter(Axis(0)).enumerate() {
        let seen: Array1<f64> = scores.iter().take(visible(row)).copied().collect();
        let largest = seen.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let exps = seen.mapv(|score| (score - largest).exp());
        let sum = exps.sum();
        for (col, exp) in exps.iter().enumerate() {
            weights[(row, col)] = exp / sum;
        }
    }
    weights
}

/// The queries and the keys of the quoted draw.
pub(in crate::rank) fn stored_draw() -> [Array2<f64>; 2] {
    ["causal_n128_d16_q.npy", "causal_n128_d16_k.npy"].map(|name| read_matrix(&fixture(name)).unwrap())
}

fn draw() -> (Array2<f64>, Value) {
    let [q, k] = stored_draw();
    let facts = std::fs::read(fixture("causal_n128_d16.json")).unwrap();
    (q.dot(&k.t()) / 4.0, serde_json::from_slice(&facts).unwrap())
}

#[test]
fn the_quoted_causal_draw() {
    let (scores, facts) = draw();
    let fact = |name: &str| facts["causal"][name].as_f64().unwrap();
    let report = RankReport::of(weights(&scores, |row| row + 1).view(), None).unwrap();
    assert_eq!((report.rows, report.cols, report.exact_rank), (128, 128, Some(128)));
    assert_eq!(report.numerical_rank_f64 as f64, fact("numerical_rank_f64"));
    assert_eq!(report.numerical_rank_f32 as f64, fact("numerical_rank_f32"));
    close(report.log_abs_det.unwrap(), fact("log_det_exact"), 1e-14);
    assert_eq!(report.log_abs_det_method, Some(LogDetMethod::TriangularDiagonal));
    close(report.effective_rank, fact("effective_rank"), 1e-12);
    close(report.sigma_max.unwrap(), fact("sigma_max"), 1e-13);
    assert!(report.sigma_min_below_floor && report.condition_is_lower_bound);
    close(report.condition_number.unwrap(), 1.0 / (128.0 * EPSILON_F64), 1e-12);
    // Transposed, the same draw is upper triangular, and its determinant is the same product.
    let backwards = log_abs_det(weights(&scores, |row| row + 1).t()).unwrap();
    assert_eq!((backwards.value, backwards.method), (report.log_abs_det, report.log_abs_det_method));
}

#[test]
fn lu_of_the_quoted_draw_is_wrong_where_the_diagonal_is_right() {
    let (scores, _) = draw();
    // With row-major storage LAPACK gets the transpose; pivoting destroys the triangular form of this matrix only.
    let lu = decomposition().log_abs_det(weights(&scores, |row| row + 1).t()).unwrap();
    assert!(lu > -520.0, "LU gave {lu}");
}

#[test]
fn the_quoted_draw_bidirectional() {
    let (scores, facts) = draw();
    let report = RankReport::of(weights(&scores, |_| 128).view(), None).unwrap();
    close(report.effective_rank, facts["bidirectional"]["effective_rank"].as_f64().unwrap(), 1e-12);
    assert_eq!(report.log_abs_det_method, Some(LogDetMethod::Lu));
    let from_spectrum: f64 = report.spectrum.values().iter().map(|sigma| sigma.ln()).sum();
    close(report.log_abs_det.unwrap(), from_spectrum, 1e-10);
}

#[test]
fn a_prefix_splits_the_determinant() {
    let (scores, _) = draw();
    let p = 41;
    let weights = weights(&scores, |row| (row + 1).max(p));
    let det = log_abs_det(weights.view()).unwrap();
    assert_eq!(det.method, Some(LogDetMethod::PrefixBlock { p }));
    let block = Spectrum::of(weights.slice(ndarray::s![..p, ..p])).unwrap();
    let expected: f64 = block.values().iter().map(|sigma| sigma.ln()).sum::<f64>()
        + (p..128).map(|i| weights[(i, i)].ln()).sum::<f64>();
    close(det.value.unwrap(), expected, 1e-9);
}

/// Cᵢⱼ = 1/i for j ≤ i: causal attention with equal scores.
fn cesaro(n: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, n), |(row, col)| if col <= row { 1.0 / (row + 1) as f64 } else { 0.0 })
}

#[test]
fn the_cesaro_matrix() {
    let quoted =
        [(16, 40.0, 8.6), (64, 191.0, 21.0), (128, 404.0, 32.0), (256, 840.0, 48.0), (512, 1731.0, 70.0)];
    for (n, condition, effective) in quoted {
        let report = RankReport::of(cesaro(n).view(), None).unwrap();
        assert_eq!(report.condition_number.unwrap().round(), condition);
        assert!(!report.condition_is_lower_bound);
        let digits = if n == 16 { 10.0 } else { 1.0 };
        assert_eq!((report.effective_rank * digits).round() / digits, effective);
        assert_eq!((report.numerical_rank_f64, report.exact_rank), (n, Some(n)));
        let log_factorial: f64 = (1..=n).map(|i| (i as f64).ln()).sum();
        close(report.log_abs_det.unwrap(), -log_factorial, 1e-14);
    }
}

#[test]
fn uniform_attention_has_rank_one() {
    let n = 37;
    let report = RankReport::of(Array2::from_elem((n, n), 1.0 / n as f64).view(), None).unwrap();
    assert_eq!((report.numerical_rank_f32, report.numerical_rank_f64), (1, 1));
    assert_eq!((report.energy_rank_90, report.energy_rank_99, report.exact_rank), (1, 1, None));
    close(report.stable_rank, 1.0, 1e-12);
    close(report.participation_ratio, 1.0, 1e-12);
    assert!((report.effective_rank - 1.0).abs() < 1e-10);
    assert_eq!(report.columns_90, 34);
}
