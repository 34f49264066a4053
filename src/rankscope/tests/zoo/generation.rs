//! Greedy continuations are those of transformers, with the cache and without.

use std::path::Path;

use rankscope::model::generate::{End, Settings, TextStream, generate};

use crate::support::*;

/// Continues the prompts of `real/NAME.json`; without the cache, which needs a pass over the whole text for every
/// token, only as many as `uncached`.
fn check(name: &str, folder: &Path, device: &Device, uncached: usize) {
    let (model, tokenizer) = (model::load(folder, device).unwrap(), Tokenizer::load(folder).unwrap());
    let is_pair = model.description().encoder.is_some();
    let about = read_json(&fixtures().join(format!("real/{name}.json")));
    for (index, prompt) in about["prompts"].as_array().unwrap().iter().enumerate() {
        let [read, expected] = ["ids", "greedy_ids"]
            .map(|name| -> Vec<u32> { serde_json::from_value(prompt[name].clone()).unwrap() });
        let stop = if is_pair { vec![1] } else { Vec::new() };
        let end = if is_pair && expected.last() == Some(&1) { End::Stop } else { End::Length };
        for use_cache in [true, index >= uncached] {
            let settings = Settings { stop: stop.clone(), use_cache, ..Settings::default() };
            let input = Input::new(read.clone());
            let text = generate(&*model, &input, &settings, &mut |_| Ok(()), &Run::default()).unwrap();
            let what = format!("prompt {index} on {device}, cache {use_cache}");
            assert_eq!((text.ids(), text.end), (expected.clone(), end), "{what}");
        }
        // The text of a single stack begins with the prompt.
        let begun = if is_pair { String::new() } else { tokenizer.decode(&read).unwrap() };
        let mut stream = TextStream::after(&tokenizer, if is_pair { &[] } else { &read });
        let said: String = expected.iter().map(|&id| stream.push(id).unwrap()).collect();
        assert_eq!(begun + &said + &stream.finish().unwrap(), prompt["greedy_text"].as_str().unwrap());
    }
}

#[test]
fn glass_en_writes_what_transformers_writes_on_every_device() {
    devices().iter().for_each(|device| check("glass-en", &glass_en(), device, usize::MAX));
}

#[test]
fn smollm2_writes_what_transformers_writes() {
    installed("smollm2-135m").iter().for_each(|folder| check("smollm2-135m", folder, &Device::Cpu, 1));
}

#[test]
fn flan_t5_writes_what_transformers_writes() {
    let name = "flan-t5-small-title";
    installed(name).iter().for_each(|folder| check(name, folder, &Device::Cpu, 1));
}
