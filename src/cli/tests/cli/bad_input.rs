//! Every kind of wrong input: exit code 1, one line that names the thing and what would be right, nothing
//! on stdout, nothing half-written.

use std::fs;

use ndarray::{Array1, Array3, arr2};
use serde_json::json;

use crate::support::{Home, TEXT, edit_config, edit_tensors, text_of, tiny, write_npy};

/// Checks that both commands refuse `input`, saying all of `parts`, and that `trace` writes nothing.
fn refused(home: &Home, input: &[&str], parts: &[&str]) {
    let rank = [&["rank"], input].concat();
    let trace = [&["trace", "--out", "trace.safetensors"], input].concat();
    for args in [rank, trace] {
        let said = home.error(&args);
        for part in parts {
            assert!(said.contains(part), "{args:?}: {said:?} lacks {part:?}");
        }
    }
    assert!(!home.path("trace.safetensors").exists());
}

#[test]
fn texts() {
    let home = Home::new();
    let glass = |text| vec!["--model", "glass-en", "--text", text];
    refused(&home, &glass(""), &["text is empty", "at least one word"]);
    refused(&home, &glass(" \n\t"), &["text is blank"]);
    let long = "the moon ".repeat(200);
    refused(&home, &glass(&long), &["number of tokens", "at most 128"]);
    let llama = tiny("llama");
    refused(&home, &["--model", text_of(&llama), "--text", TEXT], &["tokenizer.json", "ids"]);
}

#[test]
fn ids() {
    let home = Home::new();
    let (llama, bert) = (tiny("llama"), tiny("bert"));
    let (llama, bert) = (text_of(&llama), text_of(&bert));
    let list = |list| ["--model", llama, "--ids", list];
    refused(&home, &list("1,2,100000"), &["token id at position 2 is 100000", "less than"]);
    refused(&home, &list("1,two"), &["item 2", "\"two\"", "whole number"]);
    refused(&home, &list("1,-2"), &["item 2", "\"-2\""]);
    refused(&home, &list("99999999999"), &["item 1", "99999999999"]);
    refused(&home, &list(""), &["--ids is empty"]);
    let types = |list| ["--model", bert, "--ids", "1,2,3", "--token-type-ids", list];
    refused(&home, &types("0,1"), &["number of token type ids is 2", "3, one for each id"]);
    refused(&home, &types("0,0,7"), &["token type id is 7", "less than 3"]);
    refused(&home, &["--model", llama, "--ids", "1,2", "--token-type-ids", "0,0"], &["bert family", "llama"]);
    refused(&home, &["--model", llama, "--ids", "1,2", "--target-ids", "3"], &["encoder-decoder", "llama"]);
}

#[test]
fn masks() {
    let home = Home::new();
    let llama = tiny("llama");
    let with = |mask| ["--model", text_of(&llama), "--ids", "1,2,3,4,5", "--mask", mask];
    refused(&home, &with("prefix:9"), &["prefix is 9", "at most the sequence length, 5"]);
    refused(&home, &with("blocks(2,4)"), &["block lengths is 6", "5"]);
    refused(&home, &with("cuasal"), &["\"cuasal\"", "character 1", "causal"]);
    refused(&home, &with("window:0"), &["window", "at least 1"]);
    refused(&home, &with("causal &"), &["causal &", "the end"]);
    let compare = |masks| ["rank", "--model", text_of(&llama), "--ids", "1,2,3", "--compare", masks];
    assert!(home.error(&compare("causal,prefix:7")).contains("prefix is 7"));
    assert!(home.error(&compare("causal,")).contains("mask \"\""));
}

#[test]
fn folders_and_files() {
    let home = Home::new();
    let refuse = |name: &str, parts: &[&str]| refused(&home, &["--model", name, "--ids", "1,2,3"], parts);
    refuse("nonesuch", &["\"nonesuch\"", "glass-en", "minilm-l6"]);
    refuse("minilm-l6", &["not installed", "rankscope models pull minilm-l6"]);
    fs::create_dir(home.path("empty")).unwrap();
    refuse("empty", &["empty: no config.json there"]);
    let unknown = home.copy_of("llama", "unknown");
    edit_config(&unknown, "model_type", json!("rwkv"));
    refuse("unknown", &["config.json", "model_type", "rwkv", "llama"]);
    let unfit = home.copy_of("llama", "unfit");
    edit_config(&unfit, "hidden_size", json!("wide"));
    refuse("unfit", &["config.json", "hidden_size", "wide"]);
    let garbled = home.copy_of("llama", "garbled");
    fs::write(garbled.join("config.json"), "{").unwrap();
    refuse("garbled", &["config.json", "not a JSON object"]);
}

#[test]
fn checkpoints() {
    let home = Home::new();
    let refuse = |name: &str, parts: &[&str]| refused(&home, &["--model", name, "--ids", "1,2,3"], parts);
    let whole = fs::read(tiny("llama").join("model.safetensors")).unwrap();
    let headers: [(&str, Vec<u8>, &str); 5] = [
        ("truncated", whole[..whole.len() / 2].to_vec(), "cut short: it has"),
        ("pointer", b"version https://git-lfs.github.com/spec/v1\nsize 9\n".to_vec(), "a Git-LFS pointer"),
        ("short", whole[..5].to_vec(), "not a safetensors file"),
        ("endless", [&[0xff; 8], &whole[8..]].concat(), "not a safetensors file"),
        ("words", [&whole[..8], &b"x".repeat(whole.len() - 8)].concat(), "not a safetensors file"),
    ];
    for (name, bytes, expected) in headers {
        let folder = home.copy_of("llama", name);
        fs::write(folder.join("model.safetensors"), bytes).unwrap();
        refuse(name, &["model.safetensors", expected]);
    }
    let lacking = home.copy_of("llama", "lacking");
    edit_tensors(&lacking, |name, _| name != "model.norm.weight");
    refuse("lacking", &["model.norm.weight is missing"]);
    let spoilt = home.copy_of("llama", "spoilt");
    edit_tensors(&spoilt, |name, data| {
        if name == "model.layers.1.mlp.up_proj.weight" {
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        true
    });
    refuse("spoilt", &["model.layers.1.mlp.up_proj.weight", "NaN"]);
}

#[test]
fn places_in_the_model() {
    let home = Home::new();
    let llama = tiny("llama");
    let input = ["rank", "--model", text_of(&llama), "--ids", "1,2,3"];
    for (option, value) in [("--layer", "17"), ("--head", "40")] {
        let said = home.error(&[&input[..], &[option, value]].concat());
        assert!(said.contains(option) && said.contains(value) && said.contains("less than"), "{said}");
    }
}

#[test]
fn matrices() {
    let home = Home::new();
    let file = |name: &str| home.path(name);
    write_npy(file("nan.npy"), &arr2(&[[1.0, f64::NAN], [0.0, 1.0]]));
    write_npy(file("line.npy"), &Array1::<f64>::zeros(3));
    write_npy(file("cube.npy"), &Array3::<f64>::zeros((2, 0, 4)));
    write_npy(file("empty.npy"), &ndarray::Array2::<f64>::zeros((0, 3)));
    let dates = b"\x93NUMPY\x01\x00\x3e\x00{'descr': '<M8[D]', 'fortran_order': False, 'shape': (1, 1), }";
    fs::write(file("dates.npy"), dates).unwrap();
    write_npy(file("cut.npy"), &arr2(&[[1.0f64, 2.0], [3.0, 4.0]]));
    let bytes = fs::read(file("cut.npy")).unwrap();
    fs::write(file("cut.npy"), &bytes[..bytes.len() - 9]).unwrap();
    fs::write(file("text.npy"), "not numpy at all").unwrap();
    let cases = [
        ("nan.npy", "NaN"),
        ("line.npy", "1 dimensions, expected a matrix"),
        ("cube.npy", "[2, 0, 4], expected at least one row"),
        ("empty.npy", "[0, 3], expected at least one row"),
        ("dates.npy", "dates or spans of time ('<M8[D]'), expected numbers"),
        ("cut.npy", "cut off"),
        ("text.npy", "not a .npy file"),
        ("absent.npy", "absent.npy: no such file or folder"),
    ];
    for (name, part) in cases {
        let said = home.error(&["rank", "--matrix", name]);
        assert!(said.contains(name) && said.contains(part), "{name}: {said}");
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    let home = Home::new();
    let llama = tiny("llama");
    let input = ["--model", text_of(&llama), "--ids", "1,2,3"];
    let said = home.error(&[&["trace"], &input[..], &["--out", "absent/trace.safetensors"]].concat());
    assert!(said.contains("absent/trace.safetensors"), "{said}");
    let said = home.error(&[&["rank"], &input[..], &["--svg", "absent/wall.svg"]].concat());
    assert!(said.contains("absent/wall.svg"), "{said}");
    let said = home.error(&[&["rank"], &input[..], &["--svg", "wall.pdf"]].concat());
    assert_eq!(said, "--svg is wall.pdf, expected a name that ends in .svg");
    let said = home.error(&["count", "gpt2", "--curve", "--figure", "x.pdf"]);
    assert_eq!(said, "--figure is x.pdf, expected a name that ends in .svg");
    assert!(!home.path("wall.pdf").exists() && !home.path("x.pdf").exists());
    fs::write(home.path("models"), "").unwrap();
    let said = home.error(&["models", "add", text_of(&llama)]);
    assert!(said.contains(text_of(&home.path("models"))) && said.contains("RANKSCOPE_MODELS"), "{said}");
}
