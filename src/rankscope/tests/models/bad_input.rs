//! Bad input gets one line that names what was wrong and what would be right.

use std::path::Path;

use rankscope::model::{self, Input, MaskChoice};
use rankscope::prelude::*;
use tempfile::TempDir;

use crate::support::{fixtures, some_ids, tiny};

/// A copy of the tiny LLaMA folder that a test may spoil.
fn spoiled(spoil: impl FnOnce(&Path)) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = fixtures().join("tiny/llama").join(file);
        std::fs::copy(from, folder.path().join(file)).unwrap();
    }
    spoil(folder.path());
    let message = message(&model::load(folder.path(), &Device::Cpu).map(|_| ()));
    assert!(!message.contains('\n'), "one line: {message}");
    (folder, message)
}

fn message<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error.to_string(),
    }
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_folder_without_config_says_what_a_model_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = message(&model::load(folder.path(), &Device::Cpu).map(|_| ()));
    assert!(text.contains("no config.json there; expected a model folder"), "{text}");
}

#[test]
fn configuration_errors_name_the_field() {
    type Edit = fn(&mut serde_json::Value);
    let cases: [(Edit, &str); 10] = [
        (
            |c| c["model_type"] = "mamba".into(),
            "model_type is \"mamba\", expected one of openai-gpt, gpt2, bert",
        ),
        (|c| c["hidden_size"] = 0.into(), "hidden_size is 0, expected a whole number from 1 to"),
        (|c| c["hidden_size"] = "big".into(), "hidden_size is \"big\", expected a whole number"),
        (
            |c| c["num_key_value_heads"] = 4.into(),
            "num_key_value_heads is 4, expected a divisor of num_attention_heads = 6",
        ),
        (|c| c["hidden_act"] = "prelu".into(), "hidden_act is \"prelu\", expected one of \"gelu\", "),
        (|c| c["rope_parameters"]["rope_type"] = "su".into(), "rope_parameters is of type \"su\""),
        (
            |c| c["architectures"] = vec!["MistralForCausalLM"].into(),
            "architectures is \"MistralForCausalLM\", expected a class of Llama…, since model_type is \"llama\"",
        ),
        (
            |c| c["architectures"] = "LlamaModel".into(),
            "architectures is \"LlamaModel\", expected a list of texts",
        ),
        (|c| c["rms_norm_eps"] = serde_json::Value::Null, "rms_norm_eps is missing, expected a number"),
        (
            |c| c["intermediate_size"] = 45.into(),
            "tensor model.layers.0.mlp.gate_proj.weight has shape [44, 30], expected [F=45, C=30]",
        ),
    ];
    for (edit, expected) in cases {
        let (_folder, text) = spoiled(|folder| edit_config(folder, edit));
        assert!(text.contains(expected), "{text:?} should contain {expected:?}");
    }
}

#[test]
fn errors_do_not_repeat_all_that_a_file_holds() {
    // Both were found by fuzzing: a text where an object is expected, and an endless name of a shard.
    let long = "o".repeat(100_000);
    let (_folder, text) =
        spoiled(|folder| std::fs::write(folder.join("config.json"), format!("{long:?}")).unwrap());
    assert!(text.contains("not a JSON object") && text.len() < 2000, "{} bytes: {text}", text.len());
    let index = serde_json::json!({ "weight_map": { "w": format!("{long}}}.\u{7f}") } }).to_string();
    let (_folder, text) = spoiled(|folder| {
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    });
    assert!(text.contains("tensor w is mapped to") && text.len() < 2000, "{} bytes: {text}", text.len());
    assert!(text.ends_with("expected the name of a .safetensors file beside the index"), "{text}");
}

#[test]
fn a_missing_tensor_is_named() {
    let (_folder, text) = spoiled(|folder| edit_config(folder, |c| c["num_hidden_layers"] = 4.into()));
    assert!(text.contains("tensor model.layers.3.input_layernorm.weight is missing"), "{text}");
}

#[test]
fn hostile_checkpoint_headers_are_refused() {
    let whole = std::fs::read(fixtures().join("tiny/llama/model.safetensors")).unwrap();
    let huge_header = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    let overflow = br#"{"a":{"dtype":"F32","shape":[18446744073709551615,8],"data_offsets":[0,4]}}"#;
    let overflow = [&(overflow.len() as u64).to_le_bytes()[..], overflow, &[0; 4]].concat();
    let cases: [&[u8]; 6] =
        [b"", b"short", &whole[..whole.len() / 2], &huge_header, &overflow, b"\x04\0\0\0\0\0\0\0{}{}"];
    for bytes in cases {
        let (_folder, text) =
            spoiled(|folder| std::fs::write(folder.join("model.safetensors"), bytes).unwrap());
        assert!(text.contains("model.safetensors"), "{text}");
    }
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let spoil = |folder: &Path| {
        let path = folder.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let header_length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_length]).unwrap();
        let start = header["model.layers.1.mlp.up_proj.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
        let at = 8 + header_length + start;
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(path, bytes).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixtures().join("tiny/llama").join(file), folder.path().join(file)).unwrap();
    }
    spoil(folder.path());
    let model = model::load(folder.path(), &Device::Cpu).unwrap();
    let result = model.hidden(&some_ids(3), &MaskChoice::AsTrained, &mut Unobserved, &Run::default());
    let text = message(&result);
    assert!(text.contains("tensor model.layers.1.mlp.up_proj.weight holds NaN or infinity"), "{text}");
}

#[test]
fn input_errors_name_the_input() {
    let model = tiny("bert");
    let run = |input: Input, mask: MaskChoice| {
        message(&model.hidden(&input, &mask, &mut Unobserved, &Run::default()))
    };
    let as_trained = || MaskChoice::AsTrained;
    let under = MaskChoice::Override;
    let cases = [
        (run(Input::new(vec![]), as_trained()), "number of tokens is 0, expected at least one token"),
        (
            run(Input::new(vec![3; 38]), as_trained()),
            "number of tokens is 38, expected at most 37, the model's context",
        ),
        (
            run(Input::new(vec![3, 101]), as_trained()),
            "token id at position 1 is 101, expected less than 101",
        ),
        (
            run(some_ids(4).with_token_types(vec![0, 1]), as_trained()),
            "number of token type ids is 2, expected 4",
        ),
        (
            run(some_ids(2).with_token_types(vec![0, 3]), as_trained()),
            "token type id is 3, expected less than 3",
        ),
        (run(some_ids(4), under(Mask::prefix(5))), "prefix is 5, expected at most the sequence length, 4"),
        (
            run(some_ids(4), under(Mask::custom(Mask::causal().pattern(3)))),
            "custom mask size is 3 x 3, expected 4 x 4",
        ),
        (
            run(some_ids(4), under(Mask::blocks(&[2, 3]).unwrap())),
            "sum of the block lengths is 5, expected the sequence length, 4",
        ),
    ];
    for (text, expected) in cases {
        assert!(text.starts_with(expected), "{text:?} should start with {expected:?}");
    }
}

#[test]
fn a_text_without_tokens_and_a_folder_without_tokenizer_are_errors() {
    let tokenizer = model::Tokenizer::load(&crate::support::glass_en()).unwrap();
    assert_eq!(message(&tokenizer.encode("")), "text is empty, expected at least one word");
    assert_eq!(message(&tokenizer.encode(" \n")), "text is blank, expected at least one word");
    let text = message(&model::Tokenizer::load(&fixtures().join("tiny/bert")).map(|_| ()));
    assert!(text.contains(": no tokenizer.json (nor vocab.txt, "), "{text}");
    assert!(text.ends_with("or give token ids instead of a text"), "{text}");
}
