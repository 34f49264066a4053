use super::*;
use crate::claim::{Effort, Trial, run as try_claim};
use crate::device::Device;

fn trial(set: &[(&str, &str)]) -> Trial {
    let mut settings = Settings::new(&MixedDirections, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in set {
        settings.set(name, value).unwrap();
    }
    try_claim(&MixedDirections, &settings, &Run::default()).unwrap()
}

#[test]
fn the_gain_depends_on_head_size_and_scale() {
    let trial = trial(&[("n", "64"), ("head_sizes", "2,32"), ("seeds", "4")]);
    assert_eq!(trial.verdict.ruling, Ruling::HoldsWithCondition, "{}", trial.verdict.because);
    assert_eq!(
        trial.verdict.because,
        "effective rank rises at scale 0.1, D = 2; scale 0.1, D = 32; scale 1, D = 2; falls at scale 1, D = 32"
    );
    assert_eq!(trial.evidence.disagreements().count(), 0);
    // Nothing but rounding between the layer and its heads.
    assert!(trial.evidence.value("multi_head_difference").unwrap() < 1e-6);
    // Near-uniform attention is where the difference is largest.
    let gain = |name: &str| trial.evidence.value(name).unwrap();
    assert!(gain("gain_scale0.1_d2") > 1.2 * gain("gain_scale1_d2"));
    assert!(gain("gain_scale0.1_d2") > 20.0 && gain("gain_scale1_d32") < -1.0);
    assert!(gain("layers_gain_scale0.1_d2") > 5.0);
}

#[test]
fn one_side_alone_is_a_verdict_of_its_own() {
    let small = trial(&[("n", "48"), ("head_sizes", "2"), ("seeds", "3")]);
    assert_eq!(small.verdict.ruling, Ruling::Holds);
    let large = trial(&[("n", "48"), ("head_sizes", "64"), ("scales", "1"), ("seeds", "5")]);
    assert_eq!(large.verdict.ruling, Ruling::Fails, "{}", large.verdict.because);
}

/// The means over 3 draws that the reference gives for n = 256 and scale 1, within the spread over ours.
#[test]
fn the_reference_is_met_at_its_settings() {
    let trial = trial(&[("n", "256"), ("head_sizes", "4,16,64"), ("scales", "1"), ("seeds", "4")]);
    let names: Vec<_> = trial.evidence.disagreements().map(|e| e.name.clone()).collect();
    assert_eq!(trial.evidence.expected().len(), 13);
    assert_eq!(names, [""; 0]);
    for expected in trial.evidence.expected().iter().filter(|e| e.name.starts_with("rank_")) {
        assert!(expected.tolerance < 0.06 * expected.value, "{}: {}", expected.name, expected.tolerance);
    }
}

/// Logits of 0: two bidirectional heads are the matrix of 1/n, rank 1; a causal and an anti-causal one add
/// the Cesàro matrix and its mirror image.
#[test]
fn uniform_attention_is_the_extreme() {
    let n = 32;
    let trial = trial(&[("n", "32"), ("head_sizes", "5"), ("scales", "0"), ("seeds", "2")]);
    assert_eq!(trial.evidence.disagreements().count(), 0);
    let value = |name: &str| trial.evidence.value(name).unwrap();
    let cesaro = ndarray::Array2::from_shape_fn((n, n), |(i, j)| {
        let lower = if j <= i { 1.0 / (i + 1) as f64 } else { 0.0 };
        let upper = if j >= i { 1.0 / (n - i) as f64 } else { 0.0 };
        (lower + upper) / 2.0
    });
    let by_hand = rank::Spectrum::of(cesaro.view()).unwrap().effective_rank();
    assert!((value("rank_mixed_scale0_d5") - by_hand).abs() < 1e-9);
    assert!((value("rank_layers_bidirectional_scale0_d5") - 1.0).abs() < 1e-9);
    assert!(value("rank_layers_mixed_scale0_d5") > 5.0);
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
