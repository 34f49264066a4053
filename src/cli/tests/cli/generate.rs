//! `rankscope generate`.

use std::process::Stdio;

use crate::support::{Home, edit_config, text_of, tiny};

const TEXT: &str = "Once upon a time";
const GLASS: [&str; 5] = ["generate", "--model", "glass-en", "--text", TEXT];

#[test]
fn the_text_goes_to_stdout_and_the_speed_to_stderr() {
    let home = Home::new();
    let input = [&GLASS[..], &["--tokens", "12"]].concat();
    let output = home.run(&input);
    let (said, speed) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{speed}");
    assert!(said.ends_with('\n') && said.trim().len() > 5, "{said:?}");
    assert!(speed.starts_with("12 tokens with a cache on cpu: ") && speed.contains("tokens/s"), "{speed}");
    assert!(speed.trim_end().ends_with("; as many as asked for"), "{speed}");
    let told = home.json(&[&input[..], &["--json"]].concat());
    assert_eq!(told["text"], said.strip_suffix('\n').unwrap());
    assert_eq!((told["ids"].as_array().unwrap().len(), &told["end"]), (12, &"length".into()));
    let slow = home.json(&[&input[..], &["--json", "--no-cache"]].concat());
    assert_eq!((&slow["ids"], &slow["used_cache"]), (&told["ids"], &false.into()));
}

#[test]
fn the_seed_decides_what_is_drawn_and_filters_change_it() {
    let home = Home::new();
    let all = [&GLASS[..], &["--tokens", "16", "--json"]].concat();
    let ids = |more: &[&str]| home.json(&[&all[..], more].concat())["ids"].clone();
    let warm = ["--temperature", "1"];
    assert_eq!(ids(&warm), ids(&["--temperature", "1", "--seed", "0"]));
    assert_ne!(ids(&warm), ids(&["--temperature", "1", "--seed", "3"]));
    assert_eq!(ids(&["--temperature", "1", "--top-k", "1"]), ids(&[]), "the likeliest alone is greedy");
    assert_eq!(ids(&["--temperature", "1", "--top-p", "1e-9"]), ids(&[]));
}

#[test]
fn a_text_ends_at_a_stop_token_or_when_the_context_is_full() {
    let home = Home::new();
    let told = |more: &[&str]| home.json(&[&GLASS[..], &["--json", "--tokens"], more].concat());
    let all = told(&["9"]);
    let stop = all["ids"][4].to_string();
    let stopped = told(&["9", "--stop", &stop]);
    let count = stopped["ids"].as_array().unwrap().len();
    assert_eq!((&stopped["end"], &stopped["ids"][count - 1]), (&"stop".into(), &all["ids"][4]));
    let full = told(&["1000", "--no-stop"]);
    assert_eq!(full["end"], "context");
    let [read, written] = ["prompt_ids", "ids"].map(|ids| full[ids].as_array().unwrap().len());
    assert_eq!(read + written, 129, "a context of 128, and one token behind it");
}

#[test]
fn the_ends_of_generation_config_win_over_those_of_the_configuration() {
    let home = Home::new();
    let folder = home.copy_of("llama", "ends");
    let write = |more: &[&str]| {
        let model = ["generate", "--model", text_of(&folder), "--ids", "3,1,4", "--tokens", "7", "--json"];
        home.json(&[&model, more].concat())
    };
    let all = write(&["--no-stop"])["ids"].clone();
    let end = |told: &serde_json::Value| (told["end"].clone(), told["ids"].as_array().unwrap().len());
    let (third, first) = (&all[2], all.as_array().unwrap().iter().position(|id| *id == all[2]).unwrap());
    edit_config(&folder, "eos_token_id", third.clone());
    assert_eq!(end(&write(&[])), ("stop".into(), first + 1));
    let config = folder.join("generation_config.json");
    std::fs::write(&config, "{}").unwrap();
    assert_eq!(end(&write(&[])), ("length".into(), 7));
    std::fs::write(&config, format!("{{\"eos_token_id\": [96, {third}], \"forced_eos_token_id\": 5}}"))
        .unwrap();
    assert_eq!(end(&write(&[])), ("stop".into(), first + 1));
    std::fs::write(&config, "{\"forced_eos_token_id\": 5}").unwrap();
    assert_eq!(write(&[])["ids"][6], 5);
    assert_eq!(write(&["--no-stop"])["ids"], all);
}

#[test]
fn a_model_without_a_tokenizer_says_ids() {
    let home = Home::new();
    let folder = tiny("llama");
    let model = ["generate", "--model", text_of(&folder), "--ids", "3,1,4", "--tokens", "5"];
    let said = home.stdout(&model);
    let told = home.json(&[&model[..], &["--json"]].concat());
    let ids: Vec<String> = told["ids"].as_array().unwrap().iter().map(|id| id.to_string()).collect();
    assert_eq!(said, ids.join(",") + "\n");
    assert!(told["text"].is_null());
}

#[test]
fn a_dialogue_keeps_its_states_only_where_nothing_stored_sees_what_is_new() {
    let home = Home::new();
    let all = [&GLASS[..], &["--tokens", "10", "--reuse", "--next", " And then?"]].concat();
    let told = home.json(&[&all[..], &["--json"]].concat());
    let readings = told["readings"].as_array().unwrap().iter();
    let kept = readings.map(|row| (row["reading"].as_str().unwrap(), row["is_kept"].as_bool().unwrap()));
    let kept: Vec<_> = kept.collect();
    let expected =
        [("causal", true), ("prefix_frozen", true), ("prefix_grown", false), ("bidirectional", false)];
    assert_eq!(kept, expected);
    assert!(told["cached_error_causal"].as_f64().unwrap() < 1e-5);
    let text = home.stdout(&all);
    assert!(text.contains("prefix frozen") && text.contains("kept") && text.contains("lost"), "{text}");
}

#[test]
fn what_cannot_be_written_is_named_before_anything_is_said() {
    let home = Home::new();
    let say = |more: &[&str]| home.error(&[&GLASS[..], more].concat());
    assert_eq!(say(&["--temperature", "-1"]), "temperature is -1, expected 0 (greedy) or a positive number");
    let k = say(&["--temperature", "1", "--top-k", "0"]);
    assert_eq!(k, "top-k is 0, expected at least 1, or none to keep all tokens");
    let p = say(&["--temperature", "1", "--top-p", "0"]);
    assert_eq!(p, "top-p is 0, expected a share above 0 and up to 1, or none to keep all tokens");
    assert!(say(&["--top-k", "5"]).contains("--temperature 0 draws none"));
    assert_eq!(say(&["--tokens", "0"]), "number of tokens to write is 0, expected at least 1");
    let error = say(&["--mask", "bidirectional"]);
    assert!(error.starts_with("mask of a cached pass is bidirectional"), "{error}");
    assert!(error.ends_with("or no cache"), "{error}");
    let slow = ["--tokens", "3", "--mask", "bidirectional", "--no-cache"];
    assert!(!home.stdout(&[&GLASS[..], &slow].concat()).is_empty());
    let bert = tiny("bert");
    let error = home.error(&["generate", "--model", text_of(&bert), "--ids", "1,2"]);
    assert!(error.starts_with("family of a model that writes is bert"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let home = Home::new();
    let args = [&GLASS[..], &["--tokens", "100"]].concat();
    let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
