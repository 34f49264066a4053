use std::fs;

use super::super::{Effort, Trial, run};
use super::*;
use crate::Device;

fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&HeadSizeBottleneck, Effort::Quick, Device::Cpu).unwrap();
    let small = [("n", "7"), ("seeds", "2"), ("starts", "2"), ("permutation_n", "16,23")];
    for (name, value) in small.iter().chain(changes) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(changes: &[(&str, &str)]) -> Trial {
    run(&HeadSizeBottleneck, &settings(changes), &Run::default()).unwrap()
}

#[test]
fn the_claim_holds_with_a_condition_and_every_number_is_the_expected_one() {
    let trial = trial(&[]);
    assert_eq!(trial.verdict.only().ruling, Floating::InOneRegion, "{}", trial.verdict.only().because);
    let disagreements: Vec<_> = trial.evidence.disagreements().map(|expected| &expected.name).collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert_eq!(value("threshold_bidirectional"), 6.0);
    assert_eq!(value("threshold_causal"), 3.0);
    assert!((value("counterexample_kl_nats") - 0.130_812).abs() < 5e-7);
    assert!(value("counterexample_width_2_kl_nats") < 1e-12);
    // The curve of the reference at n = 8 starts at .325 and is at .0005 below the threshold.
    assert!((0.1..0.8).contains(&value("kl_bidirectional_d1")), "{}", value("kl_bidirectional_d1"));
    assert!((1e-6..2e-2).contains(&value("kl_bidirectional_d5")), "{}", value("kl_bidirectional_d5"));
    assert!(value("kl_causal_d1") < value("kl_bidirectional_d1"));
    assert!(value("truncation_error_d5") > 1e-5 && value("truncation_error_d6") < 1e-12);
    assert!(value("permutation_attention_n16") > 0.999);
    assert!((value("permutation_logit_scale_n16") - 99.85).abs() < 0.01);
}

#[test]
fn the_findings_stand_on_the_side_of_their_numbers() {
    let trial = trial(&[]);
    let side = |part: &str| {
        let found = trial.evidence.findings().iter().find(|finding| finding.text.contains(part));
        found.unwrap_or_else(|| panic!("no finding with {part:?}")).supports
    };
    assert!(side("by construction") && side("width 1") && side("stays"));
    assert!(!side("less than n") && !side("about the embedding") && !side("permutation"));
}

#[test]
fn the_verdict_follows_the_thresholds() {
    let verdict = |error: f64, both: f64, causal: f64| {
        let mut evidence = Evidence::new();
        let values = [
            ("n", 9.0),
            ("construction_error_largest", error),
            ("threshold_bidirectional", both),
            ("threshold_causal", causal),
        ];
        for (name, value) in values {
            evidence.measure(name, value, "");
        }
        HeadSizeBottleneck.verdict(&evidence).unwrap().ruling
    };
    assert_eq!(verdict(1e-13, 9.0, 9.0), Floating::Everywhere);
    assert_eq!(verdict(1e-13, 8.0, 4.0), Floating::InOneRegion);
    assert_eq!(verdict(1e-13, 1.0, 1.0), Floating::Nowhere);
    assert_eq!(verdict(0.1, 8.0, 4.0), Floating::NotResolved);
    assert_eq!(verdict(f64::NAN, 8.0, 4.0), Floating::NotResolved);
    assert!(HeadSizeBottleneck.verdict(&Evidence::new()).is_err());
}

#[test]
fn a_pattern_of_ones_own_is_constructed_and_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.csv");
    // Rank one after centring: log P = u·vᵀ, so a head of size 1 is enough.
    fs::write(&path, "0.2,0.3,0.5\n0.04,0.09,0.25\n").unwrap();
    let message = |text: &str| {
        fs::write(&path, text).unwrap();
        let settings = settings(&[("target", path.to_str().unwrap())]);
        run(&HeadSizeBottleneck, &settings, &Run::default())
    };
    let error = message("0.2,0.3,0.5\n0.5,0.25,0.25\n").unwrap_err().to_string();
    assert_eq!(error, "target is 2 × 3, expected as many rows as columns");
    let error = message("0.5,0.25,0.25\n0.5,0.5,0.0\n0.1,0.1,0.8\n").unwrap_err().to_string();
    assert!(error.starts_with("target entry (1, 2) is 0, expected a number above 0"), "{error}");
    let trial = message("0.5,0.25,0.25\n0.8,0.1,0.1\n0.1,0.45,0.45\n").unwrap();
    assert_eq!(trial.evidence.value("target_threshold").unwrap(), 1.0);
    assert!(trial.evidence.value("target_construction_error").unwrap() < 1e-12);
    let trial = message("1,0,0,0\n0.5,0.5,0,0\n0.1,0.2,0.7,0\n0.4,0.3,0.2,0.1\n").unwrap();
    assert_eq!(trial.evidence.value("target_threshold").unwrap(), 2.0);
    assert!(trial.evidence.value("target_kl_d1").unwrap() > 1e-6);
}

#[test]
fn bad_settings_are_named() {
    let mut settings = settings(&[]);
    assert!(settings.set("n", "2").unwrap_err().to_string().starts_with("n is"));
    settings.set("target", "no-such.npy").unwrap();
    let error = run(&HeadSizeBottleneck, &settings, &Run::default()).unwrap_err().to_string();
    assert!(error.starts_with("no-such.npy"), "{error}");
    let stopped = Run::default();
    stopped.cancel_flag().cancel();
    let error = HeadSizeBottleneck.run(&self::settings(&[]), &stopped).unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
