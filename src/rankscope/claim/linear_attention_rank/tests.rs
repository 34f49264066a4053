use super::*;
use crate::claim::{Effort, Trial, linear_weights, run as try_claim};
use crate::device::Device;
use crate::mask::Mask;
use crate::ops::FeatureMap;

fn trial(set: &[(&str, &str)]) -> Trial {
    let mut settings = Settings::new(&LinearAttentionRank, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in set {
        settings.set(name, value).unwrap();
    }
    try_claim(&LinearAttentionRank, &settings, &Run::default()).unwrap()
}

#[test]
fn it_holds_with_features_that_are_never_zero() {
    let trial = trial(&[("lengths", "8,40"), ("head_sizes", "3,11"), ("seeds", "3")]);
    assert_eq!(trial.verdict.only().ruling, Floating::InOneRegion, "{}", trial.verdict.only().because);
    assert!(trial.verdict.only().because.contains("φ(qᵢ)·φ(kᵢ) > 0"));
    let value = |name: &str| trial.evidence.value(name).unwrap();
    for (n, d) in [(8, 3), (8, 11), (40, 3), (40, 11)] {
        let (half, at) = (n / 2, format!("n{n}_d{d}"));
        assert_eq!(value(&format!("rank_bidirectional_{at}")), d.min(n) as f64);
        assert_eq!(value(&format!("rank_causal_{at}")), n as f64);
        assert_eq!(value(&format!("rank_block_{at}")), d.min(half) as f64);
    }
    assert_eq!(trial.evidence.disagreements().count(), 0);
    // (3/4)^D of the tokens share no feature with themselves: 42 % for D = 3, 4.2 % for D = 11.
    assert!((value("relu_strangers_n40_d3") / 40.0 - 0.42).abs() < 0.12);
    assert!(value("rank_relu_causal_n40_d3") < 35.0);
    assert!((1e-17..1e-14).contains(&value("recurrent_difference_f64")));
    assert!((1e-9..1e-6).contains(&value("recurrent_difference_f32")));
    assert!(trial.evidence.findings().iter().any(|finding| !finding.supports));
}

#[test]
fn the_other_verdicts_can_come_out() {
    // With 48 features no token is a stranger to itself.
    let wide = trial(&[("lengths", "50"), ("head_sizes", "48"), ("seeds", "2")]);
    assert_eq!(wide.verdict.only().ruling, Floating::Everywhere, "{}", wide.verdict.only().because);
    let slack = trial(&[("lengths", "6"), ("head_sizes", "9"), ("seeds", "2")]);
    assert_eq!(slack.verdict.only().ruling, Floating::NotResolved, "{}", slack.verdict.only().because);
    let mut broken = wide.evidence;
    broken.measure("unused", 0.0, "");
    for name in ["largest_excess_over_min_d_n", "causal_not_full_draws"] {
        let mut evidence = Evidence::new();
        for measured in broken.measured() {
            evidence.measure(
                measured.name.clone(),
                if measured.name == name { 1.0 } else { measured.value },
                "",
            );
        }
        assert_eq!(LinearAttentionRank.verdict(&evidence).unwrap().ruling, Floating::Nowhere, "{name}");
    }
    assert!(LinearAttentionRank.verdict(&Evidence::new()).is_err());
}

/// What the reference gives for n = 512 and n = 64, with tolerances from the spread of these draws.
#[test]
fn the_reference_is_met_at_its_settings() {
    let trial = trial(&[("lengths", "64,512"), ("head_sizes", "8,16"), ("seeds", "3")]);
    let evidence = &trial.evidence;
    let value = |name: &str| evidence.value(name).unwrap();
    // Condition numbers have heavy tails, of which three draws know nothing: an order of magnitude.
    let names = evidence.disagreements().map(|e| (e.name.as_str(), value(&e.name), e.value));
    let others: Vec<_> = names.filter(|(name, ..)| !name.starts_with("log10_condition")).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!((value("log10_condition_causal_n512_d8") - 7.0).abs() < 0.8);
    assert!((value("log10_condition_causal_n512_d16") - 5.95).abs() < 0.8);
    // Absolute, beside the tolerances by spread: what a wrong formula would miss.
    assert!((value("effective_rank_bidirectional_n512_d8") - 3.1).abs() < 0.15);
    assert!((value("effective_rank_bidirectional_n512_d16") - 4.1).abs() < 0.15);
    assert!((value("effective_rank_causal_n512_d8") - 77.0).abs() < 1.5);
    assert!((value("effective_rank_causal_n512_d16") - 77.0).abs() < 1.5);
    assert!((value("effective_rank_softmax_bidirectional_n512_d16") - 194.7).abs() < 4.0);
    assert!((value("effective_rank_softmax_causal_n512_d16") - 185.0).abs() < 10.0);
    // Full at the tolerance of f64, not quite at that of f32.
    assert_eq!((value("rank_causal_n512_d8"), value("rank_causal_n512_d16")), (512.0, 512.0));
    assert!((503.0..510.0).contains(&value("rank_f32_causal_n512_d8")));
    assert_eq!(value("rank_block_n64_d16"), 16.0);
}

#[test]
fn weights_by_hand() {
    let (q, k) = (ndarray::array![[0.0], [1.0]], ndarray::array![[1.0], [2.0]]); // features 1, 2 and 2, 3
    let weights = |map, mask: Mask| linear_weights(&q, &k, map, &mask, &Device::Cpu).unwrap();
    assert_eq!(weights(FeatureMap::EluPlusOne, Mask::causal()), ndarray::array![[1.0, 0.0], [0.4, 0.6]]);
    assert_eq!(
        weights(FeatureMap::EluPlusOne, Mask::bidirectional()),
        ndarray::array![[0.4, 0.6], [0.4, 0.6]]
    );
    // The first query has no positive feature at all.
    assert_eq!(
        weights(FeatureMap::Relu, Mask::causal()),
        ndarray::array![[0.0, 0.0], [1.0 / 3.0, 2.0 / 3.0]]
    );
}

#[test]
fn an_interrupt_and_bad_settings_are_named() {
    let mut settings = Settings::new(&LinearAttentionRank, Effort::Quick, Device::Cpu).unwrap();
    let run = Run::default();
    run.cancel_flag().cancel();
    assert_eq!(try_claim(&LinearAttentionRank, &settings, &run).unwrap_err().to_string(), "cancelled");
    for (name, text) in [("lengths", "1"), ("lengths", "64,2048"), ("head_sizes", "0"), ("seeds", "1")] {
        let message = settings.set(name, text).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} is \"{text}\", expected")), "{message}");
    }
}
