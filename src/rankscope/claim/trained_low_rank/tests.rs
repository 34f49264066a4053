//! The verdict on the shipped model, the baselines, bad settings.

use ndarray::array;

use super::*;
use crate::claim::{Effort, Trial, run};
use crate::device::Device;

fn trial(set: &[(&str, &str)]) -> Result<Trial> {
    let mut settings = Settings::new(&TrainedLowRank, Effort::Quick, Device::Cpu)?;
    for (name, value) in [("models", "glass-en"), ("n", "32")].iter().chain(set) {
        settings.set(name, value)?;
    }
    run(&TrainedLowRank, &settings, &Run::default())
}

#[test]
fn a_column_holds_what_the_queries_behind_the_first_give_it() {
    let weights = array![[1.0, 0.0, 0.0], [0.8, 0.2, 0.0], [0.4, 0.5, 0.1]];
    assert!((heads::first_token(weights.view()) - 0.6).abs() < 1e-15);
}

#[test]
fn bad_settings_are_named() {
    let said = |name, value| trial(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(said("n", "129"), "n is 129, expected at most 128, the context of glass-en");
    assert!(said("models", "glass-en,no-such").contains("no model or folder \"no-such\""));
    assert!(said("texts", "/no/such/file").contains("no such file"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    assert_eq!(said("texts", &path), "texts is 0 lines, expected 1 to 1000, a text each");
    std::fs::write(&path, "too short\n").unwrap();
    let error = said("texts", &path);
    assert!(
        error.starts_with("tokens of text 1 in glass-en is") && error.ends_with("at least n = 32"),
        "{error}"
    );
}

#[test]
fn the_shipped_model_is_measured_head_by_head() {
    let Trial { evidence, verdict, .. } = trial(&[]).unwrap();
    let value = |name: &str| evidence.value(name).unwrap();
    // Uniform attention: of rank 1 bidirectional; causal between the known 8.6 at n = 16 and 21.1 at n = 64.
    assert!((value("effective_rank_uniform_glass_en_bidirectional") - 1.0).abs() < 1e-6);
    assert!((8.6..21.1).contains(&value("effective_rank_uniform_glass_en_causal")));
    let lowest = value("smallest_effective_rank_glass_en_causal");
    assert!((1.0..value("effective_rank_glass_en_causal")).contains(&lowest));
    // In f64 all 32 would count.
    assert!((30.0..31.5).contains(&value("numerical_rank_f32_glass_en_causal")));
    assert!(value("effective_rank_glass_en_causal") != value("effective_rank_glass_en_bidirectional"));
    let because = verdict.exact_arithmetic.unwrap().because;
    assert!(because.contains("Each of the 16 heads of glass-en has rank 32 of 32"), "{because}");
}

fn words(set: &[(&str, &str)]) -> [&'static str; 3] {
    trial(set).unwrap().verdict.rows().map(|row| row.unwrap().0)
}

#[test]
fn the_threshold_decides_which_heads_count() {
    assert_eq!(words(&[]), ["refuted", "fails everywhere measured", "seen in some"]);
    assert_eq!(words(&[("threshold", "0")]), ["refuted", "fails everywhere measured", "seen in none"]);
    // Between the numerical ranks of two heads.
    let rank = |name: &str| trial(&[]).unwrap().evidence.value(&format!("{name}_glass_en_causal")).unwrap();
    let (least, mean) = (rank("smallest_numerical_rank_f32"), rank("numerical_rank_f32"));
    assert!(least < mean, "{least} {mean}");
    let between = ((least + mean) / 2.0 / 32.0).to_string();
    assert_eq!(words(&[("threshold", &between)])[1], "holds in one region");
    // With 32 tokens f32 keeps every direction of some heads, with 128 of none.
    assert_eq!(words(&[("threshold", "1")]), ["refuted", "holds in one region", "seen in all"]);
    let long = words(&[("threshold", "1"), ("n", "128")]);
    assert_eq!(long, ["refuted", "holds everywhere measured", "seen in all"]);
}

#[test]
fn without_a_model_nothing_is_decided() {
    assert_eq!(words(&[("models", "")]), ["open", "not resolved", "no model at hand"]);
}
