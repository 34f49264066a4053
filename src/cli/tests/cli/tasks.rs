//! `rankscope tasks`.

use rankscope::Device;
use rankscope::model::{Config, seeded};
use rankscope::train::data::{open, save_tokenizer};
use rankscope::train::task::TASKS;
use serde_json::json;

use crate::support::{Home, holds, text_of};

#[test]
fn every_task_is_listed_and_its_form_can_be_shown() {
    let home = Home::new();
    let text = home.stdout(&["tasks", "list"]);
    let listed = home.json(&["tasks", "list", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), TASKS.len());
    for kind in listed.as_array().unwrap() {
        let form = kind["form"].as_str().unwrap();
        assert!(text.contains(form), "{kind}");
        let shown = home.stdout(&["tasks", "show", form]);
        holds(&shown, &[form, kind["summary"].as_str().unwrap().split(' ').next().unwrap()]);
        assert_eq!(shown.lines().filter(|line| line.contains(" → ")).count(), 4, "{shown}");
    }
}

#[test]
fn examples_are_drawn_by_seed_and_part_and_padded_to_the_length() {
    let home = Home::new();
    let show =
        |more: &[&str]| home.json(&[&["tasks", "show", "copy(items=3, symbols=5)", "--json"], more].concat());
    let shown = show(&["--length", "9", "--seed", "7", "--count", "3"]);
    assert_eq!(shown["examples"].as_array().unwrap().len(), 3);
    for example in shown["examples"].as_array().unwrap() {
        let (input, output) = (example["input"].as_array().unwrap(), example["output"].as_array().unwrap());
        assert_eq!((input.len(), output.len(), &input[3]), (4, 5, &"<separator>".into()));
        assert_eq!(input[..3], output[..3]);
        assert_eq!(output[3..], ["<pad>", "<pad>"]);
    }
    assert_eq!(shown["needs"], 7);
    assert_eq!(shown["vocabulary"].as_u64().unwrap(), 5 + 5 + 32);
    let examples = |more: &[&str]| show(more)["examples"].clone();
    assert_eq!(examples(&["--seed", "7", "--length", "9", "--count", "3"]), shown["examples"]);
    assert_ne!(examples(&["--seed", "7"]), examples(&["--seed", "8"]));
    assert_ne!(examples(&["--held-out"]), examples(&[]));
    let text = home.stdout(&["tasks", "show", "copy(items=3, symbols=5)", "--length", "9"]);
    assert!(text.contains("  (+ 2 <pad>)\n"), "{text}");
}

#[test]
fn tasks_that_cannot_be_are_refused() {
    let home = Home::new();
    let error = home.error(&["tasks", "show", "copi"]);
    assert!(error.starts_with("task is \"copi\", expected one of copy, reverse, sort, "), "{error}");
    let error = home.error(&["tasks", "show", "copy", "--length", "16"]);
    assert_eq!(error, "length is 16, expected at least 17 for copy(items=8, symbols=10)");
    let error = home.error(&["tasks", "show", "recall(pairs=20)"]);
    assert_eq!(error, "option pairs of recall is 20, expected at most keys, 16");
}

#[test]
fn a_model_beside_the_tokenizer_of_its_data_continues_words_and_texts() {
    let home = Home::new();
    for (data, text) in [("reverse", "3 1 4 <separator>"), ("english", "I had never heard")] {
        let (folder, data) = (home.path(data), open(data, None).unwrap());
        let config = json!({
            "model_type": "gpt2", "vocab_size": data.vocabulary().size(), "n_embd": 16, "n_head": 2, "n_layer": 1,
            "n_positions": 64, "layer_norm_epsilon": 1e-5,
        });
        let config = Config::from_value("new", config).unwrap();
        seeded(&config, 3, &Device::Cpu).unwrap().record().save(&folder).unwrap();
        save_tokenizer(&*data, &folder).unwrap();
        let said =
            home.json(&["generate", "--model", text_of(&folder), "--text", text, "--tokens", "20", "--json"]);
        let ids: Vec<u32> = serde_json::from_value(said["ids"].clone()).unwrap();
        let count = if text.starts_with('3') { 4 } else { text.len() };
        assert_eq!(said["prompt_ids"].as_array().unwrap().len(), count);
        assert_eq!(said["text"], data.tokenizer().unwrap().decode(&ids).unwrap());
    }
    let folder = home.path("reverse");
    let error = home.error(&["generate", "--model", text_of(&folder), "--text", "3 1 10"]);
    assert_eq!(error, "word 3 of the text is \"10\", expected one of the 10 words that the tokenizer knows");
}
