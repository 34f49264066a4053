//! Formula and built model, part by part: every preset, every fixture, every family.

use std::collections::BTreeMap;

use super::fixtures;
use crate::model::count::ModelSizes;
use crate::model::{self, Config, preset};

/// The part that a tensor belongs to, from its name in the families.
fn part_of(tensor: &str, sizes: &ModelSizes) -> String {
    let name = tensor.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let stack = match (&sizes.encoder, &sizes.decoder) {
        (Some(_), None) => "encoder",
        (Some(_), Some(_)) if name.contains("encoder.") && !name.contains("decoder.") => "encoder",
        _ => "decoder",
    };
    let in_stack = |part: &str| format!("{stack}.{part}");
    match () {
        () if has(&["norm", "ln_"]) => "norms".to_owned(),
        () if has(&["relative_attention_bias"]) => in_stack("position_bias"),
        () if has(&["wpe", "positions_embed", "position_embeddings"]) => "positions".to_owned(),
        () if has(&["token_type_embeddings"]) => "segments".to_owned(),
        () if has(&["wte", "embed", "shared.weight"]) => "embeddings".to_owned(),
        () if has(&["pooler"]) => "pooler".to_owned(),
        () if has(&["lm_head"]) => "output".to_owned(),
        () if has(&["encdecattention", "cross_attn"]) => in_stack("cross_attention"),
        () if has(&["attn", "attention"]) => in_stack("self_attention"),
        () if has(&[".gate.weight", "router"]) => in_stack("router"),
        () => in_stack("feed_forward"),
    }
}

/// Formula and built model must agree, part by part.
fn expect_agreement(config: &Config) {
    let sizes = ModelSizes::of(config).unwrap();
    let mut built = BTreeMap::new();
    for (name, shape) in model::outline(config).unwrap().tensors {
        *built.entry(part_of(&name, &sizes)).or_insert(0) += shape.len() as u128;
    }
    let counted: BTreeMap<_, _> =
        sizes.parts().into_iter().map(|part| (part.name, part.parameters)).collect();
    assert_eq!(counted, built, "{}", config.path().display());
}

#[test]
fn every_preset_has_the_parameters_of_the_model_that_is_built_of_it() {
    let configs: Vec<_> = preset::presets().filter_map(|preset| preset.config().ok()).collect();
    configs.iter().for_each(expect_agreement);
    assert_eq!(configs.len(), preset::presets().count() - 3, "all but those of glm, palm and gpt-4");
}

#[test]
fn a_gpt_1_is_as_wide_inside_as_it_is_built() {
    let mut config = Config::open(&fixtures().join("tiny/gpt1")).unwrap().to_json();
    config["n_inner"] = 7.into();
    expect_agreement(&Config::from_value("gpt1", config).unwrap());
}

#[test]
fn tiny_configurations_and_biased_ones_have_the_parameters_of_what_is_built_of_them() {
    let folders: Vec<_> =
        std::fs::read_dir(fixtures().join("tiny")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for folder in &folders {
        let config = Config::open(folder).unwrap().to_json();
        let edits: [&[&str]; 2] = [&[], &["attention_bias", "mlp_bias"]];
        for edit in edits {
            let mut config = config.clone();
            // The class of a new BERT decides whether it has a head; the bare model has none.
            config["architectures"] = serde_json::Value::Null;
            for field in edit {
                config[field] = true.into();
            }
            expect_agreement(&Config::from_value(&folder.display().to_string(), config).unwrap());
        }
    }
    assert_eq!(folders.len(), 12);
}

#[test]
fn a_t5_of_any_network_is_counted_as_it_is_built() {
    let config = Config::open(&fixtures().join("tiny/t5")).unwrap().to_json();
    for network in ["relu", "gelu", "gated-gelu", "gated-silu", "gated-relu"] {
        let mut config = config.clone();
        config["feed_forward_proj"] = network.into();
        config["num_decoder_layers"] = serde_json::Value::Null;
        expect_agreement(&Config::from_value(network, config).unwrap());
    }
}
