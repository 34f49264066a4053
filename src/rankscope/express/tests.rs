use std::fs;

use ndarray::{Array2, array};

use super::*;
use crate::claim::gaussian;
use crate::{Mask, Run};

fn random(n: usize, mask: &Mask, seed: u64) -> Target {
    Target::random(n, 2.0, mask, seed).unwrap()
}

#[test]
fn a_pattern_that_no_softmax_gives_is_refused_by_name() {
    let bidirectional = Mask::bidirectional();
    let message = |weights: Array2<f64>, mask: &Mask| Target::new(weights, mask).unwrap_err().to_string();
    let cases = [
        (array![[0.5, 0.5]], "target is 1 × 2, expected as many rows as columns"),
        (array![[0.5, 0.5], [1.0, 0.0]], "target entry (1, 1) is 0, expected a number above 0"),
        (array![[1.5, -0.5], [0.5, 0.5]], "target entry (0, 1) is -0.5, expected a number above"),
        (array![[0.5, f64::NAN], [0.5, 0.5]], "target entry (0, 1) is NaN"),
        (array![[0.5, 0.5], [0.5, f64::INFINITY]], "target entry (1, 1) is inf"),
        (array![[0.5, 0.5], [0.5, 0.4]], "sum of target row 1 is 0.9, expected 1 within 1e-4"),
        (Array2::zeros((0, 0)), "positions of the target is 0, expected from 1 to 512"),
    ];
    for (weights, start) in cases {
        let got = message(weights, &bidirectional);
        assert!(got.starts_with(start), "{got}");
    }
    let got = message(array![[0.9, 0.1], [0.5, 0.5]], &Mask::causal());
    assert!(got.starts_with("target entry (0, 1) is 0.1, expected 0, since the mask"), "{got}");
    let got = message(Array2::from_elem((3, 3), 1.0 / 3.0), &Mask::anti_causal());
    assert!(got.starts_with("target entry (1, 0) is 0.33"), "{got}");
    assert!(Target::random(4, -1.0, &bidirectional, 0).unwrap_err().to_string().contains("from 0 to 50"));
    assert!(Target::random(513, 1.0, &bidirectional, 0).unwrap_err().to_string().contains("from 1 to 512"));
    for order in [&[0, 0, 1][..], &[0, 3, 1], &[0]] {
        assert!(Target::permutation(order, 0.9).unwrap_err().to_string().contains("permutation"));
    }
    assert!(Target::permutation(&[1, 0], 1.0).unwrap_err().to_string().contains("between 0 and 1"));
}

#[test]
fn a_row_that_nearly_sums_to_one_is_made_to() {
    let target = Target::new(array![[0.5, 0.500_05], [0.25, 0.75]], &Mask::bidirectional()).unwrap();
    assert!((target.weights().row(0).sum() - 1.0).abs() < 1e-15);
    assert!((target.weights()[(1, 1)] - 0.75).abs() < 1e-15);
    let centred = target.centred_log_weights();
    assert!(centred.rows().into_iter().all(|row| row.sum().abs() < 1e-15));
    assert!((centred[(1, 1)] - 0.5 * 3f64.ln()).abs() < 1e-12);
}

#[test]
fn targets_come_from_files_and_bad_files_are_named_by_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Target::load_either(&path)
    };
    let (target, is_causal) = load("a.csv", "1, 0\n0.25,0.75\n").unwrap();
    assert!(is_causal && (target.weights()[(1, 0)] - 0.25).abs() < 1e-15);
    assert!(!load("b.csv", "0.5,0.5\n0.25,0.75").unwrap().1);
    let cases = [
        ("c.csv", "0.5,0.5\n0.5,x\n", "line 2, column 2: \"x\", expected a number"),
        ("d.csv", "0.5,0.5\n1\n", "line 2 has 1 columns, expected 2"),
        ("e.csv", "", "is empty"),
        ("f.csv", "0.5,0.5\n0.5,0\n", "target entry (1, 1) is 0"),
        ("g.txt", "0.5;0,5", "expected a point for the decimals"),
        ("h.npy", "1", "is not a .npy file"),
    ];
    for (name, text, part) in cases {
        let got = load(name, text).unwrap_err().to_string();
        assert!(got.contains(part), "{got}");
    }
    let long = "1,".repeat(513) + "1";
    assert!(load("i.csv", &long).unwrap_err().to_string().contains("expected at most 512"));
    let missing = Target::load(&folder.path().join("none.csv"), &Mask::causal()).unwrap_err();
    assert!(missing.to_string().contains("no such file"));
}

/// Bhojanapalli et al. 2020, Theorem 1; errors of a few 1e-13 at most in numpy.
#[test]
fn the_construction_reaches_any_pattern_once_the_head_is_as_large_as_the_sequence() {
    for (n, head_size, width, mask) in [
        (4, 4, 4, Mask::bidirectional()),
        (8, 12, 9, Mask::bidirectional()),
        (31, 64, 37, Mask::bidirectional()),
        (7, 10, 11, Mask::causal()),
    ] {
        let (target, x) = (random(n, &mask, 3), gaussian(n, width, 5, 0));
        let weights = represent(&target, &x, head_size).unwrap();
        assert_eq!(weights.w_q.dim(), (width, head_size));
        assert!(weights.max_error < 1e-10, "n = {n}: {}", weights.max_error);
        // Computed from the weights alone, with the factor written out.
        let logits = x.dot(&weights.w_q).dot(&x.dot(&weights.w_k).t()) / (head_size as f64).sqrt();
        let difference = super::factors::log_softmax(&logits, target.allowed()) - target.log_weights();
        assert!(difference.iter().all(|x| x.abs() < 1e-9));
    }
}

#[test]
fn a_construction_that_cannot_be_is_refused_by_name() {
    let target = random(5, &Mask::bidirectional(), 0);
    let message = |x: Array2<f64>, head_size| represent(&target, &x, head_size).unwrap_err().to_string();
    assert_eq!(message(gaussian(5, 6, 0, 0), 4), "head size is 4, expected at least the 5 positions");
    assert_eq!(message(gaussian(5, 4, 0, 0), 5), "width of x is 4, expected at least the 5 positions");
    assert_eq!(message(gaussian(6, 7, 0, 0), 5), "rows of x is 6, expected the 5 positions of the target");
    let mut twice = gaussian(5, 6, 0, 0);
    let first = twice.row(0).to_owned();
    twice.row_mut(3).assign(&first);
    assert_eq!(message(twice, 5), "rank of x is 4, expected the 5 positions");
    let zero = represent_centred(&target, &gaussian(5, 6, 0, 0), 0).unwrap_err().to_string();
    assert_eq!(zero, "head size is 0, expected from 1 to 4096");
    assert_eq!(best_fit(&target, 0, &Run::new(0)).unwrap_err().to_string(), zero);
    let none = Fitting { starts: 0, ..Fitting::default() }.best_fit(&target, 1, &Run::new(0));
    assert_eq!(none.unwrap_err().to_string(), "starts is 0, expected at least 1");
    let short = Fitting::default().best_fit_on(&target, &gaussian(4, 3, 0, 0), 1, &Run::new(0));
    assert!(short.unwrap_err().to_string().starts_with("x is 4 × 3, expected 5 × 1 or wider"));
}

#[test]
fn the_centred_logits_need_one_less_than_the_sequence() {
    let (target, x) = (random(9, &Mask::bidirectional(), 1), gaussian(9, 10, 2, 0));
    let error = |head_size| represent_centred(&target, &x, head_size).unwrap().max_error;
    assert!(error(8) < 1e-12 && error(11) < 1e-12);
    assert!(error(7) > 1e-6);
}

/// Softmax fixes logits up to a constant for each row, so the centred log P has to have rank D at most.
#[test]
fn thresholds_are_n_less_one_and_half_of_n() {
    for (n, mask, threshold) in [
        (6, Mask::bidirectional(), 5),
        (7, Mask::bidirectional(), 6),
        (8, Mask::causal(), 4),
        (9, Mask::causal(), 4),
    ] {
        let target = random(n, &mask, 1);
        let kl: Vec<f64> = (1..=threshold).map(|d| best_fit(&target, d, &Run::new(0)).unwrap().kl).collect();
        assert!(kl.windows(2).all(|pair| pair[1] < pair[0]), "n = {n}: {kl:?}");
        assert!(kl[threshold - 1] < 1e-13 && kl[threshold - 2] > 1e-7, "n = {n}: {kl:?}");
    }
}

#[test]
fn a_fit_is_the_same_for_a_seed_and_agrees_with_its_own_factors() {
    let target = random(6, &Mask::causal(), 4);
    let fit = || best_fit(&target, 2, &Run::new(3)).unwrap();
    assert_eq!(fit().factors, fit().factors);
    let weights = fit().factors.weights(target.allowed());
    let kl: f64 = weights.indexed_iter().fold(0.0, |sum, (place, a)| {
        let p = target.weights()[place];
        if p == 0.0 { sum } else { sum + p * (p / a).ln() }
    });
    assert!((kl / 6.0 - fit().kl).abs() < 1e-12);
    assert!(weights[(0, 5)] == 0.0 && (fit().max_error > 1e-3) == (fit().kl > 1e-6));
}

/// The example of Theorem 1: X = [1, 0] gives the second row only logits of 0.
#[test]
fn an_embedding_of_width_one_cannot_reach_the_counterexample() {
    let target = Target::new(array![[0.5, 0.5], [0.75, 0.25]], &Mask::bidirectional()).unwrap();
    let fit = |x: Array2<f64>| Fitting::default().best_fit_on(&target, &x, 1, &Run::new(0)).unwrap();
    let narrow = fit(array![[1.0], [0.0]]);
    assert!((narrow.row_kl[1] - 0.130_812).abs() < 1e-6 && narrow.row_kl[0] < 1e-12);
    assert!(fit(Array2::eye(2)).kl < 1e-14);
}

#[test]
fn a_head_of_two_attends_by_any_permutation() {
    let order = [3, 0, 4, 6, 1, 5, 2];
    let (n, rest) = (order.len(), 1e-3);
    let head = permutation_head(&order, permutation_scale(n, rest)).unwrap();
    assert_eq!(head.head_size(), 2);
    let weights = head.weights(&Mask::bidirectional().pattern(n));
    for (query, key) in order.iter().enumerate() {
        let weight = weights[(query, *key)];
        assert!((0.998_99..0.999_1).contains(&weight), "{weight}");
    }
    // The formula for the scale, at the sizes of the reference.
    for (n, scale) in [(16, 100.0), (64, 1578.0), (256, 25237.0)] {
        assert!((permutation_scale(n, rest) / scale - 1.0).abs() < 0.01);
    }
    let target = Target::permutation(&order, 0.999).unwrap();
    assert!(head.max_error(&target) < 1e-3);
}

#[test]
fn a_fit_can_be_interrupted() {
    let run = Run::new(0);
    run.cancel_flag().cancel();
    let error = best_fit(&random(6, &Mask::causal(), 0), 2, &run).unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
