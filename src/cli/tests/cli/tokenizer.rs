//! `rankscope tokenizer`.

use std::fs;

use crate::support::{Home, text_of};

const STORY: &str = "the cat sat on the mat\nthe cat saw the moon\n";

#[test]
fn pairs_are_learned_and_the_file_is_read_again() {
    let home = Home::new();
    let story = home.path("story.txt");
    fs::write(&story, STORY).unwrap();
    let out = home.copy_of("llama", "model");
    let args = ["tokenizer", "bpe", "--from", text_of(&story), "--vocab", "262", "--special", "<end>"];
    let told = home.json(&[&args[..], &["--out", text_of(&out), "--try", "the cat", "--json"]].concat());
    assert_eq!((&told["vocab"], &told["tokens"][0]["piece"]), (&262.into(), &"the".into()));
    assert!(told["tokens"].as_array().unwrap().len() < "the cat".len());
    let there = home.error(&[&args[..], &["--out", text_of(&out)]].concat());
    assert!(there.ends_with("tokenizer.json is there already; --force replaces it"), "{there}");
    home.stdout(&[&args[..], &["--out", text_of(&out), "--force"]].concat());
}

#[test]
fn bytes_and_characters_stand_for_themselves() {
    let home = Home::new();
    let bytes = home.stdout(&["tokenizer", "bytes", "--out", "bytes", "--try", "A!"]);
    assert!(bytes.contains("\"A\"") && bytes.contains("65") && bytes.contains("33"), "{bytes}");
    let story = home.path("story.txt");
    fs::write(&story, STORY).unwrap();
    let letters = ["tokenizer", "characters", "--from", text_of(&story), "--out", "letters"];
    let error = home.error(&[&letters[..], &["--try", "zoo"]].concat());
    assert!(error.contains("'z'"), "{error}");
    assert!(!home.path("letters").exists(), "nothing is written where something is wrong");
    home.stdout(&letters);
    assert!(home.path("letters/tokenizer.json").is_file());
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let home = Home::new();
    let error = |more: &[&str]| home.error(&[&["tokenizer"], more, &["--out", "new"]].concat());
    assert!(error(&["bpe"]).starts_with("no text to learn from"));
    assert!(error(&["bytes", "--special", "<end>"]).starts_with("--special is for bpe"));
    assert!(error(&["bytes", "--vocab", "300"]).starts_with("--vocab is for bpe"));
    assert!(error(&["bpe", "--from", "nowhere.txt"]).starts_with("cannot read nowhere.txt"));
    fs::write(home.path("latin.txt"), b"caf\xe9").unwrap();
    assert!(error(&["characters", "--from", "latin.txt"]).contains("invalid UTF-8 at byte 3"));
    fs::write(home.path("story.txt"), STORY).unwrap();
    let small = error(&["bpe", "--from", "story.txt", "--vocab", "100"]);
    assert!(small.contains("size of the vocabulary is 100, expected at least 256"), "{small}");
}
