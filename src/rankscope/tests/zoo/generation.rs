//! Greedy continuations are those of transformers, with the cache and without.

use rankscope::model::generate::{End, Generated, Settings, TextStream, generate};
use rankscope::model::{self, Input, Model, Tokenizer};
use rankscope::prelude::*;
use serde_json::Value;

use crate::support::{devices, fixtures, glass_en, installed, read_json};

fn prompts(name: &str) -> Vec<Value> {
    read_json(&fixtures().join(format!("real/{name}.json")))["prompts"].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn write(model: &dyn Model, prompt: &[u32], settings: &Settings) -> Generated {
    generate(model, &Input::new(prompt.to_vec()), settings, &mut |_| Ok(()), &Run::default()).unwrap()
}

#[test]
fn glass_en_writes_what_transformers_writes_on_every_device() {
    let tokenizer = Tokenizer::load(&glass_en()).unwrap();
    for device in devices() {
        let model = model::load(&glass_en(), &device).unwrap();
        for prompt in prompts("glass-en") {
            let (read, expected) = (ids(&prompt["ids"]), ids(&prompt["greedy_ids"]));
            for use_cache in [true, false] {
                let settings = Settings { tokens: expected.len(), use_cache, ..Settings::default() };
                let text = write(&*model, &read, &settings);
                assert_eq!((text.ids(), text.end), (expected.clone(), End::Length), "{device} {use_cache}");
            }
            let mut stream = TextStream::after(&tokenizer, &read);
            let said: String = expected.iter().map(|&id| stream.push(id).unwrap()).collect();
            let whole = prompt["greedy_text"].as_str().unwrap();
            assert_eq!(tokenizer.decode(&read).unwrap() + &said + &stream.finish().unwrap(), whole);
        }
    }
}

#[test]
fn smollm2_writes_what_transformers_writes() {
    let Some(folder) = installed("smollm2-135m") else { return };
    let model = model::load(&folder, &Device::Cpu).unwrap();
    for (index, prompt) in prompts("smollm2-135m").iter().enumerate() {
        let (read, expected) = (ids(&prompt["ids"]), ids(&prompt["greedy_ids"]));
        // Without the cache one prompt is enough, since every token needs a pass over the whole
        // text.
        for use_cache in [true, index > 0] {
            let settings = Settings { tokens: expected.len(), use_cache, ..Settings::default() };
            assert_eq!(write(&*model, &read, &settings).ids(), expected, "prompt {index}, cache {use_cache}");
        }
    }
}

#[test]
fn flan_t5_writes_what_transformers_writes() {
    let Some(folder) = installed("flan-t5-small-title") else { return };
    let (model, tokenizer) = (model::load(&folder, &Device::Cpu).unwrap(), Tokenizer::load(&folder).unwrap());
    for (index, prompt) in prompts("flan-t5-small-title").iter().enumerate() {
        let (read, expected) = (ids(&prompt["ids"]), ids(&prompt["greedy_ids"]));
        for use_cache in [true, index > 0] {
            let settings = Settings { stop: vec![1], use_cache, ..Settings::default() };
            let text = write(&*model, &read, &settings);
            assert_eq!(text.ids(), expected, "prompt {index}, cache {use_cache}");
            let end = if expected.last() == Some(&1) { End::Stop } else { End::Length };
            assert_eq!(text.end, end);
        }
        let mut stream = TextStream::after(&tokenizer, &[]);
        let said: String = expected.iter().map(|&id| stream.push(id).unwrap()).collect();
        assert_eq!(said + &stream.finish().unwrap(), prompt["greedy_text"].as_str().unwrap());
    }
}
