use super::*;
use crate::Device;
use crate::claim::{Effort, Trial, run};

fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&FixedHeadSize, Effort::Quick, Device::Cpu).unwrap();
    let small = [
        ("n", "5"),
        ("width", "12"),
        ("narrow", "6"),
        ("heads", "1,2,6"),
        ("head_size", "4"),
        ("seeds", "2"),
        ("starts", "2"),
    ];
    for (name, value) in small.iter().chain(changes) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(changes: &[(&str, &str)]) -> Trial {
    run(&FixedHeadSize, &settings(changes), &Run::default()).unwrap()
}

fn words(trial: &Trial) -> (Exact, Floating) {
    let Verdict { exact_arithmetic, floating_point, .. } = &trial.verdict;
    (exact_arithmetic.as_ref().unwrap().ruling, floating_point.as_ref().unwrap().ruling)
}

#[test]
fn a_fixed_head_size_at_the_threshold_removes_what_the_usual_rule_cannot() {
    // Six heads: size 2 on 12, size 4 = n − 1 on 6 for the same parameters.
    let trial = trial(&[]);
    assert_eq!(words(&trial), (Exact::Proved, Floating::Everywhere), "{:?}", trial.verdict);
    let disagreements: Vec<_> = trial.evidence.disagreements().map(|expected| &expected.name).collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert!(value("kl_standard_h1") < 1e-12 && value("kl_standard_h2") < 1e-12);
    assert!(value("kl_standard_h6") > 1e-3);
    assert!(value("kl_narrow_embedding") > 1e-3);
    assert_eq!(value("parameters_standard_h6"), 576.0);
    assert_eq!(value("parameters_equal_budget_h6"), 576.0);
    assert_eq!(value("parameters_fixed_h6"), 4.0 * 12.0 * 6.0 * 4.0);
    assert_eq!(value("cost_of_fixed"), 2.0);
    assert!(value("containment_error") < 1e-5);
    assert!(value("imitation_error_free") > 1e-2 && value("imitation_error_usual") < 1e-6);
}

/// The differences that the paper's tables imply, to a tenth of a million.
#[test]
fn the_papers_parameters_follow_from_the_formula() {
    let mut evidence = Evidence::new();
    quoted::beside(&mut evidence, &settings(&[])).unwrap();
    for (name, millions) in [("8_to_16_heads", 50.3), ("8_to_32_heads", 151.0), ("head_size_32_to_64", 12.6)]
    {
        let got = evidence.value(&format!("added_parameters_{name}_millions")).unwrap();
        assert!((got - millions).abs() < 0.05, "{name}: {got}");
    }
    assert_eq!(evidence.disagreements().count(), 0);
    let sides: Vec<bool> = evidence.findings().iter().map(|finding| finding.supports).collect();
    assert_eq!(sides, [true, true, false, false, false]);
    assert!(evidence.measured().iter().all(|measured| measured.name.starts_with("added_parameters")));
}

#[test]
fn every_word_is_reached_by_layers() {
    // One head is as large as the width: nothing to remove.
    assert_eq!(words(&trial(&[("heads", "1")])), (Exact::Proved, Floating::NotResolved));
    // As many parameters on two columns: large heads, and embeddings of rank 2.
    let narrow = trial(&[("heads", "6"), ("narrow", "2"), ("seeds", "3")]);
    assert_eq!(words(&narrow), (Exact::Proved, Floating::Reverses), "{:?}", narrow.verdict);
    // A free size below the usual one, and an equal budget that is the usual layer.
    let small = trial(&[("heads", "6"), ("narrow", "12"), ("head_size", "1")]);
    assert_eq!(words(&small), (Exact::Refuted, Floating::Nowhere), "{:?}", small.verdict);
}

/// Half a sequence is enough in fits, and no theorem says so.
#[test]
fn the_causal_threshold_is_half() {
    let trial = trial(&[("mask", "causal"), ("head_size", "2"), ("heads", "12"), ("narrow", "12")]);
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert!(value("kl_fixed") < 1e-12 && value("kl_standard_h12") > 1e-4);
    assert_eq!(words(&trial), (Exact::Open, Floating::InOneRegion), "{:?}", trial.verdict);
}

#[test]
fn layers_that_cannot_be_are_named() {
    let error = |changes: &[(&str, &str)]| {
        run(&FixedHeadSize, &settings(changes), &Run::default()).unwrap_err().to_string()
    };
    assert_eq!(error(&[("heads", "5")]), "heads is 5, expected a divisor of the width 12");
    assert_eq!(error(&[("narrow", "13")]), "narrow is 13, expected at most the width 12");
    assert_eq!(error(&[("narrow", "5")]), "narrow is 5, expected a divisor of width² / heads = 144 / 1");
    let mut settings = settings(&[]);
    let zero = settings.set("head_size", "0").unwrap_err().to_string();
    assert!(zero.starts_with("head_size is") && zero.ends_with("from 1 to 64"), "{zero}");
}
