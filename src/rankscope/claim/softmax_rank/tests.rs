//! The claim at small, fixed settings, the numbers it must find, and every word of its verdicts.

use ndarray::Array2;

use super::one_dimension::sign_of_order;
use super::series::rank_bound;
use super::*;
use crate::claim::{self, Draw, Effort, Exact, Trial};
use crate::device::Device;
use crate::mask::Mask;
use crate::rank::{Spectrum, Tolerance};

fn small(set: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&SoftmaxRank, Effort::Quick, Device::Cpu).unwrap();
    let values =
        [("n", "60"), ("head_sizes", "1,8"), ("scales", "0.1,1"), ("exact_sizes", "4,16"), ("models", "")];
    for (name, value) in values.iter().chain(set) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(set: &[(&str, &str)]) -> Trial {
    claim::run(&SoftmaxRank, &small(set), &Run::default()).unwrap()
}

fn floating(trial: &Trial) -> (Floating, &str) {
    let opinion = trial.verdict.floating_point.as_ref().unwrap();
    (opinion.ruling, &opinion.because)
}

#[test]
fn restores_the_rank_exactly_and_not_for_f64_and_agrees_with_the_reference() {
    let trial = trial(&[]);
    let exact = trial.verdict.exact_arithmetic.as_ref().unwrap();
    assert_eq!(exact.ruling, Exact::Refuted);
    assert!(exact.because.contains("in all 6 draws of up to 16 tokens"), "{}", exact.because);
    let (ruling, because) = floating(&trial);
    assert_eq!(ruling, Floating::InOneRegion, "{because}");
    assert!(because.contains("does not see full rank at D = 1 (scale 0.1, 1)"), "{because}");
    assert!(because.ends_with("It sees all 60 in every draw at D = 8 (scale 0.1, 1)."), "{because}");
    assert_eq!(trial.verdict.trained_models.unwrap().ruling, Trained::NoModel);
    let disagreements: Vec<_> = trial.evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    // Two shares of the determinants, four numbers for each of two sizes, the series bound.
    assert_eq!((trial.evidence.expected().len(), trial.evidence.illustrations().len()), (2 + 8 + 1, 2));
    for illustration in trial.evidence.illustrations() {
        illustration.figure.to_svg(Default::default()).unwrap();
    }
}

#[test]
fn f64_misses_the_rank_of_small_heads_everywhere_and_sees_that_of_large_ones() {
    assert_eq!(floating(&trial(&[("head_sizes", "1"), ("exact_sizes", "4")])).0, Floating::Everywhere);
    let large = trial(&[("n", "24"), ("head_sizes", "8"), ("scales", "1"), ("exact_sizes", "4")]);
    assert_eq!(floating(&large), (Floating::Nowhere, "It sees all 24 in every draw at D = 8 (scale 1)."));
}

#[test]
fn tokens_that_repeat_keep_the_rank_low_exactly() {
    let repeated = trial(&[("distinct", "3"), ("exact_sizes", "3,7"), ("head_sizes", "8"), ("scales", "1")]);
    let exact = repeated.verdict.exact_arithmetic.as_ref().unwrap();
    assert_eq!(exact.ruling, Exact::Proved);
    assert!(exact.because.contains("3 distinct tokens of 7, the softmax has rank 3"), "{}", exact.because);
    // Rounding keeps equal rows equal, so that f64 sees no more.
    assert!(repeated.evidence.value("one_rank_f64_n7").unwrap() <= 3.0);
    assert_eq!(repeated.evidence.disagreements().count(), 0);
}

#[test]
fn the_exact_ranks_of_head_size_one_by_hand() {
    let ranks = |q: [f64; 3], k: [f64; 3]| {
        let column = |values: [f64; 3]| Array2::from_shape_vec((3, 1), values.to_vec()).unwrap();
        exact_ranks(&Draw { q: column(q), k: column(k) })
    };
    assert_eq!(ranks([1.0, 2.0, 3.0], [0.5, -1.0, 0.0]), [1, 3]);
    assert_eq!(ranks([1.0, 2.0, 1.0], [0.5, -1.0, 0.0]), [1, 2]);
    assert_eq!(ranks([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]), [1, 1]);
    assert_eq!(ranks([0.0; 3], [0.5, -1.0, 0.0]), [0, 1]);
}

/// Weights made by hand go the way of trained ones.
#[test]
fn every_word_about_trained_models_is_reached() {
    let uniform = Array2::from_elem((5, 5), 0.2);
    let ruling = |heads: &[&Array2<f64>]| {
        let ranks: Vec<_> = heads.iter().map(|head| Sample::new([look(head.view()).unwrap()])).collect();
        let by_hand =
            Heads { name: "by hand".into(), trained: Mask::bidirectional(), head_size: 2, tokens: 5, ranks };
        let models = if heads.is_empty() { Vec::new() } else { vec![by_hand] };
        let map = Map { n: 5, points: Vec::new() };
        let measured = Measured { exactly: Vec::new(), map, models, notes: Vec::new() };
        SoftmaxRank.judge(&measured).trained_models.unwrap().ruling
    };
    let full = Array2::eye(5);
    assert_eq!(ruling(&[&uniform, &uniform]), Trained::InAll);
    assert_eq!(ruling(&[&uniform, &full]), Trained::InSome);
    assert_eq!(ruling(&[&full, &full]), Trained::InNone);
    assert_eq!(ruling(&[]), Trained::NoModel);
}

#[test]
fn the_shipped_model_is_read_under_the_bidirectional_mask() {
    let trial = trial(&[("models", "glass-en"), ("tokens", "24"), ("exact_sizes", "4"), ("head_sizes", "8")]);
    let opinion = trial.verdict.trained_models.as_ref().unwrap();
    assert!(opinion.because.contains("of 16 heads of glass-en (trained causal"), "{}", opinion.because);
    assert_eq!(trial.evidence.value("heads_glass_en").unwrap(), 16.0);
    let ranks = trial.evidence.sample("rank_f32_glass_en").unwrap().extremes();
    assert!(ranks.0 >= 1.0 && ranks.1 <= 24.0, "{ranks:?}");
}

/// Where the threshold is 0.01, the bound of head size 1 is one more than the degree at which the rest is
/// below it, which is found here by summing the series.
#[test]
fn the_series_bound_is_the_first_degree_whose_rest_is_small() {
    let (n, threshold) = (30, 0.01);
    let scores = Draw::independent(n, 1, 5).scores(0.7);
    let partial = |degree: i32| {
        let term = |s: f64| {
            let (mut sum, mut term) = (1.0, 1.0);
            for k in 1..=degree {
                term *= s / f64::from(k);
                sum += term;
            }
            s.exp() - sum
        };
        Array2::from_shape_fn((n, n), |(row, col)| {
            term(scores[(row, col)]) / scores.row(row).iter().map(|s| s.exp()).sum::<f64>()
        })
    };
    let norm = |rest: Array2<f64>| rest.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
    let first = (0..).find(|&degree| norm(partial(degree)) <= threshold).unwrap();
    let bound = rank_bound(&scores, 1, threshold);
    // The bound of the rest by Taylor's theorem may ask for a degree or two more than the rest itself.
    assert!((f64::from(first + 1)..=f64::from(first + 3)).contains(&bound), "{first} {bound}");
    let weights = Draw::independent(n, 1, 5).weights(0.7, &Mask::bidirectional(), &Device::Cpu).unwrap();
    let kept = Spectrum::of(weights.view()).unwrap().numerical_rank(Tolerance::absolute(threshold).unwrap());
    assert!(kept > 1 && kept as f64 <= bound, "{kept} {bound}");
}

#[test]
fn swaps_change_the_sign_of_an_order() {
    assert_eq!(
        [[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [3.0, 1.0, 2.0]].map(|order| sign_of_order(&order)),
        [1, -1, 1]
    );
}

#[test]
fn bad_settings_are_named() {
    let mut settings = small(&[]);
    let out_of_range =
        [("n", "7"), ("head_sizes", "0"), ("scales", "0"), ("exact_sizes", "65"), ("distinct", "0")];
    for (name, value) in out_of_range {
        let message = settings.set(name, value).unwrap_err().to_string();
        assert!(message.starts_with(name) && message.contains("from"), "{message}");
    }
    settings.set("n", "8").unwrap();
    let error = claim::run(&SoftmaxRank, &settings, &Run::default()).unwrap_err();
    assert_eq!(error.to_string(), "head_sizes is 8, expected head sizes below n = 8");
}

#[test]
fn an_interrupt_ends_the_experiment() {
    let run = Run::default();
    let flag = run.cancel_flag();
    let run = run.with_progress(move |_| flag.cancel());
    assert_eq!(claim::run(&SoftmaxRank, &small(&[]), &run).unwrap_err().to_string(), "cancelled");
}
