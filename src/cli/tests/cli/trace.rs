//! `rankscope trace`: the file read back, against the library.

use std::fs;

use rankscope::model::{self, Input, MaskChoice};
use rankscope::probe::Trace;
use rankscope::{Device, Run};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;

use crate::support::{Home, TEXT, edit_tensors, text_of, tiny, with_a_window};

/// The file and its metadata.
fn read(home: &Home, name: &str) -> (Vec<u8>, Value) {
    let bytes = fs::read(home.path(name)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = serde_json::to_value(header.metadata().as_ref().unwrap()).unwrap();
    (bytes, metadata)
}

fn json_in(metadata: &Value, key: &str) -> Value {
    serde_json::from_str(metadata[key].as_str().unwrap()).unwrap()
}

#[test]
fn the_file_holds_what_the_library_traces() {
    let home = Home::new();
    let ids: Vec<u32> = (0..7).map(|i| (i * 29 + 3) % 97).collect();
    let list = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    for family in ["llama", "bert"] {
        let folder = tiny(family);
        let input = ["trace", "--model", text_of(&folder), "--ids", &list, "--mask", "prefix:2"];
        let output = home.run(&[&input[..], &["--out", "t.safetensors"]].concat());
        assert!(output.status.success() && output.stdout.is_empty());
        let mut trace = Trace::all();
        let mask: MaskChoice = "prefix:2".parse().unwrap();
        let model = model::load(&folder, &Device::Cpu).unwrap();
        model.forward(&Input::new(ids.clone()), &mask, &mut trace, &Run::default()).unwrap();
        let (bytes, metadata) = read(&home, "t.safetensors");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), trace.iter().len());
        let axes = json_in(&metadata, "axes");
        for (name, tensor) in trace.iter() {
            let view = file.tensor(name).unwrap();
            let sizes = tensor.shape().sizes();
            let expected = if tensor.shape().letters().starts_with("[B") { &sizes[1..] } else { &sizes[..] };
            assert_eq!((view.dtype(), view.shape()), (Dtype::F32, expected), "{name}");
            assert_eq!(numbers(&file, name), tensor.to_vec().unwrap(), "{name}");
            assert_eq!(axes[name].as_array().unwrap().len(), expected.len(), "{name}");
        }
        let weights =
            trace.iter().map(|(name, _)| name).find(|name| name.ends_with("attention.weights")).unwrap();
        let heads = model.description().heads;
        assert_eq!(file.tensor(weights).unwrap().shape(), [heads, 7, 7]);
        assert_eq!(axes[weights], serde_json::json!(["H", "T", "S"]));
        assert_eq!(file.tensor("logits").unwrap().shape(), [7, model.description().vocab]);
    }
}

#[test]
fn the_metadata_say_what_was_run() {
    let home = Home::new();
    home.stdout(&["trace", "--model", "glass-en", "--text", TEXT, "--out", "t.safetensors"]);
    let (_, metadata) = read(&home, "t.safetensors");
    for (key, value) in [("model", "glass-en"), ("mask", "causal"), ("device", "cpu"), ("dtype", "f32")] {
        assert_eq!(metadata[key], value);
    }
    assert_eq!(metadata["version"], env!("CARGO_PKG_VERSION"));
    let (ids, pieces) = (json_in(&metadata, "ids"), json_in(&metadata, "pieces"));
    assert_eq!(ids.as_array().unwrap().len(), pieces.as_array().unwrap().len());
    let pieces: Vec<_> = pieces.as_array().unwrap().iter().map(|piece| piece.as_str().unwrap()).collect();
    assert_eq!(pieces.concat().trim(), TEXT);
    assert!(metadata.get("originals").is_none(), "every token is known");
}

#[test]
fn an_unknown_token_stands_by_its_name_and_the_text_beside_it() {
    let home = Home::new();
    let folder = home.copy_of("bert", "words");
    std::fs::write(folder.join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nsa\n##ng\nng\n")
        .unwrap();
    let text = ["--text", "The ng sang 🦊"];
    home.stdout(&[&["trace", "--model", text_of(&folder), "--out", "t.safetensors"], &text[..]].concat());
    let (_, metadata) = read(&home, "t.safetensors");
    let pieces = serde_json::json!(["[CLS]", "the", "ng", "sa", "##ng", "[UNK]", "[SEP]"]);
    assert_eq!(json_in(&metadata, "pieces"), pieces);
    assert_eq!(json_in(&metadata, "ids"), serde_json::json!([2, 5, 8, 6, 7, 1, 3]));
    let originals = serde_json::json!([null, null, null, null, null, "🦊", null]);
    assert_eq!(json_in(&metadata, "originals"), originals);
}

#[test]
fn a_model_without_a_head_ends_in_its_hidden_state() {
    let home = Home::new();
    let folder = home.copy_of("bert", "headless");
    edit_tensors(&folder, |name, _| !name.starts_with("cls."));
    let ids = ["--ids", "4,8,15,16,23", "--token-type-ids", "0,0,1,1,2"];
    home.stdout(&[&["trace", "--model", text_of(&folder), "--out", "t.safetensors"], &ids[..]].concat());
    let (bytes, metadata) = read(&home, "t.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("last_hidden_state").unwrap().shape(), [5, 30]);
    assert!(file.tensor("logits").is_err());
    assert_eq!(metadata["token_type_ids"], "[0,0,1,1,2]");
}

#[test]
fn what_was_there_before_stays_when_a_trace_fails() {
    let home = Home::new();
    fs::write(home.path("t.safetensors"), "before").unwrap();
    home.error(&["trace", "--model", "glass-en", "--ids", "99999", "--out", "t.safetensors"]);
    assert_eq!(fs::read_to_string(home.path("t.safetensors")).unwrap(), "before");
    home.stdout(&["trace", "--model", "glass-en", "--ids", "99", "--out", "t.safetensors"]);
    let left: Vec<_> =
        fs::read_dir(home.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["t.safetensors"]);
}

#[test]
fn the_metadata_say_the_mask_of_every_layer() {
    let home = Home::new();
    let (windowed, t5) = (with_a_window(&home), tiny("t5"));
    let masks = |folder: &std::path::Path, more: &[&str]| {
        let args = ["trace", "--model", text_of(folder), "--ids", "5,9,13,2,8", "--out", "t.safetensors"];
        assert!(home.run(&[&args[..], more].concat()).status.success());
        let (_, metadata) = read(&home, "t.safetensors");
        let stated = ["mask", "trained_mask"].map(|key| metadata[key].as_str().unwrap().to_owned());
        (stated, json_in(&metadata, "masks"))
    };
    let trained = "causal in layer 0, window(3) in layer 1";
    let name = |layer: usize| format!("decoder.{layer}.self_attention.weights");
    let by_layer = |first: &str, second: &str| serde_json::json!({name(0): first, name(1): second});
    let (stated, layers) = masks(&windowed, &[]);
    assert_eq!((stated, layers), ([trained; 2].map(str::to_owned), by_layer("causal", "window(3)")));
    let (stated, layers) = masks(&windowed, &["--mask", "causal"]);
    assert_eq!((stated, layers), (["causal", trained].map(str::to_owned), by_layer("causal", "causal")));
    let (_, of_t5) = masks(&t5, &["--target-ids", "1,7", "--mask", "encoder:causal"]);
    for (name, mask) in [
        ("encoder.0.self_attention.weights", "causal"),
        ("decoder.0.self_attention.weights", "causal"),
        ("decoder.0.cross_attention.weights", "bidirectional"),
    ] {
        assert_eq!(of_t5[name], mask, "{name}");
    }
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name}"));
    view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The batches of the fixtures, with what PyTorch computed of them.
#[test]
fn the_gradients_of_a_batch_are_those_of_pytorch() {
    let home = Home::new();
    for family in ["gpt2", "t5"] {
        let folder = tiny(family);
        let golden = folder.join("golden.safetensors");
        let input = ["trace", "--model", text_of(&folder), "--batch", text_of(&golden)];
        home.stdout(&[&input[..], &["--gradients", "--out", "g.safetensors"]].concat());
        let ((bytes, metadata), expected) = (read(&home, "g.safetensors"), fs::read(&golden).unwrap());
        let (file, expected) =
            (SafeTensors::deserialize(&bytes).unwrap(), SafeTensors::deserialize(&expected).unwrap());
        assert!((numbers(&file, "loss")[0] - numbers(&expected, "loss")[0]).abs() < 2e-5);
        assert_eq!(metadata["family"], family);
        let names: Vec<_> =
            expected.names().into_iter().filter_map(|name| name.strip_prefix("grad.")).collect();
        assert_eq!(file.len(), names.len() + 1, "{family}");
        for name in names {
            let got = file.tensor(&format!("gradient.{name}")).unwrap();
            assert_eq!(got.shape(), expected.tensor(&format!("grad.{name}")).unwrap().shape(), "{name}");
        }
        // The gradients of intermediates, where they are selected.
        let only = "loss, **.self_attention.weights.gradient";
        home.stdout(&[&input[..], &["--gradients", "--only", only, "--out", "w.safetensors"]].concat());
        let (bytes, _) = read(&home, "w.safetensors");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let weights: Vec<_> = file.names().into_iter().filter(|name| *name != "loss").collect();
        assert!(weights.len() >= 2 && weights.iter().all(|name| name.ends_with(".weights.gradient")));
        assert!(weights.iter().all(|name| numbers(&file, name).iter().any(|&x| x != 0.0)));
    }
}

#[test]
fn what_is_no_batch_or_selects_nothing_is_named() {
    let home = Home::new();
    let folder = tiny("gpt2");
    let input = ["trace", "--model", text_of(&folder), "--out", "g.safetensors"];
    let said = |more: &[&str]| home.error(&[&input[..], more].concat());
    let missing = said(&["--batch", "no-such.safetensors", "--gradients"]);
    assert!(missing.contains("no-such.safetensors"), "{missing}");
    let weights = folder.join("model.safetensors");
    let message = said(&["--batch", text_of(&weights), "--gradients"]);
    assert!(message.contains("input_ids is missing"), "{message}");
    let golden = folder.join("golden.safetensors");
    let message = said(&["--batch", text_of(&golden), "--gradients", "--only", "decoder..weights"]);
    assert!(message.contains("names with dots between their parts"), "{message}");
    let message = said(&["--batch", text_of(&golden), "--gradients", "--only", "encoder.**"]);
    assert!(message.contains("--only selects nothing"), "{message}");
    assert!(!home.path("g.safetensors").exists());
}
