use std::fs;

use super::*;
use crate::claim::{Effort, Trial, run};
use crate::express::Target;
use crate::{Device, Mask};

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

fn words(trial: &Trial) -> (Exact, Floating) {
    let Verdict { exact_arithmetic, floating_point, .. } = &trial.verdict;
    (exact_arithmetic.as_ref().unwrap().ruling, floating_point.as_ref().unwrap().ruling)
}

#[test]
fn proved_and_missed_below_the_thresholds_and_every_number_is_the_expected_one() {
    let trial = trial(&[]);
    assert_eq!(words(&trial), (Exact::Proved, Floating::InOneRegion));
    let because = &trial.verdict.floating_point.as_ref().unwrap().because;
    assert!(
        because.contains("without a mask, heads of 1 to 5 stay ") && because.contains(" heads of 6 reach ")
    );
    assert!(because.contains("under the causal mask, heads of 1 to 2 stay "), "{because}");
    assert!(because.ends_with("A permutation of 23 positions takes a head of 2 only, with logits of 205."));
    let because = &trial.verdict.exact_arithmetic.as_ref().unwrap().because;
    assert!(because.contains("2 of 2 drawn patterns of 7 positions have rank 6"), "{because}");
    assert!(because.ends_with("Under the causal mask 2 of 2 need 3 at least."), "{because}");
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
fn every_word_is_reached_by_patterns() {
    assert_eq!(words(&trial(&[("head_sizes", "1,2")])), (Exact::Proved, Floating::Everywhere));
    // The thresholds and above, and two positions, for which the smallest head is enough.
    assert_eq!(words(&trial(&[("head_sizes", "6")])), (Exact::Proved, Floating::Nowhere));
    assert_eq!(words(&trial(&[("n", "2")])), (Exact::Refuted, Floating::Nowhere));
    // Uniform patterns need nothing.
    assert_eq!(words(&trial(&[("scale", "0")])), (Exact::Open, Floating::Nowhere));
}

#[test]
fn the_least_head_is_certified_for_drawn_patterns_and_not_for_uniform_ones() {
    let least = |n: usize, mask: Mask, scale: f64| {
        least_head(&Target::random(n, scale, &mask, 3).unwrap(), &Run::default()).unwrap()
    };
    assert_eq!(least(5, Mask::bidirectional(), 1.0), Some(4));
    assert_eq!([5, 6].map(|n| least(n, Mask::causal(), 1.0)), [Some(2), Some(3)]);
    assert_eq!(least(5, Mask::bidirectional(), 0.0), None);
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
    assert!(settings.set("n", "1").unwrap_err().to_string().starts_with("n is"));
    settings.set("target", "no-such.npy").unwrap();
    let error = run(&HeadSizeBottleneck, &settings, &Run::default()).unwrap_err().to_string();
    assert!(error.starts_with("no-such.npy"), "{error}");
    let stopped = Run::default();
    stopped.cancel_flag().cancel();
    let error = HeadSizeBottleneck.measure(&self::settings(&[]), &stopped).err().unwrap();
    assert_eq!(error.to_string(), "cancelled");
}
