//! The claim at small, fixed settings, the numbers it must find, and every word of its verdicts.

use ndarray::Array2;

use super::determinant::predicted_log_det;
use super::*;
use crate::claim::{self, Effort, Trial};
use crate::device::Device;
use crate::rank::lu_determinant;

fn settings(set: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&CausalFullRank, Effort::Quick, Device::Cpu).unwrap();
    let small = [
        ("n", "40"),
        ("sizes", "16,64"),
        ("scales", "0.1,8"),
        ("seeds", "3"),
        ("lu_draws", "5"),
        ("models", ""),
    ];
    for (name, value) in small.iter().chain(set) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(set: &[(&str, &str)]) -> Trial {
    claim::run(&CausalFullRank, &settings(set), &Run::default()).unwrap()
}

fn exact(trial: &Trial) -> Exact {
    trial.verdict.exact_arithmetic.as_ref().unwrap().ruling
}

fn floating(trial: &Trial) -> (Floating, &str) {
    let opinion = trial.verdict.floating_point.as_ref().unwrap();
    (opinion.ruling, &opinion.because)
}

#[test]
fn proved_and_not_seen_by_f64_where_the_matrix_is_large_or_sharp() {
    let trial = trial(&[]);
    assert_eq!((exact(&trial), floating(&trial).0), (Exact::Proved, Floating::InOneRegion));
    let because = floating(&trial).1;
    assert!(because.starts_with("f64 loses 0 of 16, "), "{because}");
    assert!(because.contains(" of 64 directions to rounding, and at n = 40 0 at scale 0.1, "), "{because}");
    assert!(because.ends_with("Bidirectional attention of the same draws loses none."), "{because}");
    let evidence = &trial.evidence;
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    assert!(evidence.expected().len() >= 18 && evidence.illustrations().len() == 3);
    // The theorem stands for the claim, what rounding makes of it against.
    assert!(evidence.findings().iter().any(|finding| finding.supports));
    assert!(evidence.findings().iter().any(|finding| !finding.supports));
    assert_eq!(evidence.value("lens_rank_exact").unwrap(), 128.0);
    assert!(evidence.value("lens_rank_f16").unwrap() < evidence.value("lens_rank_f32").unwrap());
}

#[test]
fn f64_sees_full_rank_everywhere_where_attention_is_nearly_uniform_and_nowhere_where_it_is_large() {
    let uniform = trial(&[("scale", "0.1"), ("scales", "0.1"), ("sizes", "16,24")]);
    assert_eq!(floating(&uniform).0, Floating::Everywhere, "{}", floating(&uniform).1);
    assert_eq!(uniform.evidence.disagreements().count(), 0, "{:?}", uniform.evidence.expected());
    let large = trial(&[("sizes", "256"), ("scales", "8"), ("n", "64")]);
    assert_eq!(floating(&large).0, Floating::Nowhere, "{}", floating(&large).1);
}

#[test]
fn another_mask_is_refuted_by_an_example_or_open() {
    let refuted = trial(&[("mask", "bidirectional"), ("sizes", "16"), ("scales", "1")]);
    assert_eq!((exact(&refuted), floating(&refuted).0), (Exact::Refuted, Floating::Everywhere));
    let because = &refuted.verdict.exact_arithmetic.as_ref().unwrap().because;
    assert!(because.contains("tokens 1 and 2 of 40 have the same weights under bidirectional"), "{because}");
    // Tridiagonal with ones everywhere on the band: no two rows are equal.
    let open = trial(&[("mask", "two-sided-window(2)"), ("sizes", "16"), ("scales", "1")]);
    assert_eq!(exact(&open), Exact::Open);
    let wrong = claim::run(&CausalFullRank, &settings(&[("mask", "no-such")]), &Run::default());
    assert!(wrong.unwrap_err().to_string().contains("no-such"));
}

#[test]
fn the_theorem_knows_masks_by_hand() {
    let of = |mask: &str, n: usize| theorem::check(&Mask::parse(mask).unwrap(), n).unwrap();
    for (mask, n) in [("causal", 7), ("window(3)", 9), ("anti-causal", 5), ("prefix(1)", 6)] {
        assert!(matches!(of(mask, n), Theorem::AlwaysFull(_)), "{mask}");
    }
    for (mask, n) in [("bidirectional", 3), ("prefix(4)", 9), ("padding(2)", 5)] {
        assert!(matches!(of(mask, n), Theorem::Counterexample(_)), "{mask}");
    }
    assert_eq!(of("two-sided-window(2)", 7), Theorem::Neither);
    assert!(theorem::check(&Mask::parse("prefix(8)").unwrap(), 6).is_err());
}

/// Heads made by hand go through the function that measures trained ones.
#[test]
fn every_word_about_trained_models_is_reached() {
    let ruling = |heads: &[Array2<f64>]| {
        let look = |head: &Array2<f64>| heads::look(head.view()).unwrap();
        let texts = [heads.iter().map(look).collect::<Vec<_>>()];
        let measured = Measured {
            n: 6,
            mask: Mask::causal(),
            theorem: Theorem::Neither,
            sizes: Vec::new(),
            scales: Vec::new(),
            causal: None,
            models: if heads.is_empty() { Vec::new() } else { vec![Heads::new("by hand", &texts)] },
            notes: Vec::new(),
        };
        CausalFullRank.judge(&measured).trained_models.unwrap()
    };
    // A diagonal weight that f32 stores, and that its tolerance takes for zero.
    let mut sharp = Array2::eye(6);
    sharp[(4, 4)] = 1e-30;
    sharp[(4, 0)] = 1.0;
    let full = Array2::eye(6);
    assert_eq!(ruling(&[full.clone(), full.clone()]).ruling, Trained::InAll);
    assert_eq!(ruling(&[full, sharp.clone()]).ruling, Trained::InSome);
    assert_eq!(ruling(&[sharp]).ruling, Trained::InNone);
    assert_eq!(ruling(&[]).ruling, Trained::NoModel);
}

#[test]
fn a_zero_on_the_diagonal_is_counted() {
    let mut zero = Array2::eye(5);
    zero[(2, 2)] = 0.0;
    assert_eq!(heads::look(zero.view()).unwrap(), (1.0, 1));
}

#[test]
fn the_shipped_model_is_read_under_its_own_mask_alone() {
    let causal = trial(&[("models", "glass-en"), ("tokens", "24")]);
    assert_eq!(causal.evidence.value("heads_glass_en").unwrap(), 16.0);
    assert_eq!(causal.evidence.value("diagonal_zeros_glass_en").unwrap(), 0.0);
    let opinion = causal.verdict.trained_models.as_ref().unwrap();
    assert!(matches!(opinion.ruling, Trained::InSome | Trained::InAll), "{}", opinion.because);
    assert!(opinion.because.contains("of 16 heads of glass-en"), "{}", opinion.because);
    let other = trial(&[("models", "glass-en"), ("mask", "window(3)"), ("sizes", "16"), ("scales", "1")]);
    assert_eq!(other.verdict.trained_models.as_ref().unwrap().ruling, Trained::NoModel);
    assert!(other.evidence.notes().iter().any(|note| note.contains("glass-en")));
}

#[test]
fn the_determinant_is_predicted_to_underflow_at_the_quoted_positions() {
    let from = |limit: f64| (1..).find(|&n| predicted_log_det(n, 1.0) < -limit).unwrap();
    assert_eq!([708.0, 745.0, 87.3, 103.3].map(from), [156, 162, 30, 34]);
    assert!((predicted_log_det(128, 1.0) + 560.4).abs() < 0.1);
}

/// By columns LU eliminates, and what it finds is rounding, which depends on the processor; by rows it has
/// nothing to do, and is exact on every one.
#[test]
fn lu_of_the_stored_draw_by_rows_is_exact() {
    let [q, k] = stored::queries_and_keys().unwrap();
    let weights = claim::attention_weights(&q, &k, 1.0, &Mask::causal(), &Device::Cpu).unwrap();
    for seed in 0..20 {
        let varied = stored::last_digit_changed(&weights, seed);
        assert!(varied.iter().zip(&weights).all(|(a, b)| (a - b).abs() <= f64::EPSILON * b));
        let rows = lu_determinant(varied.t()).unwrap();
        assert!(rows.sign == 1 && (rows.log + 527.758_266_268_504_7).abs() < 1e-9, "{rows:?}");
    }
}

#[test]
fn bad_settings_are_named() {
    let mut settings = settings(&[]);
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
    let error = claim::run(&CausalFullRank, &settings(&[]), &run).unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
