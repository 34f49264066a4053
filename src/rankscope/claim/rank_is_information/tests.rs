//! The claim at small, fixed settings, the numbers it must find, and every word of its verdicts.

use ndarray::{Array2, array};

use super::*;
use crate::claim::{self, Effort, Trial};
use crate::device::Device;

fn settings(set: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&RankIsInformation, Effort::Quick, Device::Cpu).unwrap();
    let small = [("n", "90"), ("head_sizes", "4,16"), ("scales", "0.1,1"), ("models", "")];
    for (name, value) in small.iter().chain(set) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(set: &[(&str, &str)]) -> Trial {
    claim::run(&RankIsInformation, &settings(set), &Run::default()).unwrap()
}

fn floating(set: &[(&str, &str)]) -> Floating {
    trial(set).verdict.floating_point.unwrap().ruling
}

#[test]
fn refuted_by_an_example_and_not_seen_where_the_halves_exchange_the_same_under_both_masks() {
    let Trial { evidence, verdict, .. } = trial(&[]);
    let exact = verdict.exact_arithmetic.unwrap();
    assert_eq!(exact.ruling, Exact::Refuted);
    assert!(exact.because.contains("rank 90 and sends 0.0 % of its weight"), "{}", exact.because);
    assert!(exact.because.contains("rank 1 and sends 98.9 %"), "{}", exact.because);
    assert_eq!(verdict.trained_models.unwrap().ruling, Trained::NoModel);
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    assert_eq!(evidence.illustrations().len(), 2);
    // Outputs of nearly uniform attention differ more under the causal mask: that is for the claim.
    assert!(evidence.findings().iter().any(|finding| finding.supports && finding.text.contains("A·V")));
    assert!(evidence.findings().iter().any(|finding| !finding.supports && finding.text.contains("block")));
}

#[test]
fn every_word_in_floating_point_is_a_region_of_the_map() {
    let at = |head_sizes, scales| {
        floating(&[("n", "64"), ("seeds", "8"), ("head_sizes", head_sizes), ("scales", scales)])
    };
    // Small heads gain rank from the causal mask, and with it what they carry; large heads gain rank alone.
    assert_eq!(at("2,4", "4"), Floating::Everywhere);
    assert_eq!(at("16,64", "2,4"), Floating::Nowhere);
    assert_eq!(at("2,16", "4"), Floating::Reverses);
    // Small logits: rank differs, what is carried does not.
    assert_eq!(at("2,4", "0.3"), Floating::NotResolved);
    assert_eq!(at("2", "0.3,4"), Floating::InOneRegion);
}

#[test]
fn the_reference_at_its_own_size_is_met() {
    let evidence = trial(&[("n", "256"), ("head_sizes", "16"), ("scales", "1"), ("seeds", "2")]).evidence;
    assert_eq!(evidence.disagreements().count(), 0, "{:?}", evidence.disagreements().collect::<Vec<_>>());
    // Two block ranks, two condition numbers, two of the powers.
    assert_eq!(evidence.expected().len(), 6);
}

/// Matrices made by hand go the way of the examples.
#[test]
fn both_words_in_exact_arithmetic_are_reached() {
    let ruling = |matrices: &[Array2<f64>]| {
        let examples: Vec<_> = matrices.iter().map(|a| Example::of("by hand", a).unwrap()).collect();
        in_exact_arithmetic(&examples, 3).0
    };
    let (identity, uniform) = (Array2::eye(3), Array2::from_elem((3, 3), 1.0 / 3.0));
    let first_token = array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
    let forward = array![[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.5, 0.4, 0.1]];
    assert_eq!(ruling(&[identity.clone(), uniform]), Exact::Refuted);
    assert_eq!(ruling(&[identity, first_token.clone()]), Exact::Refuted);
    // More rank and more weight for others: (0 + 0.9 + 0.9)/3 against 2/3 would be less, so the first is not.
    assert_eq!(ruling(std::slice::from_ref(&forward)), Exact::Open);
    let still = array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    assert_eq!(ruling(&[forward, still]), Exact::Open);
    // Neither triangular nor of one row: nothing is known of its rank without computing.
    assert!(Example::of("dense", &array![[0.5, 0.5], [0.25, 0.75]]).is_none());
}

/// Heads made by hand go the way of trained ones.
#[test]
fn every_word_about_trained_models_is_reached() {
    let n = 12;
    // The earlier half attends to `own` different tokens, the later half to `carried` of the earlier ones: the
    // rank is their sum.
    let head = |own: usize, carried: usize| {
        Array2::from_shape_fn((n, n), |(t, s)| match t < n / 2 {
            true => f64::from(u8::from(s == n / 2 + t.min(own - 1))),
            false => f64::from(u8::from(s == (t - n / 2).min(carried - 1))),
        })
    };
    let model = |heads: &[(usize, usize)]| {
        let look = |&(own, carried): &(usize, usize)| heads::look(head(own, carried).view()).unwrap();
        Heads::new("by hand", &[heads.iter().map(look).collect()])
    };
    let together: Vec<_> = (1..=4).flat_map(|size| [(size, size), (size, size)]).collect();
    let apart = [(1, 4), (3, 3), (5, 2)].repeat(3);
    let unclear = [(2, 2), (3, 1), (1, 3), (2, 2)];
    assert_eq!(model(&together).is_together(), Some(true));
    assert_eq!(model(&apart).is_together(), Some(false));
    assert_eq!(model(&unclear).is_together(), None);
    let over =
        |models: &[&[(usize, usize)]]| Trained::over(models.iter().map(|heads| model(heads).is_together()));
    assert_eq!(over(&[&together, &together]), Trained::InAll);
    assert_eq!(over(&[&together, &apart]), Trained::InSome);
    assert_eq!(over(&[&apart, &unclear]), Trained::InNone);
    assert_eq!(over(&[&unclear]), Trained::NotResolved);
    assert_eq!(over(&[]), Trained::NoModel);
}

/// Of six pairs, (1, 2) is turned in the second list, and one pair is equal there.
#[test]
fn kendalls_tau_by_hand() {
    assert_eq!(heads::kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]), 1.0);
    assert_eq!(heads::kendall(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 5.0, 5.0]), (4.0 - 1.0) / 6.0);
}

#[test]
fn the_shipped_model_is_measured() {
    let trial =
        trial(&[("n", "16"), ("head_sizes", "2"), ("scales", "1"), ("models", "glass-en"), ("tokens", "24")]);
    let opinion = trial.verdict.trained_models.unwrap();
    assert!(opinion.because.starts_with("Of two heads of glass-en"), "{}", opinion.because);
    assert!((-1.0..=1.0).contains(&trial.evidence.value("kendall_rank_block_glass_en").unwrap()));
}

#[test]
fn flow_distance_and_condition_by_hand() {
    let weights = array![[1.0, 0.0], [0.25, 0.75]];
    assert_eq!(examples::flow(weights.view()), 0.125);
    assert_eq!(powers::distance_from_limit(&weights), 0.75);
    // I + I has equal singular values.
    assert_eq!(residual::condition(Array2::eye(5)).unwrap(), 1.0);
    let condition = residual::condition(array![[2.0, 0.0], [0.0, 0.5]]).unwrap();
    assert!((condition - 2.0).abs() < 1e-14);
}

/// Below the diagonal blocks the causal weights are the bidirectional ones, each row times a factor.
#[test]
fn the_blocks_differ_only_by_a_factor_for_each_row() {
    let draw = crate::claim::Draw::independent(22, 3, 4);
    let weights = |mask| draw.weights(1.5, &mask, &Device::Cpu).unwrap();
    let (causal, bidirectional) = (weights(crate::Mask::causal()), weights(crate::Mask::bidirectional()));
    for row in 11..22 {
        let factor = |col: usize| causal[(row, col)] / bidirectional[(row, col)];
        assert!(factor(0) >= 1.0);
        assert!((1..11).all(|col| (factor(col) / factor(0) - 1.0).abs() < 1e-12));
    }
}

#[test]
fn bad_settings_are_named() {
    let mut settings = settings(&[]);
    let out_of_range =
        [("n", "3"), ("head_sizes", "0"), ("scales", "-1"), ("powers_n", "257"), ("powers_head_size", "0")];
    for (name, value) in out_of_range {
        let message = settings.set(name, value).unwrap_err().to_string();
        assert!(message.starts_with(name) && message.contains("from"), "{message}");
    }
}

#[test]
fn an_interrupt_ends_the_experiment() {
    let run = Run::default();
    let flag = run.cancel_flag();
    let run = run.with_progress(move |_| flag.cancel());
    assert_eq!(claim::run(&RankIsInformation, &settings(&[]), &run).unwrap_err().to_string(), "cancelled");
}
