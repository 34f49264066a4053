//! Formulas against checkpoints, against the matrix products that are computed, and against published numbers.

mod built;
mod classes;

use std::path::{Path, PathBuf};

use super::*;
use crate::device::Device;
use crate::mask::Mask;
use crate::model::{self, Config, Input, MaskChoice, preset};
use crate::ops::work;
use crate::probe::Unobserved;
use crate::run::Run;
use crate::weight::Dtype;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn tiny(family: &str) -> ModelSizes {
    ModelSizes::of(&Config::open(&fixtures().join("tiny").join(family)).unwrap()).unwrap()
}

fn of_preset(name: &str) -> ModelSizes {
    preset::find(name).unwrap().sizes().unwrap()
}

fn load(sizes: &ModelSizes, tokens: usize) -> Load {
    Load::new(sizes, tokens, 1, None).unwrap()
}

#[test]
fn tiny_checkpoints_have_as_many_numbers_as_pytorch_says() {
    let about = std::fs::read_to_string(fixtures().join("noise.json")).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    let families = about["tiny"].as_object().unwrap();
    assert_eq!(families.len(), 12);
    for (family, noise) in families {
        let expected = u128::from(noise["parameters"].as_u64().unwrap());
        assert_eq!(total(&tiny(family).parts()), expected, "{family}, by its configuration");
        let held = ModelSizes::of_folder(&fixtures().join("tiny").join(family)).unwrap();
        assert_eq!(total(&held.parts()), expected, "{family}, by its checkpoint");
    }
}

/// The weighted sum over experts is computed by a product but is a gate: its 2·k·C operations for each token and layer
/// are subtracted.
fn without_mixing(done: work::Work, sizes: &ModelSizes, tokens: usize) -> work::Work {
    let mixing = sizes
        .decoder
        .as_ref()
        .filter(|stack| stack.feed_forward.experts > 1)
        .map_or(0, |stack| 2 * stack.feed_forward.active * sizes.width * stack.layers * tokens);
    work::Work { activations: done.activations - mixing as u64, ..done }
}

#[test]
fn a_forward_pass_takes_the_operations_that_its_products_make() {
    let run = Run::default();
    for (family, tokens) in
        [("bert", 7), ("llama", 9), ("llama-mha", 5), ("gpt1", 8), ("gpt2", 6), ("mixtral", 10)]
    {
        let model = model::load(&fixtures().join("tiny").join(family), &Device::Cpu).unwrap();
        let sizes = tiny(family);
        let input = Input::batch((0..2 * tokens as u32).collect(), 2).unwrap();
        let pass = || model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &run);
        let (hidden, mut done) = work::count(pass);
        if sizes.generates() {
            let (logits, more) = work::count(|| model.logits(&hidden.unwrap(), &mut Unobserved));
            logits.unwrap();
            done.weights += more.weights;
        }
        let load = Load::new(&sizes, tokens, 2, None).unwrap();
        let counted = sizes.forward(load, Pairs::All);
        let done = without_mixing(done, &sizes, 2 * tokens);
        assert_eq!(counted.attention, u128::from(done.activations), "{family}");
        assert_eq!(counted.total(), u128::from(done.total()), "{family}");
    }
}

#[test]
fn an_encoder_decoder_takes_the_operations_that_its_products_make() {
    let run = Run::default();
    for family in ["t5", "t5-gated"] {
        let model = model::load(&fixtures().join("tiny").join(family), &Device::Cpu).unwrap();
        let sizes = tiny(family);
        let input = Input::new(vec![3, 1, 4, 1, 5]).with_decoder(vec![0, 9, 2, 6, 5, 3, 5]);
        let (output, done) =
            work::count(|| model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &run));
        output.unwrap();
        let counted = sizes.forward(Load::new(&sizes, 12, 1, Some(5)).unwrap(), Pairs::All);
        let expected = (done.activations.into(), done.total().into());
        assert_eq!((counted.attention, counted.total()), expected, "{family}");
    }
}

#[test]
fn a_cached_step_takes_the_operations_that_its_products_make() {
    let run = Run::default();
    for family in ["llama", "llama-mha", "gpt1", "gpt2", "mixtral"] {
        let model = model::load(&fixtures().join("tiny").join(family), &Device::Cpu).unwrap();
        let sizes = tiny(family);
        let mut cache = model.cache(1).unwrap();
        let mut pass = |ids: Vec<u32>| {
            model.hidden_after(&mut cache, &Input::new(ids), &MaskChoice::AsTrained, &mut Unobserved, &run)
        };
        pass(vec![3, 1, 4, 1, 5, 9]).unwrap();
        let (logits, done) = work::count(|| model.logits(&pass(vec![2]).unwrap(), &mut Unobserved));
        logits.unwrap();
        let done = without_mixing(done, &sizes, 1);
        let step = *sizes.decoding(load(&sizes, 7)).unwrap().steps.last().unwrap();
        assert_eq!((step.tokens, step.with_cache), (7, u128::from(done.total())), "{family}");
    }
}

#[test]
fn pairs_are_those_of_the_mask() {
    let n = 11;
    let mut sizes = tiny("llama");
    for (sees, mask) in [
        (Sees::All, Mask::bidirectional()),
        (Sees::Past, Mask::causal()),
        (Sees::Window(4), Mask::parse("causal & window(4)").unwrap()),
        (Sees::Window(30), Mask::causal()),
    ] {
        let stack = sizes.decoder.as_mut().unwrap();
        stack.sees = sees;
        let heads = stack.self_attention;
        let pairs = (0..n).flat_map(|query| (0..n).map(move |key| (query, key)));
        let pairs = pairs.filter(|&(query, key)| mask.may_attend(query, key)).count();
        let per_pair = 4 * stack.layers * heads.heads * heads.head_size;
        let counted = sizes.forward(load(&sizes, n), Pairs::Allowed).attention;
        assert_eq!(counted, (per_pair * pairs) as u128, "{sees:?}");
        let seen = (0..n).filter(|&key| mask.may_attend(n - 1, key)).count();
        let step = *sizes.decoding(load(&sizes, n)).unwrap().steps.last().unwrap();
        let fixed = sizes.forward(load(&sizes, 1), Pairs::Allowed);
        assert_eq!(step.with_cache - fixed.layers - fixed.logits, (per_pair * seen) as u128, "{sees:?}");
    }
}

#[test]
fn layers_with_a_window_and_layers_without_one_cost_what_they_see() {
    let config = |fields: serde_json::Value| {
        let mut config = Config::open(&fixtures().join("tiny/qwen2")).unwrap().to_json();
        config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ModelSizes::of(&Config::from_value("here", config).unwrap()).unwrap()
    };
    let with = |first: usize| {
        config(serde_json::json!({
            "use_sliding_window": true, "sliding_window": 4, "max_window_layers": first,
            "num_hidden_layers": 3, "layer_types": null,
        }))
    };
    let (all, upper, none) = (with(0), with(1), with(3));
    let stack = upper.decoder.as_ref().unwrap();
    assert_eq!((stack.sees, stack.full_layers), (Sees::Window(4), 1));
    assert_eq!(all.decoder.as_ref().unwrap().full_layers, 0);
    assert_eq!(none.decoder.as_ref().unwrap().sees, Sees::Past);
    let at = load(&none, 11);
    let attention = |sizes: &ModelSizes| sizes.forward(at, Pairs::Allowed).attention;
    let step = |sizes: &ModelSizes| sizes.last_step(at).unwrap().with_cache;
    let cache = |sizes: &ModelSizes| sizes.memory(at, Dtype::F32).cache;
    for of in [&attention as &dyn Fn(&ModelSizes) -> u128, &step, &cache] {
        assert!(of(&all) < of(&upper));
        assert_eq!(3 * of(&upper), 2 * of(&all) + of(&none), "one layer in three has no window");
    }
    assert_eq!(upper.forward(at, Pairs::All), none.forward(at, Pairs::All));
}

#[test]
fn a_decoder_costs_twice_as_much_as_an_encoder_decoder_of_its_parameters() {
    // arXiv 2510.26622: TFLOP of a pass over 2048 tokens.
    let of_the_paper = [("150m", 0.76, 0.33), ("1b", 4.95, 2.45), ("4b", 15.9, 7.5), ("8b", 36.8, 18.2)];
    let ratios = [("150m", 2.27), ("1b", 2.02), ("2b", 1.97), ("4b", 2.12), ("8b", 2.02)];
    for (name, ratio) in ratios {
        let tera = |family: &str| {
            let sizes = of_preset(&format!("{family}-{name}"));
            sizes.forward(load(&sizes, 2048), Pairs::Allowed).total() as f64 / 1e12
        };
        let (one, two) = (tera("decllm"), tera("redllm"));
        if let Some((_, decoder, both)) = of_the_paper.iter().find(|(other, ..)| *other == name) {
            assert!((one / decoder - 1.0).abs() < 0.01, "{name}: {one}");
            assert!((two / both - 1.0).abs() < 0.015, "{name}: {two}");
        }
        assert!((one / two - ratio).abs() < 0.01, "{name}: {}", one / two);
    }
}

#[test]
fn caches_have_their_published_bytes() {
    let bytes = |name: &str| {
        let sizes = of_preset(name);
        sizes.memory(load(&sizes, 2), Dtype::F16)
    };
    for (name, expected) in [("llama-7b", 524_288), ("llama2-70b", 327_680), ("llama3-8b", 131_072)] {
        assert_eq!(bytes(name).cache_per_token, expected, "{name}");
    }
    assert_eq!(bytes("bert-base").cache, 0);
    // Cross-attention keeps as much for a token of the source as self-attention for a token of the target.
    let t5 = bytes("t5-11b");
    assert_eq!((t5.cache_per_token, t5.cache_per_source_token), (2 * 24 * 128 * 128 * 2, t5.cache_per_token));
    assert_eq!(t5.cache, t5.cache_per_token + t5.cache_per_source_token);
}

#[test]
fn memory_follows_batch_tokens_and_dtype() {
    let sizes = tiny("llama");
    let heads = sizes.decoder.as_ref().unwrap().self_attention;
    let at = |tokens, batch, dtype| sizes.memory(Load::new(&sizes, tokens, batch, None).unwrap(), dtype);
    let memory = at(7, 5, Dtype::F32);
    assert_eq!(memory.weights, 4 * total(&sizes.parts()));
    let [forward, training] =
        [sizes.forward(load(&sizes, 7), Pairs::All), sizes.training(load(&sizes, 7), Pairs::All)];
    assert_eq!(training.total(), 3 * forward.total());
    assert_eq!(memory.cache_per_token, (4 * 2 * 3 * heads.kv_heads * heads.head_size) as u128);
    assert_eq!(memory.cache, 5 * 7 * memory.cache_per_token);
    assert_eq!(memory.scores_per_layer, (4 * 5 * heads.heads * 7 * 7) as u128);
    assert_eq!(memory.scores_all_layers, 3 * memory.scores_per_layer);
    assert_eq!(at(7, 5, Dtype::Bf16).cache * 2, memory.cache);
    let mut windowed = sizes.clone();
    windowed.decoder.as_mut().unwrap().sees = Sees::Window(4);
    assert_eq!(windowed.memory(load(&sizes, 7), Dtype::F32).cache, 4 * memory.cache_per_token);
    // T5's source of 5 and target of 6: the encoder's 5·5, the decoder's 6·6 and 6·5.
    let t5 = tiny("t5");
    let split = t5.memory(Load::new(&t5, 11, 1, Some(5)).unwrap(), Dtype::F32);
    assert_eq!(split.scores_per_layer, 4 * 3 * 36);
    assert_eq!(split.scores_all_layers, 4 * 3 * (2 * 25 + 4 * (36 + 30)));
}

#[test]
fn an_encoder_decoder_reads_its_source_once_and_writes_step_by_step() {
    let t5 = tiny("t5");
    let whole = Load::new(&t5, 11, 1, Some(5)).unwrap();
    let decoding = t5.decoding(whole).unwrap();
    let tokens: Vec<_> = decoding.steps.iter().map(|step| step.tokens).collect();
    assert_eq!((decoding.source, tokens), (5, vec![1, 2, 4, 6]));
    // Reading once and six steps together take as many operations as one pass that predicts every position.
    let reading = t5.reading(whole).total();
    assert_eq!(reading + decoding.total_with_cache, t5.forward(whole, Pairs::Allowed).total());
    assert!(decoding.steps.iter().all(|step| step.without_cache > reading + step.with_cache / 2));
}

#[test]
fn a_decoder_writes_with_a_cache_what_one_pass_predicts() {
    for name in ["gpt2", "llama3-8b", "mixtral-8x7b"] {
        let sizes = of_preset(name);
        let decoding = sizes.decoding(load(&sizes, 100)).unwrap();
        let expected = sizes.forward(load(&sizes, 100), Pairs::Allowed).total();
        assert_eq!(decoding.total_with_cache, expected, "{name}");
        let last = decoding.steps.last().unwrap();
        let logits = sizes.forward(load(&sizes, 1), Pairs::Allowed).logits;
        let pass = sizes.forward(load(&sizes, 100), Pairs::Allowed);
        assert_eq!(last.without_cache, pass.total() - 99 * logits, "{name}");
    }
}

#[test]
fn loads_that_cannot_be_are_named() {
    let say = |sizes: &ModelSizes, tokens, batch, source| {
        Load::new(sizes, tokens, batch, source).unwrap_err().to_string()
    };
    let (llama, t5) = (tiny("llama"), tiny("t5"));
    assert_eq!(say(&llama, 38, 1, None), "context is 38, expected at most 37, the context of this llama");
    assert_eq!(say(&llama, 0, 1, None), "context is 0, expected a whole number from 1 to 16777216");
    assert_eq!(say(&llama, 3, 0, None), "batch is 0, expected a whole number from 1 to 16777216");
    assert!(say(&llama, 3, 1, Some(2)).starts_with("source is 2, expected none: a llama has not both"));
    assert_eq!(say(&t5, 7, 1, Some(7)), "source is 7, expected from 1 to 6");
    assert_eq!(say(&t5, 1, 1, None), "context is 1, expected at least 2: a token for either side");
    let bert = tiny("bert");
    let error = bert.decoding(load(&bert, 3)).unwrap_err().to_string();
    let got = "model to decode with is a bert without a decoder";
    assert_eq!(error, format!("{got}, expected one that writes token by token"));
}

#[test]
fn configurations_that_cannot_be_are_named() {
    let say = |value: serde_json::Value| {
        ModelSizes::of(&Config::from_value("here", value).unwrap()).unwrap_err().to_string()
    };
    let edited = |name: &str, field: &str, value: serde_json::Value| {
        let path = fixtures().join("tiny").join(name).join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        config[field] = value;
        say(config)
    };
    let error = edited("gpt2", "model_type", "mamba".into());
    assert!(error.starts_with("here: model_type is \"mamba\", expected one of"));
    let expected = "here: n_embd is 24, expected a multiple of n_head = 5 (or head_size beside it)";
    assert_eq!(edited("gpt2", "n_head", 5.into()), expected);
    let error = edited("llama", "num_key_value_heads", 4.into());
    assert_eq!(error, "here: num_key_value_heads is 4, expected a divisor of num_attention_heads = 6");
    let error = edited("mixtral", "num_experts_per_tok", 5.into());
    assert_eq!(error, "here: num_experts_per_tok is 5, expected at most num_local_experts = 4");
    let error = edited("t5", "feed_forward_proj", "gated-mish".into());
    assert_eq!(
        error,
        "here: feed_forward_proj is \"gated-mish\", expected \"relu\", \"gelu\" or \"silu\", or one of them \
         behind \"gated-\""
    );
}

#[test]
fn linear_attention_costs_the_same_at_every_step_and_keeps_sums() {
    let mut config = preset::find("gpt2").unwrap().config().unwrap().to_json();
    let softmax = ModelSizes::of(&Config::from_value("here", config.clone()).unwrap()).unwrap();
    config["attention"] = "linear".into();
    config["head_size"] = 48.into();
    let linear = ModelSizes::of(&Config::from_value("here", config).unwrap()).unwrap();
    let steps = linear.decoding(load(&linear, 900)).unwrap().steps;
    assert!(steps.iter().all(|step| step.with_cache == steps[0].with_cache));
    let pass = linear.forward(load(&linear, 900), Pairs::All);
    assert_eq!(pass.attention, 12 * 4 * 12 * 48 * 48 * 900);
    let memory = linear.memory(load(&linear, 900), Dtype::F16);
    assert_eq!((memory.cache_per_token, memory.scores_per_layer), (0, 0));
    assert_eq!((memory.state_per_sequence, memory.cache), (2 * 12 * 12 * 48 * 49, memory.state_per_sequence));
    // Heads of 48 instead of 64: three quarters of the attention's matrices and inner biases.
    let of = |sizes: &ModelSizes| {
        sizes.parts().into_iter().find(|part| part.name.ends_with("self_attention")).unwrap()
    };
    let (whole, less) = (12 * (4 * 768 * 768 + 4 * 768), 12 * (4 * 768 * 576 + 3 * 576 + 768));
    assert_eq!((of(&softmax).parameters, of(&linear).parameters), (whole, less));
}
