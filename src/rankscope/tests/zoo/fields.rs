//! Configurations of real checkpoints: windows in some layers, rotary scalings under both names, bare bodies, missing
//! fields.
//!
//! `fixtures/field/*/golden.safetensors` has the results of `transformers` 5.24 for each configuration: the last five
//! rows of all attention weights, and of the logits.

use ndarray::{ArrayD, Axis as Dimension, Slice};
use rankscope::model::heads::head_reports;

use crate::compare::far;
use crate::edited::Edited;
use crate::golden::{Golden, difference};
use crate::support::*;

/// The rows that the golden files keep.
const ROWS: usize = 5;

/// One sequence of `length` ids for a vocabulary of at least 67.
fn some_ids(length: usize) -> Input {
    Input::new((0..length as u32).map(|i| (i * 37 + 11) % 67).collect())
}

/// Runs the ids of the golden file, and compares with its values for `case`.
fn expect(name: &str, case: &str, fields: &Value) {
    let name = format!("field/{name}");
    let (folder, golden) = (Edited::of(&name).with(fields), Golden::of(&fixtures().join(&name)));
    for device in devices() {
        let model = model::load(folder.path(), &device).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let mut trace = Trace::of(["self_attention.weights"]);
        let output = pass(&*model, &Input::new(golden.ids("ids")), &mut trace);
        let what = format!("{name}, {case} of {fields} on {device}");
        let layers: Vec<_> = trace.into_vec();
        let expected = golden.get(&format!("{case}.attentions")); // [L, H, 5, S]
        assert_eq!(layers.len(), expected.shape()[0], "{what}");
        for (layer, (_, weights)) in layers.iter().enumerate() {
            let expected = expected.index_axis(Dimension(0), layer).to_owned();
            let error = difference(&what, &last_rows(weights), &expected);
            assert!(error < 1e-5, "{what}: layer {layer} differs by {error:e}");
        }
        let expected = golden.get(&format!("{case}.logits")); // [5, V]
        let magnitude = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let error = difference(&what, &last_rows(&output.logits.unwrap()), &expected);
        assert!(error < 5e-5 * magnitude, "{what}: logits differ by {error:e}");
    }
}

/// The last five queries of `[1, …, T, N]`.
fn last_rows(tensor: &Tensor) -> Tensor {
    let sizes = tensor.shape().sizes();
    let all = ArrayD::from_shape_vec(sizes.clone(), tensor.to_vec().unwrap()).unwrap();
    let last = all.slice_axis(Dimension(sizes.len() - 2), Slice::from(-(ROWS as isize)..)).to_owned();
    Tensor::new([(Axis::Row, last.len())], last.iter().copied().collect()).unwrap()
}

#[test]
fn windows_in_some_layers_are_those_of_transformers() {
    let upper = json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1});
    let kinds = ["full_attention", "sliding_attention", "sliding_attention"];
    let listed = json!({"layer_types": kinds, "max_window_layers": 28}); // the list overrides the number
    for fields in [&upper, &merged(&upper, &listed)] {
        expect("windows", "upper", fields);
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
    let model = Edited::of("field/windows").with(&fields).model();
    let (description, run, input) = (model.description(), Run::default(), some_ids(9));
    let trained = "causal in layer 0, window(3) in layers 1 and 2";
    assert_eq!(MaskChoice::AsTrained.in_words(description), trained);
    let window = Mask::window(3).unwrap();
    let masks = [Mask::causal(), window.clone(), window.clone()];
    assert_eq!(MaskChoice::AsTrained.of_layers(description), masks);
    for head in head_reports(&*model, &input, &MaskChoice::AsTrained, &run).unwrap() {
        let expected = (Some(9), masks[head.layer].exact_rank(9).reason);
        assert_eq!((head.report.exact_rank, head.report.exact_rank_reason), expected, "{}", head.name);
    }
    assert_eq!(MaskChoice::AsTrained.note(description), None);
    for mask in [Mask::causal(), window] {
        let note = MaskChoice::Override(mask.clone()).note(description).unwrap();
        assert_eq!(note, format!("mask {mask}: the weights were trained under another mask ({trained})"));
    }
    let error = said(description.expect_one_mask("toy"));
    assert!(error.starts_with(&format!("model is toy, trained under {trained}")), "{error}");
    cached_pass_is_the_whole_pass(&*model, &input, 5);
    let (_, mut cache) = in_pieces(&*model, &[input], &MaskChoice::AsTrained);
    let error = said(after(&*model, &mut cache, &some_ids(1), &MaskChoice::Override(Mask::causal())));
    let expected = "expected one that agrees with window(3) over the 9 cached positions";
    assert_eq!(error, format!("mask of a cached pass is causal, {expected}"));
}

/// Reads `first` tokens, then the others one by one with a cache.
fn cached_pass_is_the_whole_pass(model: &dyn Model, input: &Input, first: usize) {
    let (head, rest) = input.ids().split_at(first);
    let pieces = std::iter::once(head).chain(rest.chunks(1)).map(|ids| Input::new(ids.to_vec()));
    let (read, _) = in_pieces(model, &pieces.collect::<Vec<_>>(), &MaskChoice::AsTrained);
    let error = far(&hidden(model, input, &MaskChoice::AsTrained), &read.concat());
    assert!(error < 1e-4, "{error:e}");
}

#[test]
fn rotary_scalings_are_those_of_transformers_in_either_spelling() {
    let llama3 = json!({"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                        "original_max_position_embeddings": 16});
    let yarn = json!({"factor": 4.0, "original_max_position_embeddings": 8});
    let stated = merged(&yarn, &json!({"attention_factor": 1.3, "beta_fast": 32, "beta_slow": 1}));
    for (case, kind, base, set) in [
        ("linear", "linear", 500.0, json!({"factor": 2.5})),
        ("dynamic", "dynamic", 500.0, json!({"factor": 4.0})),
        ("llama3", "llama3", 10_000.0, llama3),
        ("yarn", "yarn", 500.0, yarn),
        ("yarn_mscale", "yarn", 500.0, stated),
    ] {
        let old = merged(&set, &json!({"type": kind}));
        expect("rotary", case, &json!({"rope_theta": base, "rope_scaling": old}));
        let new = merged(&set, &json!({"rope_type": kind, "rope_theta": base}));
        expect("rotary", case, &json!({"rope_parameters": new}));
    }
}

#[test]
fn a_dynamic_base_serves_texts_beyond_the_context_in_one_pass() {
    let fields = json!({"max_position_embeddings": 6, "rope_theta": 500.0,
                        "rope_scaling": {"type": "dynamic", "factor": 2.5}});
    let model = Edited::of("field/rotary").with(&fields).model();
    assert_eq!(model.description().context, 15);
    cached_pass_is_the_whole_pass(&*model, &some_ids(6), 2);
    let (_, mut cache) = in_pieces(&*model, &[some_ids(6)], &MaskChoice::AsTrained);
    assert!(states(&*model, &some_ids(15), &MaskChoice::AsTrained).is_ok());
    let error = said(after(&*model, &mut cache, &some_ids(1), &MaskChoice::AsTrained));
    let expected = "number of tokens with the cached ones is 7, expected at most as many";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(cache.len(), 6, "what was read stays");
}

#[test]
fn a_bare_body_has_the_hidden_states_of_the_whole_model_and_no_logits() {
    let run = |model: &dyn Model| pass(model, &some_ids(8), &mut Unobserved);
    let expected = run(&*Edited::of("tiny/llama").model());
    let bare = |name: &str| name.strip_prefix("model.").map(str::to_owned).into_iter().collect();
    let same = |name: &str| Vec::from_iter((name != "lm_head.weight").then(|| name.to_owned()));
    for (class, is_bare) in [("LlamaModel", true), ("LlamaModel", false), ("LlamaForCausalLM", true)] {
        let folder = Edited::of("tiny/llama").with(&json!({"architectures": [class]}));
        let got = run(&*if is_bare { folder.renamed(bare) } else { folder.renamed(same) }.model());
        assert_eq!(got.hidden.to_vec().unwrap(), expected.hidden.to_vec().unwrap(), "{class}");
        assert!(got.logits.is_none(), "{class}");
    }
    fails(Edited::of("tiny/llama").renamed(same).load(), "tensor lm_head.weight is missing");
    // Tied, with names without prefix: the output layer is the embedding.
    assert!(run(&*Edited::of("tiny/llama-mha").renamed(bare).model()).logits.is_some());
}

#[test]
fn numbers_that_json_has_no_word_for_do_not_keep_a_model_from_loading() {
    let config = std::fs::read_to_string(fixtures().join("tiny/llama/config.json")).unwrap();
    for word in ["Infinity", "-Infinity", "NaN", "1e999", "{\"__float__\": \"Infinity\"}"] {
        let text = config.replacen('{', &format!("{{\"router_limit\": [0.0, {word}], "), 1);
        let folder = Edited::of("tiny/llama").written(&text);
        assert!(folder.load().is_ok(), "{word}");
        let config = Config::open(folder.path()).unwrap();
        assert_eq!(config.to_json()["router_limit"][0], json!(0.0), "{word}");
    }
    let (at, end) = (config.find("\"rms_norm_eps\":").unwrap() + 15, config.find("1e-05").unwrap() + 5);
    let error =
        Edited::of("tiny/llama").written(&format!("{} Infinity{}", &config[..at], &config[end..])).said();
    assert!(error.ends_with("rms_norm_eps is Infinity, expected a number"), "{error}");
}

/// The defaults of `transformers` for fields that are absent or null.
#[test]
fn absent_fields_are_what_they_are_in_transformers() {
    let outline = |family: &str, fields: Value| {
        let config = json!({
            "model_type": family, "vocab_size": 61, "hidden_size": 32, "intermediate_size": 40,
            "num_hidden_layers": 2, "num_attention_heads": 16,
        });
        let config = Config::from_value(family, merged(&config, &fields)).unwrap();
        model::outline(&config).unwrap().description
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
    let layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * (3 * 32 * 40) + 3 * 32 + 2 * 32;
    assert_eq!(outline("mixtral", json!({"num_experts": 3})).parameters, 2 * 61 * 32 + 2 * layer + 32);
}
