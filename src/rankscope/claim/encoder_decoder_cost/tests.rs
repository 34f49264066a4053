//! Counts against the formulas, the verdict both ways, bad settings.

use super::*;
use crate::claim::{Effort, Trial, run};
use crate::device::Device;

fn trial(set: &[(&str, &str)]) -> Result<Trial> {
    let mut settings = Settings::new(&EncoderDecoderCost, Effort::Quick, Device::Cpu)?;
    let small = [
        ("width", "12"),
        ("heads", "2"),
        ("head_size", "6"),
        ("feed_forward", "48"),
        ("vocab", "20"),
        ("tokens", "30"),
        ("prompts", "4,15,27"),
        ("repeats", "2"),
    ];
    for (name, value) in small.iter().chain(set) {
        settings.set(name, value)?;
    }
    run(&EncoderDecoderCost, &settings, &Run::default())
}

fn word(verdict: &Verdict) -> &'static str {
    verdict.rows()[0].unwrap().0
}

#[test]
fn it_costs_the_same_at_twice_the_parameters() {
    let Trial { evidence, verdict, .. } = trial(&[]).unwrap();
    assert_eq!(word(&verdict), "proved");
    assert_eq!(evidence.disagreements().count(), 0, "{:?}", evidence.disagreements().collect::<Vec<_>>());
    // 9 layers of 16 C² against 4 of 16 and 4 of 20 C², norms aside.
    assert!((evidence.value("parameter_ratio_equal").unwrap() - 1.0).abs() < 0.01);
    assert!((evidence.value("parameter_ratio").unwrap() - 2.25).abs() < 0.01);
    let ratio = evidence.value("flops_ratio_twice_the_layers_prompt15").unwrap();
    assert!((1.0..1.125).contains(&ratio), "{ratio}");
    assert_eq!(evidence.value("cache_ratio").unwrap(), 1.0);
}

#[test]
fn it_costs_half_at_equal_parameters() {
    let evidence = trial(&[]).unwrap().evidence;
    let ratio = evidence.value("flops_ratio_equal_parameters_prompt15").unwrap();
    assert!((0.42..0.51).contains(&ratio), "{ratio}");
}

#[test]
fn cross_attention_that_weighs_much_is_found() {
    // With F = 1 a decoder layer is almost all attention: 8 against 4 parts.
    let trial = trial(&[("feed_forward", "1"), ("vocab", "2"), ("tokens", "4"), ("prompts", "2")]).unwrap();
    assert_eq!(word(&trial.verdict), "refuted", "{:?}", trial.verdict);
}

#[test]
fn bad_settings_are_named() {
    let said = |name, value| trial(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(said("prompts", "30"), "prompts is 30, expected less than tokens = 30");
    assert_eq!(said("head_size", "5"), "head_size is 5, expected an even number for rotary positions");
    assert!(said("layers", "0").starts_with("layers"));
}
