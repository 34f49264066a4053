//! The verdict on the shipped model, what theory says, bad settings.

use super::*;
use crate::claim::{Effort, Trial, run};
use crate::device::Device;
use crate::model::reuse::ROUNDING;

fn settings(set: &[(&str, &str)]) -> Result<Settings> {
    let mut settings = Settings::new(&CacheReuse, Effort::Quick, Device::Cpu)?;
    for (name, value) in [("contexts", "5,12,20"), ("repeats", "1")].iter().chain(set) {
        settings.set(name, value)?;
    }
    Ok(settings)
}

fn trial(set: &[(&str, &str)]) -> Result<Trial> {
    run(&CacheReuse, &settings(set)?, &Run::default())
}

#[test]
fn a_causal_model_keeps_what_is_stored() {
    let Trial { evidence, verdict, .. } = trial(&[]).unwrap();
    assert_eq!(verdict.rows().map(|row| row.map(|row| row.0)), [Some("proved"), None, Some("seen in all")]);
    let disagreements: Vec<_> = evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
    let value = |name: &str| evidence.value(name).unwrap();
    assert!(value("change_causal") <= ROUNDING);
    // Two tokens of prefix more or less are not the whole of turn 2.
    assert!(value("turn_1_tokens") > value("prompt_tokens") && value("prompt_tokens") > 1.0);
    assert_eq!(value("changed_by_edit_at_start_causal"), 1.0);
    assert!(value("changed_by_edit_at_turn_2_causal") < 0.5);
    assert_eq!(value("changed_by_edit_at_turn_2_bidirectional"), 1.0);
}

#[test]
fn a_model_that_reads_ahead_would_be_found() {
    let run = Run::default();
    let mut measured = CacheReuse.measure(&settings(&[]).unwrap(), &run).unwrap();
    let [.., grown, both] = reuse::readings(measured.dialogue.prompt, measured.dialogue.first);
    for reading in [grown, both] {
        measured.way = turns::measure(&measured.dialogue, reading, &run).unwrap();
        let rows = CacheReuse.judge(&measured).rows().map(|row| row.map(|row| row.0));
        assert_eq!(rows, [Some("refuted"), None, Some("seen in none")]);
    }
}

#[test]
fn a_step_with_the_cache_does_not_read_the_text_again() {
    let evidence = trial(&[]).unwrap().evidence;
    let value = |name: &str| evidence.value(name).unwrap();
    // glass-en: 4 layers of 2·128·(128 + 64) + 3·128·341 numbers; 1024 logits of width 128.
    let layers = 4.0 * (2.0 * 128.0 * 192.0 + 3.0 * 128.0 * 341.0);
    let logits = 2.0 * 1024.0 * 128.0;
    assert_eq!(value("flops_with_cache_t20"), 2.0 * layers + 4.0 * 4.0 * 128.0 * 20.0 + logits);
    assert_eq!(value("flops_without_cache_t20"), 20.0 * 2.0 * layers + 4.0 * 4.0 * 128.0 * 400.0 + logits);
    assert_eq!(value("cache_bytes_per_token"), 2.0 * 4.0 * 2.0 * 32.0 * 4.0);
    assert!((value("growth_attention_flops_with_cache") - 1.0).abs() < 1e-9);
    assert!((value("growth_attention_flops_without_cache") - 2.0).abs() < 1e-9);
}

#[test]
fn named_models_hold_their_bytes_per_token() {
    let bytes = |layers, kv_heads| {
        crate::model::CacheLayout { layers, batch: 1, kv_heads, head_size: 128 }.bytes_per_token(2)
    };
    assert_eq!([bytes(32, 32), bytes(80, 8), bytes(32, 8)], [524_288, 327_680, 131_072]);
}

#[test]
fn bad_settings_are_named() {
    let said = |name, value| trial(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(said("contexts", "16,129"), "contexts is 129, expected at most 128, the context of glass-en");
    assert_eq!(said("contexts", "16,16"), "contexts is [16], expected two different ones or more");
    assert_eq!(said("answer", " "), "answer is \" \", expected a text of one word or more");
    assert!(said("model", "no-such").contains("no model or folder \"no-such\""));
    let long = "a long story ".repeat(60);
    assert!(said("next", &long).contains("expected at most 128, the context of glass-en"));
}
