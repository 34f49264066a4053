//! The claim at small, fixed settings, and every word of its verdicts.

use ndarray::{Array2, array};

use super::*;
use crate::claim::{self, Effort, Trial};

fn trial(set: &[(&str, &str)]) -> Trial {
    let mut settings = Settings::new(&SoftmaxRaisesRank, Effort::Quick, Device::Cpu).unwrap();
    let small =
        [("n", "36"), ("head_sizes", "1,5"), ("scales", "0.1,1"), ("powers_n", "100"), ("models", "")];
    for (name, value) in small.iter().chain(set) {
        settings.set(name, value).unwrap();
    }
    claim::run(&SoftmaxRaisesRank, &settings, &Run::default()).unwrap()
}

fn floating(head_sizes: &str, scales: &str) -> Floating {
    let trial = trial(&[("head_sizes", head_sizes), ("scales", scales)]);
    trial.verdict.floating_point.unwrap().ruling
}

#[test]
fn proved_by_distinct_tokens_and_refuted_by_equal_ones() {
    let all = trial(&[]);
    let exact = all.verdict.exact_arithmetic.as_ref().unwrap();
    assert_eq!(exact.ruling, Exact::Proved);
    assert!(exact.because.contains("36 tokens have rank 1 and their softmax rank 36"), "{}", exact.because);
    let missed: Vec<_> = all.evidence.disagreements().collect();
    assert!(missed.is_empty(), "{missed:?}");
    // 24 powers, and the rank of the scores at four points.
    assert_eq!((all.evidence.expected().len(), all.evidence.illustrations().len()), (24 + 4, 2));
    assert_eq!(all.verdict.trained_models.unwrap().ruling, Trained::NoModel);
    let two = trial(&[("distinct", "2")]).verdict.exact_arithmetic.unwrap();
    assert!(two.ruling == Exact::Proved && two.because.contains("softmax rank 2, "), "{}", two.because);
    let equal = trial(&[("distinct", "1")]).verdict.exact_arithmetic.unwrap();
    assert_eq!(equal.ruling, Exact::Refuted);
    assert!(equal.because.contains("rank 1 and weights of 1/36, of rank 1"), "{}", equal.because);
}

#[test]
fn every_word_in_floating_point_is_a_region_of_the_map() {
    assert_eq!(floating("1,5", "1"), Floating::Everywhere);
    // Where the heads are nearly as large as the sequence, rows that pick one key each leave less.
    assert_eq!(floating("35", "100000"), Floating::Nowhere);
    assert_eq!(floating("1,35", "100000"), Floating::Reverses);
    // Scores of full rank: nothing to raise.
    assert_eq!(floating("36", "1"), Floating::Nowhere);
    assert_eq!(floating("5,36", "1"), Floating::InOneRegion);
    let some = keys_picked_by_some().to_string();
    assert_eq!(floating(&some, "100000"), Floating::NotResolved);
}

/// A head size that lies between the numbers of keys picked in the draws.
fn keys_picked_by_some() -> usize {
    let picked = |head_size: usize| {
        let picked = (0..3).map(|seed| look(&Draw::independent(36, head_size, seed), 1e5).unwrap()[2]);
        picked.collect::<Sample>().extremes()
    };
    let is_between = |&size: &usize| picked(size).0 < size as f64 && (size as f64) < picked(size).1;
    (10..36).find(is_between).expect("draws that differ")
}

/// Logits so large that every row picks one key: rank by counting.
#[test]
fn the_sharpest_softmax_has_as_many_dimensions_as_keys_are_picked() {
    let draw = Draw { q: array![[1.0], [-2.0], [3.0], [0.5]], k: array![[2.0], [-1.0], [0.0], [1.0]] };
    // Rows 1, 3 and 4 pick key 1, row 2 picks key 2.
    assert_eq!(look(&draw, 1e4).unwrap(), [1.0, 2.0, 2.0]);
}

/// What `exact` says beside the theorem: softmax can lower a rank.
#[test]
fn scores_that_differ_by_a_constant_on_each_row_fall_to_rank_one() {
    // QKᵀ = [[1, 0], [2, 1]] for D = 2, times √2 for the factor on the logits.
    let root = 2f64.sqrt();
    let draw = Draw { q: array![[root, 0.0], [2.0 * root, root]], k: array![[1.0, 0.0], [0.0, 1.0]] };
    assert_eq!(look(&draw, 1.0).unwrap()[..2], [2.0, 1.0]);
}

/// The powers of d variables of degree k, counted one by one.
#[test]
fn the_bound_counts_monomials() {
    let bounds = |head_size| [1, 2, 3, 4, 5, 6].map(|degree| powers::bound(head_size, degree, 256));
    assert_eq!(bounds(2), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(bounds(4), [4.0, 10.0, 20.0, 35.0, 56.0, 84.0]);
    assert_eq!(powers::bound(4, 6, 50), 50.0);
}

/// Weights made by hand go the way of trained ones.
#[test]
fn every_word_about_trained_models_is_reached() {
    let (uniform, full) = (Array2::from_elem((5, 5), 0.2), Array2::eye(5));
    let look = |head: &Array2<f64>| crate::claim::softmax_rank::look(head.view()).unwrap();
    let ruling = |heads: &[[&Array2<f64>; 2]]| {
        let ranks = heads.iter().map(|texts| Sample::new(texts.map(look))).collect();
        let by_hand =
            Heads { name: "by hand".into(), trained: Mask::causal(), head_size: 2, tokens: 5, ranks };
        let measured = Measured {
            n: 5,
            exactly: Vec::new(),
            map: Vec::new(),
            powers: Vec::new(),
            models: if heads.is_empty() { Vec::new() } else { vec![by_hand] },
            notes: Vec::new(),
        };
        SoftmaxRaisesRank.judge(&measured).trained_models.unwrap().ruling
    };
    let (yes, no, unclear) = ([&full, &full], [&uniform, &uniform], [&full, &uniform]);
    assert_eq!(ruling(&[yes, yes]), Trained::InAll);
    assert_eq!(ruling(&[yes, no]), Trained::InSome);
    assert_eq!(ruling(&[no, unclear]), Trained::InNone);
    assert_eq!(ruling(&[unclear]), Trained::NotResolved);
    assert_eq!(ruling(&[]), Trained::NoModel);
}

#[test]
fn the_shipped_model_is_read_under_the_bidirectional_mask() {
    let trial = trial(&[("models", "glass-en"), ("tokens", "24")]);
    let opinion = trial.verdict.trained_models.unwrap();
    assert!(opinion.because.contains("of 16 heads of glass-en (trained causal"), "{}", opinion.because);
}

#[test]
fn an_interrupt_ends_the_experiment() {
    let settings = Settings::new(&SoftmaxRaisesRank, Effort::Quick, Device::Cpu).unwrap();
    let run = Run::default();
    let flag = run.cancel_flag();
    let run = run.with_progress(move |_| flag.cancel());
    let error = claim::run(&SoftmaxRaisesRank, &settings, &run).unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
