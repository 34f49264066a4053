//! Parity with Hugging Face transformers, inside the tolerances that `fixtures/README.md` states.
//!
//! The tests walk the folders, so a new checkpoint is tested by lying there; a family that is not
//! implemented yet is reported by name and counted.

use std::path::{Path, PathBuf};

use ndarray::{Axis as Dimension, Ix3};
use rankscope::model::heads::layer_reports;
use rankscope::model::{self, Description, FAMILIES, Input, MaskChoice, Tokenizer};
use rankscope::prelude::*;
use serde_json::Value;

use crate::support::{Golden, devices, difference, fixtures, glass_en, installed, magnitude, skipped};

/// Folders with a checkpoint and its golden file, here and under `$RANKSCOPE_FIXTURES`.
fn checkpoints() -> Vec<PathBuf> {
    let mut roots = vec![fixtures().join("tiny")];
    if let Some(more) = std::env::var_os("RANKSCOPE_FIXTURES") {
        roots.extend([PathBuf::from(&more), PathBuf::from(more).join("tiny")]);
    }
    let entries = roots.iter().flat_map(|root| std::fs::read_dir(root).into_iter().flatten().flatten());
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
    folders.retain(|path| path.join("config.json").is_file() && path.join("golden.safetensors").is_file());
    folders.sort();
    folders
}

#[test]
fn tiny_checkpoints_agree_with_transformers_on_every_device() {
    let folders = checkpoints();
    let mut strangers = Vec::new();
    let mut checked = 0;
    for folder in &folders {
        let config: Value =
            serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
        if config["is_encoder_decoder"] == true {
            continue; // two stacks: in the tests of encoder-decoders
        }
        let family = config["model_type"].as_str().expect("a model_type");
        if !FAMILIES.iter().any(|known| known.name == family) {
            strangers.push(family.to_owned());
            continue;
        }
        for device in devices() {
            check_checkpoint(folder, &device);
            checked += 1;
        }
    }
    if !strangers.is_empty() {
        skipped(&format!("no such family yet: {}", strangers.join(", ")));
    }
    assert!(checked >= 3, "the fixtures are in the source tree");
}

fn check_checkpoint(folder: &Path, device: &Device) {
    let golden = Golden::open(&folder.join("golden.safetensors"));
    let model = model::load(folder, device).expect("the checkpoint loads");
    let ids = golden.get("input_ids");
    let (batch, length) = (ids.shape()[0], ids.shape()[1]);
    let real = golden.get("attention_mask").iter().map(|&token| token == 1.0).collect();
    let mut input = Input::batch(golden.ids("input_ids"), batch).unwrap();
    input = input.with_padding(Padding::new(real, length).unwrap());
    if golden.has("token_type_ids") {
        input = input.with_token_types(golden.ids("token_type_ids"));
    }
    let mut trace = Trace::all();
    let output = model.forward(&input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
    let where_ = |what: &str| format!("{} on {device}: {what}", folder.display());

    let is_encoder = trace.get("encoder.0.output").is_some();
    let stack = if is_encoder { "encoder" } else { "decoder" };
    let has_final_norm = trace.get("final_norm").is_some();
    for layer in 0..model.description().layers {
        let expected = golden.get(&format!("attentions.{layer}"));
        let got = trace.get(&format!("{stack}.{layer}.self_attention.weights")).unwrap();
        let error = difference(&where_("attention"), got, &expected);
        assert!(error < 1e-4, "{}: layer {layer} differs by {error:e}", where_("attention"));
        let exact_zeros = got.to_vec().unwrap().into_iter().zip(&expected).filter(|&(_, &e)| e == 0.0);
        assert!(exact_zeros.into_iter().all(|(got, _)| got == 0.0), "{}", where_("masked entries"));
    }
    for state in 0..=model.description().layers {
        let name = match state {
            0 => "embeddings".to_owned(),
            last if last == model.description().layers && has_final_norm => "final_norm".to_owned(),
            _ => format!("{stack}.{}.output", state - 1),
        };
        let expected = golden.get(&format!("hidden_states.{state}"));
        let error = difference(&where_(&name), trace.get(&name).unwrap(), &expected);
        assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{} differs by {error:e}", where_(&name));
    }
    for layer in 0..model.description().layers {
        let name = format!("router_logits.{layer}");
        if golden.has(&name) {
            let expected = golden.get(&name);
            let got = trace.get(&format!("decoder.{layer}.router.scores")).unwrap();
            let error = difference(&where_(&name), got, &expected);
            assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{} differ by {error:e}", where_(&name));
        }
    }
    let (logits, expected) = (output.logits.expect("a head"), golden.get("logits"));
    let error = difference(&where_("logits"), &logits, &expected);
    assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{} differ by {error:e}", where_("logits"));
}

#[test]
fn glass_en_agrees_with_transformers_on_every_device() {
    for device in devices() {
        check_real("glass-en", &glass_en(), &device);
    }
}

/// The 91 MB of MiniLM are pulled, not shipped: the test runs where they are installed, which
/// `cargo xtask test` sees to.
#[test]
fn minilm_agrees_with_transformers_on_every_device() {
    check_where_installed("minilm-l6");
}

/// 270 MB, which the README says how to get.
#[test]
fn smollm2_agrees_with_transformers_on_every_device() {
    check_where_installed("smollm2-135m");
}

fn check_where_installed(name: &str) {
    let Some(folder) = installed(name) else { return };
    for device in devices() {
        check_real(name, &folder, &device);
    }
}

fn check_real(name: &str, folder: &Path, device: &Device) {
    let about = std::fs::read(fixtures().join(format!("real/{name}.json"))).unwrap();
    let about: Value = serde_json::from_slice(&about).unwrap();
    let golden = Golden::open(&fixtures().join(format!("real/{name}.golden.safetensors")));
    let model = model::load(folder, device).expect("the model loads");
    let tokenizer = Tokenizer::load(folder).expect("the tokenizer loads");
    for (index, prompt) in about["prompts"].as_array().unwrap().iter().enumerate() {
        let tokens = tokenizer.encode(prompt["text"].as_str().unwrap()).unwrap();
        assert_eq!(Value::from(tokens.ids.clone()), prompt["ids"], "{name}: token ids");
        let input = Input::new(tokens.ids).with_token_types(tokens.token_types);
        let mut trace = Trace::of(["attention.weights"]);
        let output = model.forward(&input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
        let layers = trace.into_vec();
        check_heads(&about["heads"], index, &golden, &layers);
        check_ranks(name, index, &golden, &layers, model.description(), input.len());
        match output.logits {
            Some(logits) => check_logits(index, &golden, &logits, &prompt["argmax_ids"]),
            None => {
                let expected = golden.get(&format!("p{index}.last_hidden_state"));
                let error = difference("last_hidden_state", &output.hidden, &expected);
                assert!(error < 1e-4, "{name} on {device}: last_hidden_state differs by {error:e}");
            }
        }
    }
}

fn check_heads(heads: &Value, prompt: usize, golden: &Golden, layers: &[(String, Tensor)]) {
    for pair in heads.as_array().unwrap() {
        let (layer, head) = (pair[0].as_u64().unwrap() as usize, pair[1].as_u64().unwrap() as usize);
        let expected = golden.get(&format!("p{prompt}.attention.L{layer}.H{head}"));
        let got = layers[layer].1.select(Axis::Batch, 0).and_then(|w| w.select(Axis::Head, head)).unwrap();
        let error = difference("attention", &got, &expected);
        assert!(error < 1e-4, "layer {layer} head {head} differs by {error:e}");
    }
}

/// Ranks from our own forward pass: counts at most one off, shapes of the spectrum 5·10⁻⁴ relative.
fn check_ranks(
    name: &str,
    prompt: usize,
    golden: &Golden,
    layers: &[(String, Tensor)],
    model: &Description,
    length: usize,
) {
    let expected = golden.get(&format!("p{prompt}.ranks")).into_dimensionality::<Ix3>().unwrap();
    let mask = MaskChoice::AsTrained.resolve(model);
    let reports = layer_reports(layers, &mask, &Run::default()).unwrap();
    assert_eq!(reports.len(), expected.len_of(Dimension(0)) * expected.len_of(Dimension(1)));
    for report in &reports {
        let row = expected.slice(ndarray::s![report.layer, report.head, ..]);
        let what = format!("{name} prompt {prompt} layer {} head {}", report.layer, report.head);
        let close = |got: f64, expected: f64, tolerance: f64| (got - expected).abs() <= tolerance * expected;
        let got = &report.report;
        assert!(close(got.effective_rank, row[0], 5e-4), "{what}: effective rank {}", got.effective_rank);
        assert!(close(got.stable_rank, row[1], 5e-4), "{what}: stable rank {}", got.stable_rank);
        assert!(got.numerical_rank_f32.abs_diff(row[2] as usize) <= 1, "{what}: numerical rank f32");
        assert!(got.numerical_rank_f64.abs_diff(row[3] as usize) <= 1, "{what}: numerical rank f64");
        assert!(close(got.sigma_max.unwrap(), row[4], 1e-4), "{what}: sigma_1");
        let sigma_min = (got.sigma_min.unwrap() - row[5]).abs();
        assert!(sigma_min <= length as f64 * 1e-4, "{what}: sigma_min is off by {sigma_min:e}");
    }
}

fn check_logits(prompt: usize, golden: &Golden, logits: &Tensor, argmax_ids: &Value) {
    let logits = logits.select(Axis::Batch, 0).unwrap(); // [T, V]
    let length = logits.shape().size(Axis::Query).unwrap();
    let last = logits.select(Axis::Query, length - 1).unwrap();
    let error = difference("logits_last", &last, &golden.get(&format!("p{prompt}.logits_last")));
    assert!(error < 2e-4, "logits_last differ by {error:e}");
    let argmax = |row: usize| {
        let values = logits.select(Axis::Query, row).unwrap().to_vec().unwrap();
        (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap()
    };
    let got: Vec<usize> = (0..length).map(argmax).collect();
    assert_eq!(Value::from(got), *argmax_ids);
}
