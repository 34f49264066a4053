use ndarray::Array2;

use super::*;
use crate::claim::{Effort, Trial, run as try_claim};
use crate::device::Device;

fn trial(set: &[(&str, &str)]) -> Trial {
    let mut settings = Settings::new(&MixedDirections, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in [("models", "")].iter().chain(set) {
        settings.set(name, value).unwrap();
    }
    try_claim(&MixedDirections, &settings, &Run::default()).unwrap()
}

#[test]
fn the_gain_depends_on_head_size_and_scale() {
    let trial = trial(&[("n", "160"), ("head_sizes", "2,64"), ("seeds", "4")]);
    let floating = trial.verdict.floating_point.unwrap();
    assert_eq!(floating.ruling, Floating::Reverses, "{}", floating.because);
    assert_eq!(
        floating.because,
        "The effective rank of the mean of two heads rises at scale 0.1, D = 2; scale 0.1, D = 64; scale 1, D = 2; it \
         falls at scale 1, D = 64."
    );
    assert_eq!(trial.evidence.disagreements().count(), 0);
    // Nothing but rounding between the layer and its heads.
    assert!(trial.evidence.value("multi_head_difference").unwrap() < 1e-6);
    // Near-uniform attention is where the argument lives.
    let gain = |name: &str| trial.evidence.value(name).unwrap();
    assert!(gain("gain_scale0.1_d2") > 30.0 && gain("gain_scale1_d64") < -1.0);
    assert!(gain("layers_gain_scale0.1_d2") > 2.5);
    assert!(gain("rank_bidirectional_scale0.1_d2") < 3.0);
    assert!(trial.evidence.findings().iter().any(|finding| !finding.supports));
}

fn floating(trial: &Trial) -> Floating {
    trial.verdict.floating_point.as_ref().unwrap().ruling
}

#[test]
fn trained_heads_are_measured_with_their_masks_replaced() {
    let small = [("n", "9"), ("head_sizes", "3"), ("scales", "1"), ("seeds", "2"), ("tokens", "20")];
    let of = |models| trial(&[&small[..], &[("models", models)]].concat());
    let glass = of("glass-en");
    let value = |name: &str| glass.evidence.value(name).unwrap();
    // 4 layers of 4 heads, two by two.
    assert_eq!(value("pairs_glass_en"), 8.0);
    let word = |trial: &Trial| trial.verdict.rows()[2].unwrap().0;
    let expected = match value("pairs_mixed_higher_glass_en") {
        8.0 => "seen in all",
        0.0 => "seen in none",
        _ => "seen in some",
    };
    assert_eq!(word(&glass), expected);
    assert_eq!(word(&of("")), "no model at hand");
}

#[test]
fn one_side_alone_is_a_verdict_of_its_own() {
    let small = trial(&[("n", "48"), ("head_sizes", "2"), ("seeds", "3")]);
    assert_eq!(floating(&small), Floating::Everywhere, "{:?}", small.verdict);
    let large = trial(&[("n", "160"), ("head_sizes", "64"), ("scales", "1"), ("seeds", "4")]);
    assert_eq!(floating(&large), Floating::Nowhere, "{:?}", large.verdict);
    let even = trial(&[("n", "48"), ("head_sizes", "64"), ("scales", "1"), ("seeds", "5")]);
    assert_eq!(floating(&even), Floating::NotResolved, "{:?}", even.verdict);
}

/// The means over 3 draws that the reference gives for n = 256 and scale 1.
#[test]
fn the_reference_is_met_at_its_settings() {
    let trial = trial(&[("n", "256"), ("head_sizes", "4,16,64"), ("scales", "1"), ("seeds", "4")]);
    assert_eq!(trial.evidence.expected().len(), 13);
    assert_eq!(
        trial.evidence.disagreements().count(),
        0,
        "{:?}",
        trial.evidence.disagreements().collect::<Vec<_>>()
    );
    let value = |name: &str| trial.evidence.value(name).unwrap();
    // Absolute, beside the tolerances by spread: what a wrong formula would miss.
    for (name, reference, tolerance) in [
        ("rank_mixed_scale1_d4", 101.5, 8.0),
        ("rank_mixed_scale1_d16", 134.3, 5.0),
        ("rank_mixed_scale1_d64", 146.8, 3.0),
        ("rank_bidirectional_scale1_d4", 46.3, 3.0),
        ("rank_bidirectional_scale1_d16", 127.5, 4.0),
        ("rank_bidirectional_scale1_d64", 160.9, 2.0),
    ] {
        assert!((value(name) - reference).abs() < tolerance, "{name} is {}", value(name));
    }
}

/// Logits of 0: two bidirectional heads are the matrix of 1/n, rank 1; a causal and an anti-causal one add
/// (or multiply) the Cesàro matrix and its mirror image.
#[test]
fn uniform_attention_is_the_extreme() {
    let n = 32;
    let trial = trial(&[("n", "32"), ("head_sizes", "5"), ("scales", "0"), ("seeds", "2")]);
    assert_eq!(trial.evidence.disagreements().count(), 0);
    let value = |name: &str| trial.evidence.value(name).unwrap();
    let lower = Array2::from_shape_fn((n, n), |(i, j)| if j <= i { 1.0 / (i + 1) as f64 } else { 0.0 });
    let upper = Array2::from_shape_fn((n, n), |(i, j)| if j >= i { 1.0 / (n - i) as f64 } else { 0.0 });
    let effective = |x: Array2<f64>| rank::Spectrum::of(x.view()).unwrap().effective_rank();
    assert!((value("rank_mixed_scale0_d5") - effective((&lower + &upper) / 2.0)).abs() < 1e-9);
    assert!((value("rank_layers_mixed_scale0_d5") - effective(upper.dot(&lower))).abs() < 1e-9);
    assert!((value("rank_layers_bidirectional_scale0_d5") - 1.0).abs() < 1e-9);
    assert!((value("rank_causal_alone_scale0_d5") - effective(lower)).abs() < 1e-9);
}

#[test]
fn an_interrupt_and_bad_settings_are_named() {
    let settings = Settings::new(&MixedDirections, Effort::Quick, Device::Cpu).unwrap();
    let run = Run::default();
    run.cancel_flag().cancel();
    assert_eq!(try_claim(&MixedDirections, &settings, &run).unwrap_err().to_string(), "cancelled");
    let mut settings = settings;
    for (name, text) in [("n", "1"), ("head_sizes", "0"), ("scales", "101"), ("seeds", "1")] {
        let message = settings.set(name, text).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} is \"{text}\", expected")), "{message}");
    }
}
