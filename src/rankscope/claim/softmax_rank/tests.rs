//! The claim at small, fixed settings, and the numbers it must find.

use ndarray::Array2;

use super::one_dimension::sign_of_order;
use super::series::rank_bound;
use super::*;
use crate::claim::{self, Draw, Effort, Trial};
use crate::device::Device;
use crate::rank::{Spectrum, Tolerance};

fn small() -> Settings {
    let mut settings = Settings::new(&SoftmaxRank, Effort::Quick, Device::Cpu).unwrap();
    let values = [
        ("n", "60"),
        ("head_sizes", "1,8"),
        ("scales", "0.1,1"),
        ("exact_sizes", "4,16"),
        ("powers_n", "100"),
    ];
    for (name, value) in values {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(settings: &Settings) -> Trial {
    claim::run(&SoftmaxRank, settings, &Run::default()).unwrap()
}

#[test]
fn restores_the_rank_exactly_and_not_for_f64_and_agrees_with_the_reference() {
    let Trial { evidence, verdict, .. } = trial(&small());
    assert_eq!(verdict.only().ruling, Floating::InOneRegion, "{}", verdict.only().because);
    assert!(verdict.only().because.contains("not at D = 1 (scale 0.1, 1) and"), "{}", verdict.only().because);
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    // 24 powers, two shares of the determinants, four numbers for each of two sizes, the series bound.
    assert_eq!((evidence.expected().len(), evidence.illustrations().len()), (24 + 2 + 8 + 1, 3));
    for illustration in evidence.illustrations() {
        illustration.figure.to_svg(Default::default()).unwrap();
    }
}

#[test]
fn the_rule_reads_the_evidence() {
    let ruling = |certain: f64, rank: f64| {
        let mut evidence = Evidence::new();
        evidence.measure("certainly_nonsingular_share", certain, "");
        evidence.measure("positions", 64.0, "");
        evidence.measure("rank_f64_d4_scale_0.5", rank, "");
        SoftmaxRank.verdict(&evidence).unwrap().ruling
    };
    assert_eq!(ruling(1.0, 50.0), Floating::InOneRegion);
    assert_eq!(ruling(1.0, 64.0), Floating::Nowhere);
    assert_eq!(ruling(0.9, 50.0), Floating::Everywhere);
    assert_eq!(ruling(1.0, 4.0), Floating::Nowhere);
}

/// The powers of d variables of degree k, counted one by one.
#[test]
fn the_bound_counts_monomials() {
    let bounds = |head_size| [1, 2, 3, 4, 5, 6].map(|degree| hadamard::bound(head_size, degree, 256));
    assert_eq!(bounds(2), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(bounds(4), [4.0, 10.0, 20.0, 35.0, 56.0, 84.0]);
    assert_eq!(hadamard::bound(4, 6, 50), 50.0);
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
    let weights =
        Draw::independent(n, 1, 5).weights(0.7, &crate::Mask::bidirectional(), &Device::Cpu).unwrap();
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
    let mut settings = small();
    let out_of_range =
        [("n", "7"), ("head_sizes", "0"), ("scales", "0"), ("exact_sizes", "65"), ("powers_n", "513")];
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
    assert_eq!(claim::run(&SoftmaxRank, &small(), &run).unwrap_err().to_string(), "cancelled");
}
