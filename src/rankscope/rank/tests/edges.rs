//! Zero, empty, tiny, rectangular, huge, broken.

use ndarray::{Array2, array};

use crate::rank::*;
use crate::{Error, Run};

#[test]
fn the_zero_matrix_has_every_rank_zero() {
    let report = RankReport::of(Array2::zeros((3, 5)).view(), None).unwrap();
    assert_eq!((report.numerical_rank_f32, report.numerical_rank_f64, report.exact_rank), (0, 0, Some(0)));
    assert_eq!((report.effective_rank, report.stable_rank, report.participation_ratio), (0.0, 0.0, 0.0));
    assert_eq!((report.energy_rank_90, report.energy_rank_99, report.columns_90), (0, 0, 0));
    assert_eq!((report.sigma_max, report.condition_number), (Some(0.0), None));
    assert_eq!(report.condition_reason.as_deref(), Some("the matrix is zero"));
}

#[test]
fn an_empty_matrix_has_no_singular_values() {
    for shape in [(0, 0), (0, 4), (3, 0)] {
        let report = RankReport::of(Array2::zeros(shape).view(), None).unwrap();
        assert_eq!((report.sigma_max, report.sigma_min, report.exact_rank), (None, None, Some(0)));
        assert_eq!(report.condition_reason.as_deref(), Some("the matrix is empty"));
    }
    // The determinant of an empty matrix is the empty product, 1.
    assert_eq!(log_abs_det(Array2::zeros((0, 0)).view()).unwrap().value, Some(0.0));
}

#[test]
fn one_number_is_its_own_spectrum() {
    let report = RankReport::of(array![[-0.25]].view(), None).unwrap();
    assert_eq!((report.sigma_max, report.condition_number), (Some(0.25), Some(1.0)));
    assert_eq!(report.log_abs_det, Some(0.25f64.ln()));
    assert_eq!((report.effective_rank, report.stable_rank, report.participation_ratio), (1.0, 1.0, 1.0));
    assert_eq!(report.exact_rank_reason, "diagonal with a nonzero diagonal");
}

#[test]
fn metrics_by_hand() {
    let spectrum = Spectrum::from_values(vec![1.0, 4.0, 2.0], 3, 5).unwrap();
    assert_eq!(spectrum.values(), [4.0, 2.0, 1.0]);
    assert_eq!(spectrum.stable_rank(), 21.0 / 16.0);
    assert!((spectrum.participation_ratio() - 441.0 / 273.0).abs() < 1e-15);
    let entropy: f64 = [4.0f64, 2.0, 1.0].iter().map(|s| -(s / 7.0) * (s / 7.0).ln()).sum();
    assert!((spectrum.effective_rank() - entropy.exp()).abs() < 1e-15);
    assert_eq!(spectrum.energy_rank(0.76), 1);
    assert_eq!(spectrum.energy_rank(0.77), 2);
    assert_eq!(spectrum.energy_rank(1.0), 3);
    assert_eq!(spectrum.energy_rank(0.0), 0);
    assert_eq!(spectrum.condition().unwrap().value, 4.0);
    assert_eq!(spectrum.threshold(Tolerance::F32), 5.0 * 4.0 / 8388608.0);
    assert_eq!(spectrum.rounding_floor(), 5.0 * 4.0 * f64::EPSILON);
    assert_eq!(spectrum.numerical_rank(Tolerance::relative(0.25).unwrap()), 2);
    assert_eq!(spectrum.numerical_rank(Tolerance::absolute(0.25).unwrap()), 3);
}

#[test]
fn energy_and_columns_by_hand() {
    // σ² = 90, 8, 2 in columns 1, 2, 0; two rows never hold as much as two columns.
    let matrix = array![[0.0, 90f64.sqrt(), 0.0], [0.0, 0.0, 8f64.sqrt()], [2f64.sqrt(), 0.0, 0.0]];
    let report = RankReport::of(matrix.view(), None).unwrap();
    assert_eq!((report.energy_rank_90, report.energy_rank_99, report.columns_90), (1, 3, 1));
    let sink = Array2::from_shape_fn((5, 3), |(_, col)| if col == 1 { 1.0 } else { 0.1 });
    assert_eq!((columns_holding(sink.view(), 0.9), columns_holding(sink.t(), 0.9)), (1, 5));
    // A share that is reached exactly counts as reached: 3 of 4 equal values, and all 4 without the zero.
    let equal = Spectrum::from_values(vec![2.0, 2.0, 2.0, 2.0, 0.0], 5, 6).unwrap();
    assert_eq!((equal.energy_rank(0.75), equal.energy_rank(1.0)), (3, 4));
}

#[test]
fn a_prefix_of_all_but_one_is_still_a_prefix() {
    let matrix = array![[0.5, 0.5, 0.0], [0.25, 0.75, 0.0], [0.2, 0.3, 0.5]];
    let det = log_abs_det(matrix.view()).unwrap();
    assert_eq!(det.method, Some(LogDetMethod::PrefixBlock { p: 2 }));
    assert!((det.value.unwrap() - (0.25f64 * 0.5).ln()).abs() < 1e-14);
}

#[test]
fn a_rectangular_matrix_has_no_determinant() {
    let matrix = array![[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]];
    let report = RankReport::of(matrix.view(), None).unwrap();
    assert_eq!((report.log_abs_det, report.log_abs_det_method), (None, None));
    assert_eq!(report.log_abs_det_reason.as_deref(), Some("not square: 2 × 3"));
    assert_eq!((report.exact_rank, report.numerical_rank_f64), (Some(2), 2));
    let tall = RankReport::of(matrix.t(), None).unwrap();
    assert_eq!((tall.rows, tall.cols, tall.exact_rank), (3, 2, Some(2)));
    assert!((tall.sigma_min.unwrap() - report.sigma_min.unwrap()).abs() < 1e-15);
}

#[test]
fn a_singular_matrix_has_log_det_minus_infinity_with_a_reason() {
    let underflown = log_abs_det(array![[1.0, 0.0], [1.0, 0.0]].view()).unwrap();
    assert_eq!(underflown.value, None);
    assert_eq!(underflown.reason.as_deref(), Some("−∞: entry (1, 1) is 0 as stored"));
    let dense = log_abs_det(array![[1.0, 2.0], [2.0, 4.0]].view()).unwrap();
    assert_eq!((dense.value, dense.method), (None, Some(LogDetMethod::Lu)));
    assert!(dense.reason.unwrap().starts_with("−∞: LU of the 2 × 2 block"));
}

#[test]
fn a_theorem_from_the_mask_outlives_rounding() {
    let theorem = exact_rank(array![[true, false], [true, true]].view());
    let report = RankReport::of(array![[1.0, 0.0], [1.0, 0.0]].view(), Some(&theorem)).unwrap();
    assert_eq!((report.exact_rank, report.numerical_rank_f64), (Some(2), 1));
}

#[test]
fn extreme_scales_neither_overflow_nor_underflow() {
    for scale in [1e-200, 1.0, 1e200] {
        let spectrum = Spectrum::of((array![[3.0, 0.0], [0.0, 4.0]] * scale).view()).unwrap();
        assert!((spectrum.stable_rank() - 25.0 / 16.0).abs() < 1e-12);
        assert!((spectrum.participation_ratio() - 625.0 / 337.0).abs() < 1e-12);
        assert_eq!(columns_holding((array![[3.0, 0.0], [0.0, 4.0]] * scale).view(), 0.64), 1);
    }
}

#[test]
fn no_scale_changes_a_rank_or_loses_a_determinant() {
    // Condition and effective rank by numpy; det = 25.
    let matrix = array![[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 4.0]];
    for power in [-1074, -1030, -200, 0, 700, 1021] {
        let scaled = matrix.mapv(|entry| libm::scalbn(entry, power));
        let report = RankReport::of(scaled.view(), None).unwrap();
        assert_eq!((report.numerical_rank_f32, report.numerical_rank_f64), (3, 3), "2^{power}");
        let near = |got: f64, expected: f64| (got / expected - 1.0).abs() < 1e-13;
        assert!(near(report.condition_number.unwrap(), 2.3280467557247526), "2^{power}");
        assert!(near(report.effective_rank, 2.836945046782624), "2^{power}");
        let det = 25f64.ln() + 3.0 * f64::from(power) * std::f64::consts::LN_2;
        assert!((report.log_abs_det.unwrap() - det).abs() < 1e-12, "2^{power}");
        assert!((lu_determinant(scaled.view()).unwrap().log - det).abs() < 1e-12, "2^{power}");
    }
}

#[test]
fn a_singular_value_beyond_f64_is_null_with_a_reason_and_spoils_nothing_else() {
    // Rank one: σ₁ = 3 · 1.7e308, and every other number as for a matrix of ones.
    let matrix = Array2::from_elem((3, 3), 1.7e308);
    let report = RankReport::of(matrix.view(), None).unwrap();
    assert_eq!((report.numerical_rank_f64, report.sigma_max), (1, None));
    assert!((report.effective_rank - 1.0).abs() < 1e-12 && report.columns_90 == 3);
    let json = serde_json::to_value(&report).unwrap();
    let reason = json["sigma_max_reason"].as_str().unwrap();
    assert!(reason.starts_with("beyond the largest f64"), "{reason}");
    assert!(json["rounding_floor"].is_number() && json["condition_number"].is_number());
    // The smallest positive numbers: no singular value is below the floor.
    let report = RankReport::of((Array2::<f64>::eye(4) * 5e-324).view(), None).unwrap();
    assert_eq!((report.numerical_rank_f64, report.stable_rank, report.sigma_max), (4, 4.0, Some(5e-324)));
    assert!(!report.sigma_min_below_floor && report.condition_number == Some(1.0));
    assert!((report.log_abs_det.unwrap() - 4.0 * 5e-324f64.ln()).abs() < 1e-9);
}

#[test]
fn broken_entries_are_named() {
    for (broken, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let mut matrix = Array2::eye(4);
        matrix[(2, 3)] = broken;
        let expected = format!("matrix entry (2, 3) is {text}, expected a finite number");
        assert_eq!(RankReport::of(matrix.view(), None).unwrap_err().to_string(), expected);
        assert_eq!(log_abs_det(matrix.view()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn impossible_settings_are_refused() {
    assert!(Tolerance::relative(-1e-3).is_err());
    assert!(Tolerance::absolute(f64::NAN).is_err());
    assert!(Spectrum::from_values(vec![1.0], 2, 3).is_err());
    assert!(Spectrum::from_values(vec![1.0, -1.0], 2, 3).is_err());
}

#[test]
fn the_report_as_json_has_null_and_a_reason_where_nothing_exists() {
    let json = serde_json::to_value(RankReport::of(Array2::zeros((2, 3)).view(), None).unwrap()).unwrap();
    assert!(json["condition_number"].is_null() && json["log_abs_det"].is_null());
    assert!(json["condition_reason"].is_string() && json["log_abs_det_reason"].is_string());
    assert!(json.get("spectrum").is_none());
    let json = serde_json::to_value(RankReport::of(Array2::eye(3).view(), None).unwrap()).unwrap();
    assert_eq!(json["log_abs_det_method"], "triangular: sum of ln|a_ii|");
}

#[test]
fn many_keeps_order_reports_progress_and_stops() {
    let matrices: Vec<Array2<f64>> = (1..9).map(Array2::eye).collect();
    let ranks = many(&matrices, "rank", &Run::default(), |m| Ok(Spectrum::of(m.view())?.values().len()));
    assert_eq!(ranks.unwrap(), (1..9).collect::<Vec<_>>());

    let steps = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = steps.clone();
    let run = Run::new(0).with_progress(move |step| seen.lock().unwrap().push((step.done, step.total)));
    many(&matrices, "rank", &run, |m| Spectrum::of(m.view())).unwrap();
    let mut steps = steps.lock().unwrap().clone();
    steps.sort_unstable();
    assert_eq!(steps, (1..9).map(|done| (done, 8)).collect::<Vec<_>>());

    run.cancel_flag().cancel();
    assert!(matches!(many(&matrices, "rank", &run, |m| Spectrum::of(m.view())), Err(Error::Cancelled)));
}

#[test]
fn every_metric_is_a_field_of_the_report_and_every_number_of_it_a_metric() {
    // Distinct numbers, so that a field with the value of another one is noticed.
    let report =
        RankReport::of(array![[4.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.5, 0.2, 0.1]].view(), None).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    for metric in METRICS {
        assert_eq!(json[metric.name].as_f64(), (metric.value)(&report), "{}", metric.name);
    }
    let numbers =
        json.as_object().unwrap().iter().filter(|(_, value)| value.is_number()).map(|(name, _)| name);
    let listed = |name: &&String| Metric::find(name).is_ok();
    let rest: Vec<_> = numbers.filter(|name| !listed(name)).collect();
    assert_eq!(rest, ["rows", "cols", "rounding_floor"]);
    let message = Metric::find("rank").unwrap_err().to_string();
    assert!(message.starts_with("metric is rank, expected one of exact_rank, "), "{message}");
}
