//! `rankscope loss`.

use crate::support::{Home, TEXT, text_of, tiny};

#[test]
fn the_loss_behind_a_prefix_is_the_mean_of_its_tokens() {
    let home = Home::new();
    let told = |more: &[&str]| {
        let all = ["loss", "--model", "glass-en", "--text", TEXT, "--json"];
        home.json(&[&all, more].concat())[0].clone()
    };
    let (all, behind) = (told(&[]), told(&["--prefix", "5"]));
    let nats = |told: &serde_json::Value| -> Vec<f64> {
        told["tokens"].as_array().unwrap().iter().map(|token| token["nats"].as_f64().unwrap()).collect()
    };
    assert_eq!((&all["tokens"][0]["position"], &behind["tokens"][0]["position"]), (&1.into(), &5.into()));
    for (all, behind) in nats(&all)[4..].iter().zip(nats(&behind)) {
        assert!((all - behind).abs() < 1e-5, "{all} {behind}");
    }
    let nats = nats(&behind);
    let mean = nats.iter().sum::<f64>() / nats.len() as f64;
    assert!((behind["nats_a_token"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert!(mean > 0.0 && mean < 10.0, "a model that has learned something: {mean}");
    assert!(behind["tokens"][0]["piece"].is_string() && behind["mask_note"].is_null());
}

#[test]
fn masks_stand_side_by_side_with_what_must_be_said_of_them() {
    let home = Home::new();
    let args =
        ["loss", "--model", "glass-en", "--text", TEXT, "--prefix", "5", "--compare", "as-trained,prefix(5)"];
    let output = home.run(&args);
    let (table, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    assert!(table.contains("causal, as trained") && table.contains("prefix(5)"), "{table}");
    assert!(said.contains("note: mask prefix(5): the weights were trained under another mask"), "{said}");
}

#[test]
fn what_cannot_be_predicted_is_named() {
    let home = Home::new();
    let error = |more: &[&str]| home.error(&[&["loss", "--model", "glass-en"], more].concat());
    let said = error(&["--text", TEXT, "--mask", "bidirectional"]);
    assert!(said.starts_with("mask of a loss is bidirectional, expected one under which"), "{said}");
    assert!(error(&["--text", TEXT, "--prefix", "0"]).contains("length of the prefix is 0, expected from 1"));
    assert!(error(&["--ids", "3,5", "--target-ids", "4"]).starts_with("--target-ids is for other commands"));
    let bert = tiny("bert");
    let said = home.error(&["loss", "--model", text_of(&bert), "--ids", "3,5,7"]);
    assert!(said.contains("expected one that predicts the next token"), "{said}");
}
