//! The claim at small, fixed settings, and the numbers it must find.

use ndarray::{Array2, array};

use super::*;
use crate::claim::{self, Effort, Trial};
use crate::device::Device;

fn small() -> Settings {
    let mut settings = Settings::new(&RankIsInformation, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in [("n", "90"), ("head_sizes", "4,16"), ("scales", "0.1,1")] {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(settings: &Settings) -> Trial {
    claim::run(&RankIsInformation, settings, &Run::default()).unwrap()
}

#[test]
fn fails_where_the_halves_exchange_the_same_under_both_masks() {
    let Trial { evidence, verdict, .. } = trial(&small());
    assert_eq!(verdict.ruling, Ruling::Fails, "{}", verdict.because);
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    assert_eq!(evidence.illustrations().len(), 2);
    for illustration in evidence.illustrations() {
        illustration.figure.to_svg(Default::default()).unwrap();
    }
    // Outputs of nearly uniform attention differ more under the causal mask: that is for the claim.
    assert!(evidence.findings().iter().any(|finding| finding.supports && finding.text.contains("A·V")));
    assert!(evidence.findings().iter().any(|finding| !finding.supports && finding.text.contains("block")));
}

#[test]
fn the_reference_at_its_own_size_is_met() {
    let mut settings = small();
    for (name, value) in [("n", "256"), ("head_sizes", "16"), ("scales", "1"), ("seeds", "2")] {
        settings.set(name, value).unwrap();
    }
    let evidence = trial(&settings).evidence;
    assert_eq!(evidence.disagreements().count(), 0, "{:?}", evidence.disagreements().collect::<Vec<_>>());
    // Three of the identity, two block ranks, two condition numbers, two of the powers.
    assert_eq!(evidence.expected().len(), 9);
}

#[test]
fn the_rule_reads_the_evidence() {
    let ruling = |identity: f64, kept: f64, comparisons: &[([f64; 2], [f64; 2])]| {
        let mut evidence = Evidence::new();
        evidence.measure("identity_flow", identity, "");
        evidence.measure("power_rank_f64", kept, "");
        evidence.measure("power_positions", 32.0, "");
        for (index, (rank, block)) in comparisons.iter().enumerate() {
            evidence.measure_sample(format!("rank_gain_{index}"), Sample::new(*rank), "");
            evidence.measure_sample(format!("block_gain_{index}"), Sample::new(*block), "");
        }
        RankIsInformation.verdict(&evidence).unwrap().ruling
    };
    let (up, down, unclear) = ([1.0, 1.1], [-1.1, -1.0], [-1.0, 1.0]);
    assert_eq!(ruling(0.5, 32.0, &[(up, up), (down, down)]), Ruling::Holds);
    assert_eq!(ruling(0.0, 32.0, &[(up, up), (down, down)]), Ruling::HoldsWithCondition);
    assert_eq!(ruling(0.5, 1.0, &[(up, up), (up, unclear)]), Ruling::HoldsWithCondition);
    assert_eq!(ruling(0.5, 32.0, &[(up, up), (up, down)]), Ruling::Fails);
    assert_eq!(ruling(0.0, 1.0, &[(up, unclear), (down, unclear)]), Ruling::Fails);
}

#[test]
fn flow_distance_and_condition_by_hand() {
    let weights = array![[1.0, 0.0], [0.25, 0.75]];
    assert_eq!(blocks::flow(weights.view()), 0.125);
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
    let mut settings = small();
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
    assert_eq!(claim::run(&RankIsInformation, &small(), &run).unwrap_err().to_string(), "cancelled");
}
