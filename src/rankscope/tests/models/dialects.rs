//! Configurations as people write them: windows in some layers, rotary scalings in either spelling, bare bodies, fields
//! left out.
//!
//! `fixtures/field/*/golden.safetensors` has what `transformers` 5.24 computes for each configuration: the last five
//! rows of all attention weights, and of the logits.

use std::fs;
use std::path::Path;

use ndarray::{ArrayD, Axis as Dimension, Slice};
use rankscope::model::heads::head_reports;
use rankscope::model::{self, Input, MaskChoice, Model};
use rankscope::prelude::*;
use rankscope::probe::Unobserved;
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Golden, devices, difference, fixtures, magnitude};

/// The rows that the golden files keep.
const ROWS: usize = 5;

/// The folder `from` with another configuration: its own, and `fields` on top.
fn with(from: &Path, fields: Value) -> TempDir {
    let mut config: Value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    written(from, &config.to_string())
}

fn written(from: &Path, config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    fs::copy(from.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    folder
}

/// One sequence of `length` ids for a vocabulary of at least 67.
fn some_ids(length: usize) -> Input {
    Input::new((0..length as u32).map(|i| (i * 37 + 11) % 67).collect())
}

fn field(name: &str) -> std::path::PathBuf {
    fixtures().join("field").join(name)
}

/// Runs the golden file's ids, and compares with its values of `case`.
fn expect(name: &str, case: &str, fields: &Value) {
    let folder = with(&field(name), fields.clone());
    let golden = Golden::open(&field(name).join("golden.safetensors"));
    for device in devices() {
        let model = model::load(folder.path(), &device).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let mut trace = Trace::of(["self_attention.weights"]);
        let input = Input::new(golden.ids("ids"));
        let output = model.forward(&input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
        let what = format!("{name}, {case} of {fields} on {device}");
        let layers: Vec<_> = trace.into_vec();
        let expected = golden.get(&format!("{case}.attentions")); // [L, H, 5, S]
        assert_eq!(layers.len(), expected.shape()[0], "{what}");
        for (layer, (_, weights)) in layers.iter().enumerate() {
            let error =
                difference(&what, &last_rows(weights), &expected.index_axis(Dimension(0), layer).to_owned());
            assert!(error < 1e-5, "{what}: layer {layer} differs by {error:e}");
        }
        let expected = golden.get(&format!("{case}.logits")); // [5, V]
        let error = difference(&what, &last_rows(&output.logits.unwrap()), &expected);
        assert!(error < 5e-5 * magnitude(&expected), "{what}: logits differ by {error:e}");
    }
}

/// The last five queries of `[1, …, T, N]`.
fn last_rows(tensor: &Tensor) -> Tensor {
    let sizes = tensor.shape().sizes();
    let all = ArrayD::from_shape_vec(sizes.clone(), tensor.to_vec().unwrap()).unwrap();
    let rows = Dimension(sizes.len() - 2);
    let last = all.slice_axis(rows, Slice::from(-(ROWS as isize)..)).to_owned();
    let values: Vec<f32> = last.iter().copied().collect();
    Tensor::new([(Axis::Row, values.len())], values).unwrap()
}

#[test]
fn windows_in_some_layers_are_those_of_transformers() {
    let upper = json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1});
    let mut listed = upper.clone();
    listed["layer_types"] = json!(["full_attention", "sliding_attention", "sliding_attention"]);
    listed["max_window_layers"] = 28.into(); // the list goes before it
    for fields in [upper, listed] {
        expect("windows", "upper", &fields);
    }
    for fields in [
        json!({}),
        json!({"use_sliding_window": false, "sliding_window": 4, "max_window_layers": 0}),
        json!({"use_sliding_window": true, "sliding_window": null, "max_window_layers": 1}),
        json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 3}),
        json!({"use_sliding_window": true, "sliding_window": 4}),
        json!({"use_sliding_window": true, "sliding_window": 4, "layer_types": vec!["full_attention"; 3]}),
    ] {
        expect("windows", "full", &fields);
    }
}

#[test]
fn each_layer_has_its_own_mask_in_reports_notes_and_caches() {
    let fields = json!({"use_sliding_window": true, "sliding_window": 3, "max_window_layers": 1});
    let folder = with(&field("windows"), fields);
    let model = model::load(folder.path(), &Device::Cpu).unwrap();
    let (description, run, input) = (model.description(), Run::default(), some_ids(9));
    assert_eq!(MaskChoice::AsTrained.in_words(description), "causal in layer 0, window(3) in layers 1 and 2");
    let window = Mask::window(3).unwrap();
    let masks = [Mask::causal(), window.clone(), window.clone()];
    assert_eq!(MaskChoice::AsTrained.of_layers(description), masks);
    for head in head_reports(&*model, &input, &MaskChoice::AsTrained, &run).unwrap() {
        let expected = masks[head.layer].exact_rank(9).reason;
        assert_eq!(
            (head.report.exact_rank, head.report.exact_rank_reason),
            (Some(9), expected),
            "{}",
            head.name
        );
    }
    assert_eq!(MaskChoice::AsTrained.note(description), None);
    for mask in [Mask::causal(), window] {
        let note = MaskChoice::Override(mask.clone()).note(description).unwrap();
        let trained = "causal in layer 0, window(3) in layers 1 and 2";
        assert_eq!(note, format!("mask {mask}: the weights were trained under another mask ({trained})"));
    }
    let error = description.expect_one_mask("toy").unwrap_err().to_string();
    assert!(
        error.starts_with("model is toy, trained under causal in layer 0, window(3) in layers 1 and 2"),
        "{error}"
    );
    cached_pass_is_the_whole_pass(&*model, &input, 5);
    let mut cache = model.cache(1).unwrap();
    let mut pass = |input: &Input, mask: &MaskChoice| {
        model
            .hidden_after(&mut cache, input, mask, &mut Unobserved, &run)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    pass(&input, &MaskChoice::AsTrained).unwrap();
    let error = pass(&some_ids(1), &MaskChoice::Override(Mask::causal())).unwrap_err();
    assert_eq!(
        error,
        "mask of a cached pass is causal, expected one that agrees with window(3) over the 9 cached positions"
    );
}

/// Reads `first` tokens, then the others one by one behind a cache.
fn cached_pass_is_the_whole_pass(model: &dyn Model, input: &Input, first: usize) {
    let (run, mask) = (Run::default(), MaskChoice::AsTrained);
    let whole = model.hidden(input, &mask, &mut Unobserved, &run).unwrap().to_vec().unwrap();
    let width = model.description().width;
    let mut cache = model.cache(1).unwrap();
    let mut read = Vec::new();
    let (head, rest) = input.ids().split_at(first);
    for ids in std::iter::once(head).chain(rest.chunks(1)) {
        let input = Input::new(ids.to_vec());
        let hidden = model.hidden_after(&mut cache, &input, &mask, &mut Unobserved, &run).unwrap();
        read.extend(hidden.to_vec().unwrap());
    }
    let error = whole.iter().zip(&read).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    assert!(read.len() == input.len() * width && error < 1e-4, "{error:e}");
}

#[test]
fn rotary_scalings_are_those_of_transformers_in_either_spelling() {
    let llama3 = json!({"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                        "original_max_position_embeddings": 16});
    let yarn = json!({"factor": 4.0, "original_max_position_embeddings": 8});
    let mut stated = yarn.clone();
    stated.as_object_mut().unwrap().extend(
        json!({"attention_factor": 1.3, "beta_fast": 32, "beta_slow": 1}).as_object().unwrap().clone(),
    );
    for (case, kind, base, set) in [
        ("linear", "linear", 500.0, json!({"factor": 2.5})),
        ("dynamic", "dynamic", 500.0, json!({"factor": 4.0})),
        ("llama3", "llama3", 10_000.0, llama3),
        ("yarn", "yarn", 500.0, yarn),
        ("yarn_mscale", "yarn", 500.0, stated),
    ] {
        let (mut old, mut new) = (set.clone(), set);
        old["type"] = kind.into();
        new["rope_type"] = kind.into();
        new["rope_theta"] = base.into();
        expect("rotary", case, &json!({"rope_theta": base, "rope_scaling": old}));
        expect("rotary", case, &json!({"rope_parameters": new}));
    }
}

#[test]
fn a_dynamic_base_serves_texts_beyond_the_context_in_one_pass() {
    let fields = json!({"max_position_embeddings": 6, "rope_theta": 500.0,
                        "rope_scaling": {"type": "dynamic", "factor": 2.5}});
    let folder = with(&field("rotary"), fields);
    let model = model::load(folder.path(), &Device::Cpu).unwrap();
    assert_eq!(model.description().context, 15);
    cached_pass_is_the_whole_pass(&*model, &some_ids(6), 2);
    let (run, mask) = (Run::default(), MaskChoice::AsTrained);
    assert!(model.hidden(&some_ids(15), &mask, &mut Unobserved, &run).is_ok());
    let mut cache = model.cache(1).unwrap();
    model.hidden_after(&mut cache, &some_ids(6), &mask, &mut Unobserved, &run).unwrap();
    let error =
        model.hidden_after(&mut cache, &some_ids(1), &mask, &mut Unobserved, &run).unwrap_err().to_string();
    assert!(
        error.starts_with("number of tokens with the cached ones is 7, expected at most as many"),
        "{error}"
    );
    assert_eq!(cache.len(), 6, "what was read stays");
}

/// The tensors of `from` under other names; `None` leaves one out.
fn renamed(from: &Path, fields: Value, name: impl Fn(&str) -> Option<String>) -> TempDir {
    let folder = with(from, fields);
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views = tensors.tensors().into_iter().filter_map(|(known, view)| Some((name(&known)?, view)));
    fs::write(&path, serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
    folder
}

#[test]
fn a_bare_body_has_the_hidden_states_of_the_whole_model_and_no_logits() {
    let tiny = fixtures().join("tiny/llama");
    let whole = model::load(&tiny, &Device::Cpu).unwrap();
    let (input, run) = (some_ids(8), Run::default());
    let hidden =
        |model: &dyn Model| model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &run).unwrap();
    let expected = hidden(&*whole);
    let bare = |name: &str| name.strip_prefix("model.").map(str::to_owned);
    let same = |name: &str| (name != "lm_head.weight").then(|| name.to_owned());
    for (class, is_bare) in [("LlamaModel", true), ("LlamaModel", false), ("LlamaForCausalLM", true)] {
        let fields = json!({"architectures": [class]});
        let folder = if is_bare { renamed(&tiny, fields, bare) } else { renamed(&tiny, fields, same) };
        let got = hidden(&*model::load(folder.path(), &Device::Cpu).unwrap());
        assert_eq!(got.hidden.to_vec().unwrap(), expected.hidden.to_vec().unwrap(), "{class}");
        assert!(got.logits.is_none(), "{class}");
    }
    let error = model::load(renamed(&tiny, json!({}), same).path(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("tensor lm_head.weight is missing"), "{error}");
    // Tied, and the names bare: the output layer is the embedding.
    let tied = renamed(&fixtures().join("tiny/llama-mha"), json!({}), bare);
    assert!(hidden(&*model::load(tied.path(), &Device::Cpu).unwrap()).logits.is_some());
}

#[test]
fn numbers_that_json_has_no_word_for_do_not_keep_a_model_from_loading() {
    let tiny = fixtures().join("tiny/llama");
    let config = fs::read_to_string(tiny.join("config.json")).unwrap();
    for word in ["Infinity", "-Infinity", "NaN", "1e999", "{\"__float__\": \"Infinity\"}"] {
        let text = config.replacen('{', &format!("{{\"router_limit\": [0.0, {word}], "), 1);
        let folder = written(&tiny, &text);
        assert!(model::load(folder.path(), &Device::Cpu).is_ok(), "{word}");
        let config = model::Config::open(folder.path()).unwrap();
        assert_eq!(config.to_json()["router_limit"][0], json!(0.0), "{word}");
    }
    let (at, end) = (config.find("\"rms_norm_eps\":").unwrap() + 15, config.find("1e-05").unwrap() + 5);
    let text = format!("{} Infinity{}", &config[..at], &config[end..]);
    let error = model::load(written(&tiny, &text).path(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.ends_with("rms_norm_eps is Infinity, expected a number"), "{error}");
}

/// What `transformers` fills in where a field is absent or null.
#[test]
fn absent_fields_are_what_they_are_in_transformers() {
    let outline = |family: &str, fields: Value| {
        let mut config = json!({
            "model_type": family, "vocab_size": 61, "hidden_size": 32, "intermediate_size": 40,
            "num_hidden_layers": 2, "num_attention_heads": 16,
        });
        config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        model::outline(&model::Config::from_value(family, config).unwrap()).unwrap().description
    };
    let of = |family: &str, fields: Value| {
        let description = outline(family, fields);
        let mask = MaskChoice::AsTrained.in_words(&description);
        (description.kv_heads, description.head_size, description.context, mask)
    };
    let null = || json!({"num_key_value_heads": null, "head_dim": null, "sliding_window": null});
    assert_eq!(of("llama", json!({})), (16, 2, 2048, "causal".to_owned()));
    assert_eq!(of("llama", null()), (16, 2, 2048, "causal".to_owned()));
    assert_eq!(of("mistral", json!({})), (8, 2, 131_072, "window(4096)".to_owned()));
    assert_eq!(of("mistral", null()), (16, 2, 131_072, "causal".to_owned()));
    assert_eq!(of("mixtral", json!({})), (8, 2, 131_072, "causal".to_owned()));
    assert_eq!(of("mixtral", json!({"sliding_window": 7})).3, "window(7)");
    assert_eq!(of("qwen2", json!({"num_attention_heads": 32, "hidden_size": 64})).0, 32);
    assert_eq!(of("qwen2", null()), (16, 2, 32_768, "causal".to_owned()));
    let switched = json!({"num_key_value_heads": 4, "use_sliding_window": true, "max_window_layers": 0});
    assert_eq!(of("qwen2", switched).3, "window(4096)");
    assert_eq!(outline("mixtral", json!({"num_experts": 3})).parameters, {
        let expert = 3 * 32 * 40;
        let layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * expert + 3 * 32 + 2 * 32;
        2 * 61 * 32 + 2 * layer + 32
    });
}
