//! `rankscope count`.

use serde_json::Value;

use crate::support::{Home, edit_config, edit_tensors, holds, text_of, tiny, with_a_window};

fn part(count: &Value, name: &str) -> u64 {
    let parts = count["parameters"]["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("{name} in {count}"));
    part["parameters"].as_u64().unwrap()
}

#[test]
fn a_preset_is_counted_exactly_and_its_assumptions_are_printed() {
    let home = Home::new();
    let text = home.stdout(&["count", "gpt2-xl"]);
    holds(&text, &["1,557,611,200", "embeddings", "80,411,200", "decoder.self_attention"]);
    holds(&text, &["Radford et al. 2019", "assumed"]);
    let count = home.json(&["count", "gpt2-xl", "--json"]);
    assert_eq!(count["parameters"]["total"], 1_557_611_200u64);
    assert_eq!(part(&count, "embeddings"), 50_257 * 1600);
    assert_eq!(part(&count, "positions"), 1024 * 1600);
    let huge = home.json(&["count", "gpt3", "--json", "--batch", "1000000"]);
    assert_eq!(huge["parameters"]["total"], 174_604_259_328u64);
    assert!(huge["costs"]["training"]["total"].as_f64().unwrap() > 2e21);
}

#[test]
fn context_batch_source_and_dtype_change_the_costs() {
    let home = Home::new();
    let count = |more: &[&str]| {
        let count = home.json(&[&["count", "t5-small", "--json"], more].concat());
        let (forward, memory) = (&count["costs"]["forward"], &count["costs"]["memory"]);
        [&forward["total"], &memory["cache"], &memory["weights"]].map(|value| value.as_u64().unwrap())
    };
    let [forward, cache, weights] = count(&["--context", "100"]);
    assert_eq!(weights, 2 * 60_506_624);
    // 50 tokens on either side, 6 layers of 8 heads of 64, keys and values, two bytes.
    assert_eq!(cache, 2 * 50 * 2 * 6 * 8 * 64 * 2);
    assert_eq!(count(&["--context", "100", "--source", "50"]), [forward, cache, weights]);
    assert_eq!(count(&["--context", "100", "--batch", "3"]), [3 * forward, 3 * cache, weights]);
    assert_eq!(count(&["--context", "100", "--dtype", "f32"]), [forward, 2 * cache, 2 * weights]);
    assert!(count(&["--context", "100", "--source", "80"])[0] < forward, "the decoder's tokens cost more");
}

#[test]
fn a_configuration_is_counted_as_file_folder_or_installed_model() {
    let home = Home::new();
    let folder = home.copy_of("llama", "mine");
    let file = folder.join("config.json");
    for name in [text_of(&folder), text_of(&file)] {
        assert_eq!(home.json(&["count", name, "--json"])["parameters"]["total"], 29_430, "{name}");
    }
    let bundled = home.json(&["count", "glass-en", "--json"]);
    let listed = home.json(&["models", "list", "--json"]);
    let listed = listed.as_array().unwrap().iter().find(|model| model["name"] == "glass-en").unwrap();
    assert_eq!(bundled["parameters"]["total"], listed["parameters"]);
    edit_config(&folder, "num_key_value_heads", 4.into());
    let error = home.error(&["count", text_of(&file)]);
    let expected = "num_key_value_heads is 4, expected a divisor of num_attention_heads = 6";
    assert!(error.ends_with(expected), "{error}");
    let error = home.error(&["count", "nowhere/config.json"]);
    assert_eq!(error, "nowhere/config.json: no such file or folder");
}

#[test]
fn models_are_compared_at_one_context() {
    let home = Home::new();
    let text = home.stdout(&["count", "--compare", "llama-7b, redllm-8b,bert-base,gpt4-leak"]);
    holds(&text, &["6,738,415,616", "8,590,229,504", "109,482,240", "1,831,000,000,000"]);
    holds(&text, &["1 x 512 tokens", "rumour"]);
    let counts = home.json(&["count", "--compare", "llama-7b,redllm-8b", "--json"]);
    let contexts: Vec<_> = counts.as_array().unwrap().iter().map(|count| &count["costs"]["tokens"]).collect();
    assert_eq!(contexts, [2048, 2048]);
    let curve = home.json(&["count", "llama-7b", "--curve", "--context", "2048", "--json"]);
    let last = curve["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["tokens"], &last["with_cache"]), (&2048.into(), &counts[0]["next_token_flops"]));
    let leak = home.json(&["count", "--compare", "bert-base,gpt4-leak", "--json"]);
    assert!(leak[0]["next_token_flops"].is_null() && leak[1]["next_token_flops"].is_null());
    let error = home.error(&["count", "--compare", "gpt2,gpt2"]);
    assert_eq!(error, "--compare has gpt2 twice, expected models that differ");
}

#[test]
fn the_cost_of_decoding_is_a_curve_as_text_json_and_figure() {
    let home = Home::new();
    let svg = home.path("curve.svg");
    let text = home.stdout(&["count", "gpt2", "--curve", "--figure", text_of(&svg)]);
    assert!(text.contains('█') && text.contains("all steps") && text.contains("1024"), "{text}");
    let drawn = std::fs::read_to_string(svg).unwrap();
    assert!(drawn.contains("without cache") && drawn.contains(r#""model":"gpt2""#));
    let curve = home.json(&["count", "gpt2", "--curve", "--json", "--context", "100"]);
    let steps = curve["steps"].as_array().unwrap();
    let tokens: Vec<_> = steps.iter().map(|step| step["tokens"].as_u64().unwrap()).collect();
    assert_eq!(tokens, [1, 2, 4, 8, 16, 32, 64, 100]);
    assert_eq!(steps[0]["with_cache"], steps[0]["without_cache"]);
    assert!(steps.iter().skip(1).all(|step| step["with_cache"].as_u64() < step["without_cache"].as_u64()));
}

#[test]
fn presets_are_listed_and_what_cannot_be_counted_is_named() {
    let home = Home::new();
    let listed = home.json(&["count", "--list", "--json"]);
    for preset in listed.as_array().unwrap() {
        home.stdout(&["count", preset["name"].as_str().unwrap()]);
    }
    let error = home.error(&["count", "gpt-2-xl"]);
    assert!(error.starts_with("preset is \"gpt-2-xl\", expected a known name, such as gpt2-xl"), "{error}");
    let error = home.error(&["count", "gpt2", "--context", "1025"]);
    assert_eq!(error, "context is 1025, expected at most 1024, the context of this gpt2");
    let error = home.error(&["count", "gpt2", "--batch", "0"]);
    assert_eq!(error, "batch is 0, expected a whole number from 1 to 16777216");
    let error = home.error(&["count", "bert-base", "--curve"]);
    assert!(error.starts_with("model to decode with is a bert without a decoder"), "{error}");
    let error = home.error(&["count", "gpt4-leak", "--curve"]);
    assert!(error.starts_with("configuration of gpt4-leak is not known"), "{error}");
    let error = home.error(&["count", text_of(&tiny("llama").join("golden.safetensors"))]);
    assert!(error.contains("golden.safetensors"), "{error}");
}

#[test]
fn a_folder_is_counted_by_what_it_holds_and_its_configuration_by_what_it_says() {
    let home = Home::new();
    let folder = home.copy_of("llama", "bare");
    edit_config(&folder, "architectures", vec!["LlamaModel"].into());
    edit_tensors(&folder, |name, _| name != "lm_head.weight");
    let file = folder.join("config.json");
    let [whole, bare] = [29_430, 29_430 - 97 * 30];
    let sizes = |name: &str| {
        let parameters = home.json(&["count", name, "--json"])["parameters"].clone();
        [parameters["total"].clone(), parameters["body"].clone()]
    };
    for name in [text_of(&folder), text_of(&file)] {
        assert_eq!(sizes(name), [bare, bare]);
    }
    // The checkpoint has an output layer, although the model's class has none.
    let stored = home.copy_of("llama", "stored");
    edit_config(&stored, "architectures", vec!["LlamaModel"].into());
    assert_eq!(sizes(text_of(&stored)), [whole, bare]);
    let count = home.json(&["count", text_of(&stored), "--json"]);
    assert!(count["parameters"]["parts"].as_array().unwrap().iter().any(|part| part["is_head"] == true));
    let text = home.stdout(&["count", text_of(&stored)]);
    let row =
        |name: &str| text.lines().position(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
    assert!(["norms", "body", "output", "total"].map(row).is_sorted_by(|a, b| a < b), "{text}");
    let text = home.stdout(&["count", text_of(&with_a_window(&home))]);
    assert!(text.contains("sees the last 3 in 1 of 2 layers"), "{text}");
    edit_config(&folder, "model_type", "mistral".into());
    edit_config(&folder, "architectures", vec!["MistralForReward"].into());
    let text = home.stdout(&["count", text_of(&file)]);
    assert!(text.contains("the head of MistralForReward of unknown size, not in the total"), "{text}");
}
