//! The verdict at small settings, and what theory and the reference say.

use super::*;
use crate::claim::{self, Effort, Sample};
use crate::device::Device;

fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&MaskCarriesPosition, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in changes {
        settings.set(name, value).unwrap();
    }
    settings
}

fn small() -> Settings {
    let sizes = [("n", "13"), ("width", "24"), ("heads", "3"), ("depths", "1,2,4")];
    let draws = [("seeds", "3"), ("train", "60"), ("held_out", "30")];
    settings(&[sizes.as_slice(), draws.as_slice()].concat())
}

#[test]
fn the_mask_carries_position_where_something_breaks_the_tie() {
    let trial = claim::run(&MaskCarriesPosition, &small(), &Run::default()).unwrap();
    let Opinion { ruling, because } = trial.verdict.only();
    assert_eq!(*ruling, Floating::InOneRegion, "{because}");
    assert!(
        because.contains("break the tie") && because.contains("after 1 layer does not know"),
        "{because}"
    );
    let disagreements: Vec<_> = trial.evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert!(value("rounding") < 1e-11);
    for depth in [1, 2, 4] {
        assert!(value(&format!("permutation_error_bidirectional_depth{depth}")) < 1e-13);
        assert!(value(&format!("permutation_error_causal_depth{depth}")) > 0.2);
        assert!(value(&format!("identical_difference_causal_depth{depth}")) < 1e-13);
        assert!(value(&format!("started_relative_causal_depth{depth}")) > 0.1);
        assert!(value(&format!("probe_r2_causal_depth{depth}")) > 0.1);
        assert!(value(&format!("probe_r2_bidirectional_depth{depth}")).abs() < 0.05);
    }
    assert!(value("earlier_change_causal_depth1") < 1e-13);
    assert!(value("earlier_change_causal_depth2") > 0.05 && value("earlier_change_causal_depth4") > 0.15);
}

#[test]
fn the_verdict_can_come_out_otherwise() {
    let evidence = |causal: [f64; 2], bidirectional: f64, earlier: f64, identical: f64| {
        let mut evidence = Evidence::new();
        evidence.measure("rounding", 1e-12, "");
        for (depth, causal) in [1, 2].into_iter().zip(causal) {
            let sample = |value: f64| Sample::new([value - 0.001, value + 0.001]);
            evidence.measure_sample(format!("probe_r2_causal_depth{depth}"), sample(causal), "");
            evidence.measure_sample(
                format!("probe_r2_bidirectional_depth{depth}"),
                sample(bidirectional),
                "",
            );
            evidence.measure(format!("earlier_change_causal_depth{depth}"), earlier, "");
            evidence.measure(format!("identical_difference_causal_depth{depth}"), identical, "");
        }
        evidence
    };
    let cases = [
        (evidence([0.1, 0.2], -0.004, 0.1, 0.1), Floating::Everywhere),
        (evidence([0.1, 0.2], -0.004, 1e-15, 0.1), Floating::InOneRegion),
        (evidence([0.1, 0.2], -0.004, 0.1, 1e-15), Floating::InOneRegion),
        (evidence([0.0, 0.0], -0.004, 0.1, 0.1), Floating::Nowhere),
        (evidence([0.1, 0.2], 0.1, 0.1, 0.1), Floating::Nowhere),
        (evidence([0.0, 0.2], -0.004, 0.1, 0.1), Floating::NotResolved),
    ];
    for (evidence, ruling) in cases {
        let verdict = MaskCarriesPosition.verdict(&evidence).unwrap();
        assert_eq!(verdict.ruling, ruling, "{}", verdict.because);
    }
}

#[test]
fn how_near_another_network_must_be_comes_from_our_spread() {
    let sizes = Sizes::read(&settings(&[("depths", "1")])).unwrap();
    let mut evidence = Evidence::new();
    evidence.measure("rounding", 1e-12, "");
    for name in ["permutation_error_causal", "started_difference_causal", "probe_r2_causal"] {
        evidence.measure_sample(format!("{name}_depth1"), Sample::new([0.1, 0.2, 0.3]), "");
    }
    findings::expectations(&mut evidence, &sizes).unwrap();
    let of = |name: &str| evidence.expected().into_iter().find(|measured| measured.name == name).unwrap();
    // The mean of three draws of standard deviation 0.1 against one other draw.
    let tolerance = 4.0 * 0.1 * (4.0f64 / 3.0).sqrt();
    assert!((of("probe_r2_causal_depth1").expected.as_ref().unwrap().tolerance - tolerance).abs() < 1e-12);
    let disagrees: Vec<_> = evidence.disagreements().map(|expected| expected.name.as_str()).collect();
    assert!(disagrees.contains(&"started_difference_causal_depth1"), "{disagrees:?}");
    assert!(!disagrees.contains(&"probe_r2_causal_depth1"), "{disagrees:?}");
}

#[test]
fn what_cannot_be_run_is_named() {
    let error = MaskCarriesPosition.run(&settings(&[("heads", "5")]), &Run::default()).unwrap_err();
    assert_eq!(error.to_string(), "heads is 5, expected a divisor of width = 64");
    let run = Run::default();
    run.cancel_flag().cancel();
    assert_eq!(MaskCarriesPosition.run(&small(), &run).unwrap_err().to_string(), "cancelled");
}
