//! The verdict at fixed settings, the expected values, and how the rule decides.

use super::*;
use crate::Device;
use crate::claim::{Effort, Trial, run};

fn trial(set: &[(&str, &str)]) -> Result<Trial> {
    let mut settings = Settings::new(&BidirectionalLowRank, Effort::Quick, Device::Cpu)?;
    settings.set("sizes", "16,48")?;
    for (name, value) in set {
        settings.set(name, value)?;
    }
    run(&BidirectionalLowRank, &settings, &Run::default())
}

#[test]
fn at_the_reference_size_every_expectation_is_met_and_the_claim_has_a_condition() {
    let set =
        [("head_sizes", "4,16,64"), ("scales", "0.1,0.5,1,4"), ("sizes", "16,32,64,128"), ("seeds", "4")];
    let trial = trial(&set).unwrap();
    assert_eq!(trial.verdict.ruling, Ruling::HoldsWithCondition, "{}", trial.verdict.because);
    let missed: Vec<_> = trial.evidence.disagreements().collect();
    assert!(missed.is_empty(), "{missed:?}");
    // 24 of the map, 9 of alignment, 12 + 12 over sizes, 2 at a tolerance.
    assert!(trial.evidence.expected().len() >= 55, "{}", trial.evidence.expected().len());
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert_eq!(value("share_full_rank_f64"), 1.0);
    assert_eq!((value("points_bidirectional_lower"), value("points_bidirectional_higher")), (7.0, 5.0));
    let border = value("border_scale_d16");
    assert!((0.6..0.95).contains(&border), "{border}");
    assert!(trial.evidence.value("border_scale_d4").is_err());
    assert_eq!(trial.evidence.illustrations().len(), 3);
}

#[test]
fn the_verdict_follows_the_region() {
    let small = trial(&[("n", "32"), ("head_sizes", "1,2"), ("scales", "0.1,0.5")]).unwrap();
    assert_eq!(small.verdict.ruling, Ruling::Holds);
    let large = trial(&[("n", "32"), ("head_sizes", "32,64"), ("scales", "1,2")]).unwrap();
    assert_eq!(large.verdict.ruling, Ruling::Fails);
    assert!(large.verdict.because.contains("0 of 4 points"), "{}", large.verdict.because);
}

#[test]
fn uniform_attention_is_not_of_full_rank_and_counts_against_the_exact_share() {
    // Scale 0 in the map: J/n everywhere, causal ahead in every draw.
    let trial = trial(&[("n", "20"), ("head_sizes", "3"), ("scales", "0")]).unwrap();
    assert_eq!(trial.verdict.ruling, Ruling::Holds);
    assert!((trial.evidence.value("effective_rank_bidirectional_d3_scale_0").unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(trial.evidence.value("uniform_rank_bidirectional_n48").unwrap(), 1.0);
}

#[test]
fn an_interrupt_and_settings_that_would_take_hours_end_at_once() {
    let message = trial(&[("n", "1024"), ("seeds", "100")]).unwrap_err().to_string();
    assert!(message.starts_with("work of the settings is 2 · seeds"), "{message}");
    assert!(message.ends_with("at most 4.00e12"), "{message}");
    let settings = Settings::new(&BidirectionalLowRank, Effort::Quick, Device::Cpu).unwrap();
    let stopped = Run::default();
    stopped.cancel_flag().cancel();
    assert!(matches!(BidirectionalLowRank.run(&settings, &stopped), Err(Error::Cancelled)));
}
