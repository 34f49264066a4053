//! The message of one line for each kind of file and folder.

use std::fs;
use std::path::Path;

use crate::device::Device;
use crate::model::store::Store;
use crate::model::{Tokenizer, load};

fn tiny() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny/llama")
}

/// The error of loading a folder with these files.
fn said(files: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let said = load(folder.path(), &Device::Cpu).map(drop).unwrap_err().to_string();
    assert!(!said.contains('\n'), "{said}");
    let store = Store::open().unwrap().find(&folder.path().display().to_string());
    if let Err(error) = store {
        assert_eq!(error.to_string(), said, "the store says the same");
    }
    said
}

/// The error of loading a folder that has these bytes in place of the weights.
fn weights(bytes: &[u8]) -> String {
    let config = fs::read(tiny().join("config.json")).unwrap();
    said(&[("config.json", &config), ("model.safetensors", bytes)])
}

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 548105171\n";

#[test]
fn weights_that_are_something_else_are_called_by_their_name() {
    let tar = [&[b'a'; 257][..], b"ustar"].concat();
    let pickle = "a pickle of PyTorch, which can run code when it is opened, so it is not";
    let gated = "a text, not weights: \"{\\\"error\\\": \\\"gated\\\"}\"; download it again";
    let cases: [(&[u8], &str); 20] = [
        (
            POINTER,
            "a Git-LFS pointer: a note that stands for 548105171 bytes, not the file itself; run `git lfs pull`",
        ),
        (b"", "an empty file: its download never began"),
        (&[0; 100], "begins with zeros only"),
        (b" \n<!DOCTYPE html><html>Login", "a web page (of a login, or of an error)"),
        (b"<?xml version=\"1.0\"?><Error>", "a web page"),
        (b"GGUF\x03\0\0\0", "a GGUF file, quantised for llama.cpp"),
        (b"PK\x03\x04\0archive/data.pkl", pickle),
        (b"\x80\x02\x8a\nl\xfc\x9cF", "a pickle of PyTorch"),
        (b"PK\x03\x04rest", "a zip file, as torch.save writes: then a pickle of PyTorch, which can run code"),
        (b"PK\x03\x04\0w.npy", "a zip file of numpy arrays (.npz)"),
        (b"\x1f\x8b\x08rest", "a file packed with gzip; unpack it first"),
        (b"\x28\xb5\x2f\xfdrest", "a packed file"),
        (&tar, "a tar file; unpack it first"),
        (b"\x89HDF\r\n\x1a\nrest", "weights of TensorFlow or Keras in HDF5"),
        (b"\x08\x07\x12\x07pytorch", "a model in ONNX's format"),
        (b"\x1c\0\0\0TFL3", "a model of TensorFlow Lite"),
        (b"\x81\xa6params\x80", "weights of Flax in MessagePack"),
        (b"\x93NUMPY\x01\0", "one array of numpy"),
        (b"{\"error\": \"gated\"}", gated),
        (b"\x05\xf1\xf2\xf3\xf4", "not a safetensors file: "),
    ];
    for (bytes, expected) in cases {
        let said = weights(bytes);
        assert!(said.contains(&format!("model.safetensors: {expected}")), "{said:?} should say {expected:?}");
    }
}

#[test]
fn half_a_download_is_told_by_its_lengths() {
    let whole = fs::read(tiny().join("model.safetensors")).unwrap();
    let half = weights(&whole[..whole.len() / 2]);
    let expected = format!("cut short: it has {} bytes of {}, as where", whole.len() / 2, whole.len());
    assert!(half.contains(&expected) && half.ends_with("download it again"), "{half}");
    let header = weights(&whole[..50]);
    assert!(header.contains("cut short: it has 50 bytes of "), "{header}");
    assert!(header.contains("of its header alone"), "{header}");
    let long = weights(&[&whole[..], b"more"].concat());
    assert!(long.contains("4 bytes longer than its header says"), "{long}");
}

#[test]
fn a_configuration_or_an_index_that_is_something_else_is_called_by_its_name() {
    let whole = fs::read(tiny().join("model.safetensors")).unwrap();
    let config = fs::read(tiny().join("config.json")).unwrap();
    for (bytes, expected) in [
        (POINTER, "config.json: a Git-LFS pointer"),
        (b"<html>", "config.json: a web page"),
        (b"", "config.json: an empty file"),
        (b"\xff\xfe{\0", "config.json: a text in UTF-16"),
        (b"\xef\xbb\xbf{}", "config.json: begins with a byte order mark"),
        (b"{\"a\": }", "config.json: not a JSON object: expected value at line 1 column 7"),
    ] {
        let said = said(&[("config.json", bytes), ("model.safetensors", &whole)]);
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    }
    let said = said(&[("config.json", &config), ("model.safetensors.index.json", POINTER)]);
    assert!(said.contains("model.safetensors.index.json: a Git-LFS pointer"), "{said}");
}

#[test]
fn a_folder_without_weights_says_what_it_holds_instead() {
    let config = fs::read(tiny().join("config.json")).unwrap();
    let adapter = br#"{"peft_type": "LORA", "base_model_name_or_path": "org/base"}"#;
    let cases: [(&[&str], &str); 14] = [
        (&[], "the folder holds no weights; download the weights too"),
        (&["pytorch_model.bin"], "pytorch_model.bin is a pickle of PyTorch, which can run code"),
        (&["pytorch_model-00001-of-00002.bin"], "t.LlamaForCausalLM.from_pretrained("),
        (&["pytorch_model.bin.index.json"], "pytorch_model.bin.index.json is a pickle"),
        (&["model-q4.gguf"], "model-q4.gguf is quantised for llama.cpp"),
        (&["tf_model.h5"], "tf_model.h5 holds weights of TensorFlow"),
        (&["flax_model.msgpack"], "flax_model.msgpack holds weights of Flax"),
        (&["model.onnx"], "model.onnx is made for another runtime"),
        (&["model.safetensors.part"], "model.safetensors.part is an unfinished download"),
        (&["model-00001-of-00002.safetensors"], "is a shard, and model.safetensors.index.json is missing"),
        (
            &["weights.safetensors"],
            "weights.safetensors is there: if it is the model, call it model.safetensors",
        ),
        (&["weights.tar.gz"], "weights.tar.gz is packed; unpack it first"),
        (
            &["0_Transformer/config.json", "0_Transformer/model.safetensors"],
            "the model is in the folder 0_Transf",
        ),
        (
            &["adapter_config.json", "adapter_model.safetensors"],
            "it is an adapter (LORA) for org/base, not a model",
        ),
    ];
    for (names, expected) in cases {
        let others = names.iter().map(|&name| (name, &adapter[..]));
        let files: Vec<_> = std::iter::once(("config.json", &config[..])).chain(others.clone()).collect();
        let said_of = said(&files);
        assert!(said_of.contains(": no model.safetensors there; "), "{said_of}");
        assert!(said_of.contains(expected), "{said_of:?} should say {expected:?}");
        if names.iter().any(|name| name.starts_with("adapter") || name.starts_with("0_")) {
            let said = said(&others.collect::<Vec<_>>());
            assert!(said.contains("no config.json there") && said.contains(expected), "{said}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_and_a_folder_in_place_of_the_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tiny().join("config.json"), folder.path().join("config.json")).unwrap();
    let weights = folder.path().join("model.safetensors");
    let said = || load(folder.path(), &Device::Cpu).map(drop).unwrap_err().to_string();
    std::os::unix::fs::symlink("../../blobs/gone", &weights).unwrap();
    assert!(said().ends_with("model.safetensors is a link to a file that is gone; download the model again"));
    fs::remove_file(&weights).unwrap();
    fs::create_dir(&weights).unwrap();
    assert!(said().ends_with("model.safetensors is a folder, expected a file"), "{}", said());
}

#[test]
fn a_tokenizer_that_is_something_else_is_called_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.model", "vocab.txt", "tokenizer.json"] {
        fs::write(folder.path().join(name), POINTER).unwrap();
        let said = Tokenizer::load(folder.path()).map(drop).unwrap_err().to_string();
        assert!(said.contains(&format!("{name}: a Git-LFS pointer: a note that stands for")), "{said}");
    }
}

#[test]
fn tensors_of_an_adapter_of_quantised_weights_and_of_a_wrapper_are_called_by_their_names() {
    let whole = fs::read(tiny().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&whole).unwrap();
    let cases: [(&str, &str); 3] = [
        (
            "base_model.model.layers.0.lora_A.weight",
            "; these are matrices of an adapter (LoRA): merge it with",
        ),
        ("model.layers.0.self_attn.q_proj.qweight", "; the weights are quantised, which is not read here"),
        ("module.model.norm.weight", "; the names begin with that of a wrapper: save the model inside it"),
    ];
    for (name, expected) in cases {
        let norm = tensors.tensor("model.norm.weight").unwrap();
        let said = weights(&safetensors::serialize([(name, &norm)], None).unwrap());
        assert!(said.contains("tensor model.embed_tokens.weight is missing, expected"), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
