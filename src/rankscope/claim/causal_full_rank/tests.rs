//! The claim at small, fixed settings, and the numbers it must find.

use super::determinant::predicted_log_det;
use super::*;
use crate::claim::{self, Effort, Trial};
use crate::device::Device;
use crate::rank::lu_determinant;

fn small() -> Settings {
    let mut settings = Settings::new(&CausalFullRank, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in
        [("n", "40"), ("sizes", "16,64"), ("scales", "0.1,8"), ("seeds", "3"), ("lu_draws", "5")]
    {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(settings: &Settings) -> Trial {
    claim::run(&CausalFullRank, settings, &Run::default()).unwrap()
}

#[test]
fn holds_exactly_and_not_for_f64_and_agrees_with_the_reference() {
    let Trial { evidence, verdict, .. } = trial(&small());
    assert_eq!(verdict.ruling, Ruling::HoldsWithCondition, "{}", verdict.because);
    assert!(verdict.because.ends_with("lower at n = 64, scale = 8"), "{}", verdict.because);
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    assert!(evidence.expected().len() >= 18 && evidence.illustrations().len() == 3);
    for illustration in evidence.illustrations() {
        illustration.figure.to_svg(Default::default()).unwrap();
    }
    // What LU and the decompositions get wrong stands against the claim, the theorem for it.
    assert!(evidence.findings().iter().any(|finding| finding.supports));
    let (truth, reported) = ("stored_log10_sigma_min", "stored_log10_sigma_min_f64_svd");
    assert!(evidence.value(truth).unwrap() < evidence.value(reported).unwrap() - 5.0);
    assert!(evidence.value("stored_lu_wrong_sign_share").unwrap() > 0.1);
    assert_eq!(evidence.value("lens_rank_exact").unwrap(), 128.0);
    assert!(evidence.value("lens_rank_f16").unwrap() < evidence.value("lens_rank_f32").unwrap());
}

#[test]
fn holds_without_a_condition_where_attention_is_nearly_uniform() {
    let mut settings = small();
    for (name, value) in [("scale", "0.1"), ("scales", "0.1"), ("sizes", "16,24")] {
        settings.set(name, value).unwrap();
    }
    let trial = trial(&settings);
    assert_eq!(trial.verdict.ruling, Ruling::Holds, "{}", trial.verdict.because);
    assert_eq!(trial.evidence.disagreements().count(), 0, "{:?}", trial.evidence.expected());
}

#[test]
fn the_rule_reads_the_evidence() {
    let verdict = |share: f64, lost: f64| {
        let mut evidence = Evidence::new();
        evidence.measure("exactly_nonsingular_share", share, "");
        evidence.measure("lost_f64_causal_n16", lost, "");
        CausalFullRank.verdict(&evidence).unwrap().ruling
    };
    assert_eq!(verdict(1.0, 0.0), Ruling::Holds);
    assert_eq!(verdict(1.0, 2.0), Ruling::HoldsWithCondition);
    assert_eq!(verdict(0.9, 0.0), Ruling::Fails);
    assert!(CausalFullRank.verdict(&Evidence::new()).is_err());
}

#[test]
fn the_determinant_is_predicted_to_underflow_at_the_quoted_positions() {
    let from = |limit: f64| (1..).find(|&n| predicted_log_det(n, 1.0) < -limit).unwrap();
    assert_eq!([708.0, 745.0, 87.3, 103.3].map(from), [156, 162, 30, 34]);
    assert!((predicted_log_det(128, 1.0) + 560.4).abs() < 0.1);
}

/// By columns LU eliminates, and its sign is noise; by rows it has nothing to do, and is exact.
#[test]
fn lu_of_the_stored_draw_depends_on_the_storage() {
    let [q, k] = stored::queries_and_keys().unwrap();
    let weights = claim::attention_weights(&q, &k, 1.0, &crate::Mask::causal(), &Device::Cpu).unwrap();
    let mut signs = Vec::new();
    for seed in 0..20 {
        let varied = stored::last_digit_changed(&weights, seed);
        assert!(varied.iter().zip(&weights).all(|(a, b)| (a - b).abs() <= f64::EPSILON * b));
        let (columns, rows) = (lu_determinant(varied.view()).unwrap(), lu_determinant(varied.t()).unwrap());
        assert!(columns.log > -520.0 && columns.log < -508.0, "{columns:?}");
        assert!(rows.sign == 1 && (rows.log + 527.758_266_268_504_7).abs() < 1e-9, "{rows:?}");
        signs.push(columns.sign);
    }
    assert!(signs.contains(&1) && signs.contains(&-1), "{signs:?}");
}

#[test]
fn bad_settings_are_named() {
    let mut settings = small();
    for (name, value) in [("n", "0"), ("n", "257"), ("head_size", "0"), ("scale", "8.1"), ("sizes", "16,1")] {
        let message = settings.set(name, value).unwrap_err().to_string();
        assert!(message.starts_with(name) && message.contains("from"), "{message}");
    }
}

#[test]
fn an_interrupt_ends_the_experiment() {
    let run = Run::default();
    let flag = run.cancel_flag();
    let run = run.with_progress(move |_| flag.cancel());
    let error = claim::run(&CausalFullRank, &small(), &run).unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
