//! The table of small models, and the helpers that the suites share.

use std::path::{Path, PathBuf};

use rankscope::model::store::Store;
use rankscope::model::{self, Config, FAMILIES, Input, MaskChoice, Model};
use rankscope::prelude::*;
use serde_json::{Value, json};

use crate::compare;
pub use crate::devices::{devices, gpu, skipped};

/// The ids that an encoder reads in tests about the decoder.
pub const SOURCE: [u32; 6] = [11, 48, 3, 17, 52, 60];

/// A small model: its family's name, with the variant if it is one; `tiny/…` for a checkpoint of the fixtures.
pub struct Entry {
    pub name: String,
    pub config: Value,
    folder: Option<PathBuf>,
}

impl Entry {
    pub fn config(&self) -> Config {
        Config::from_value(&self.name, self.config.clone()).unwrap()
    }

    pub fn model(&self) -> Box<dyn Model> {
        self.on(&Device::Cpu)
    }

    pub fn on(&self, device: &Device) -> Box<dyn Model> {
        let model = match &self.folder {
            Some(folder) => model::load(folder, device),
            None => model::seeded(&self.config(), 7, device),
        };
        model.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The same model with other `fields`.
    pub fn with(self, fields: Value) -> Self {
        Entry { config: merged(&self.config, &fields), folder: None, ..self }
    }

    pub fn is_fixture(&self) -> bool {
        self.folder.is_some()
    }

    fn is_of(&self, families: &[&str]) -> bool {
        families.contains(&self.config["model_type"].as_str().unwrap())
    }

    pub fn is_pair(&self) -> bool {
        self.is_of(&["t5", "redllm"])
    }

    /// Whether this is a model that `transformers` knows.
    pub fn is_published(&self) -> bool {
        let is_plain = self.name == self.config["model_type"] && !self.is_of(&["unilm", "decllm", "redllm"]);
        is_plain || self.name.starts_with("t5 with")
    }

    /// One sequence; for an encoder-decoder, the decoder's, with [`SOURCE`] for the encoder.
    pub fn input(&self, ids: Vec<u32>) -> Input {
        self.batch(ids, 1)
    }

    pub fn batch(&self, ids: Vec<u32>, batch: usize) -> Input {
        match self.is_pair() {
            true => Input::batch(SOURCE.repeat(batch), batch).unwrap().with_decoder(ids),
            false => Input::batch(ids, batch).unwrap(),
        }
    }

    /// Another mask; for an encoder-decoder, the decoder's.
    pub fn under(&self, mask: Mask) -> MaskChoice {
        if self.is_pair() { MaskChoice::Decoder(mask) } else { MaskChoice::Override(mask) }
    }

    /// Logits of one sequence, one row for each position.
    pub fn rows(&self, ids: Vec<u32>, mask: &MaskChoice) -> Vec<Vec<f32>> {
        rows(&*self.model(), &self.input(ids), mask)
    }
}

pub fn merged(config: &Value, fields: &Value) -> Value {
    let mut config = config.clone();
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

/// New models of every family, and variants of them. B = 2, L = 3, G = 4 and T = 5 to 9 of the tests and H, D, HD, C, F,
/// V and the positions all differ, except H·D = C, which GPT and BERT require, and H = 4 where there is no G.
pub fn zoo() -> Vec<Entry> {
    let (bert, gpt2, t5) = (bert(), gpt2(), t5());
    let with = |name: &str, base: &Value, fields: Value| Entry {
        name: name.into(),
        config: merged(base, &fields),
        folder: None,
    };
    let entry = |name: &str, config: Value| with(name, &config, json!({}));
    let roberta = json!({"model_type": "roberta", "architectures": ["RobertaForMaskedLM"],
                         "max_position_embeddings": 25, "pad_token_id": 1});
    vec![
        entry("openai-gpt", gpt1()),
        entry("gpt2", gpt2.clone()),
        entry("bert", bert.clone()),
        with("roberta", &bert, roberta),
        entry("distilbert", distilbert()),
        with("unilm", &bert, json!({"model_type": "unilm", "prefix_length": 3})),
        entry("llama", llama("llama", "Llama", json!({"attention_bias": true, "mlp_bias": true}))),
        entry("mistral", llama("mistral", "Mistral", json!({"sliding_window": 3, "head_dim": 12}))),
        entry("qwen2", llama("qwen2", "Qwen2", json!({"tie_word_embeddings": true}))),
        entry(
            "mixtral",
            llama("mixtral", "Mixtral", json!({"num_local_experts": 13, "num_experts_per_tok": 3})),
        ),
        entry("decllm", llama("decllm", "DecLLM", json!({"tie_word_embeddings": true}))),
        entry("redllm", red()),
        entry("t5", t5.clone()),
        with("t5 with gelu", &t5, json!({"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false})),
        with("t5 with silu", &t5, json!({"feed_forward_proj": "gated-silu", "tie_word_embeddings": false})),
        with("bert with large heads", &bert, json!({"head_size": 13})),
        with("bert with mixed directions", &bert, json!({"directions": "mixed"})),
        with("bert with alternating directions", &bert, json!({"directions": "alternating"})),
        with("bert with linear attention", &bert, json!({"attention": "linear"})),
        with("gpt2 with large heads", &gpt2, json!({"head_size": 13})),
        with("gpt2 with linear attention", &gpt2, json!({"attention": "linear", "feature_map": "relu"})),
        with("gpt2 with sinks and a gate", &gpt2, json!({"attention_sinks": true, "attention_gate": true})),
        with("gpt2 with differential attention", &gpt2, json!({"attention": "differential"})),
        with("gpt2 with sigmoid attention", &gpt2, json!({"attention": "sigmoid"})),
        with("gpt2 with state spaces", &gpt2, json!({"attention": "state-space", "attention_gate": true})),
        with("bert with sinks", &bert, json!({"attention_sinks": true})),
        with(
            "bert with differential attention",
            &bert,
            json!({"attention": "differential", "head_size": 14}),
        ),
        with("bert with sigmoid attention", &bert, json!({"attention": "sigmoid", "attention_gate": true})),
        with("bert with state spaces", &bert, json!({"attention": "state-space"})),
        with("gpt2 without positions", &gpt2, json!({"positions": "none"})),
        with("gpt2 with rotary positions", &gpt2, json!({"positions": "rotary", "rope_theta": 500.0})),
        with("gpt2 with alibi", &gpt2, json!({"positions": "alibi"})),
        with("gpt2 with relative positions", &gpt2, json!({"positions": "relative"})),
        with("bert without positions", &bert, json!({"positions": "none", "directions": "mixed"})),
        with("bert with rotary positions", &bert, json!({"positions": "rotary"})),
        with("bert with alibi", &bert, json!({"positions": "alibi"})),
        with("bert with relative positions", &bert, json!({"positions": "relative"})),
    ]
}

/// The checkpoints of the fixtures, whose outputs `transformers` has computed.
pub fn tiny() -> Vec<Entry> {
    let folders = std::fs::read_dir(fixtures().join("tiny")).unwrap().map(|entry| entry.unwrap().path());
    let entry = |folder: PathBuf| Entry {
        name: format!("tiny/{}", folder.file_name().unwrap().to_str().unwrap()),
        config: read_json(&folder.join("config.json")),
        folder: Some(folder),
    };
    folders.map(entry).collect()
}

/// All small models: new ones, and the checkpoints of the fixtures.
pub fn all() -> Vec<Entry> {
    zoo().into_iter().chain(tiny()).collect()
}

pub fn entry(name: &str) -> Entry {
    all().into_iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("no small {name}"))
}

#[test]
fn every_family_is_in_the_zoo_and_says_how_many_stacks_it_has() {
    for family in FAMILIES {
        let (entry, name) = (entry(family.name), family.name);
        let model = entry.model();
        let result = model.description().expect_one_stack("toy").map_err(|error| error.to_string());
        assert_eq!(entry.is_pair(), family.is_pair, "{name}");
        match family.is_pair {
            false => assert_eq!(result, Ok(())),
            true => {
                let expected = format!("model is toy, an encoder-decoder of family {name}, expected one");
                assert!(result.unwrap_err().starts_with(&expected), "{name}");
            }
        }
    }
    assert_eq!(tiny().len(), 12);
}

fn gpt1() -> Value {
    json!({
        "model_type": "openai-gpt", "architectures": ["OpenAIGPTLMHeadModel"], "afn": "gelu", "n_embd": 40,
        "n_head": 4, "n_layer": 3, "n_positions": 23, "vocab_size": 61, "layer_norm_epsilon": 1e-5,
    })
}

fn gpt2() -> Value {
    json!({
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new",
        "n_embd": 40, "n_head": 4, "n_inner": 33, "n_layer": 3, "n_positions": 23, "vocab_size": 61,
        "layer_norm_epsilon": 1e-5, "bos_token_id": null, "eos_token_id": null,
    })
}

fn bert() -> Value {
    json!({
        "model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "hidden_size": 40,
        "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 33, "vocab_size": 61,
        "max_position_embeddings": 23, "type_vocab_size": 17, "layer_norm_eps": 1e-12, "pad_token_id": 0,
    })
}

fn distilbert() -> Value {
    json!({
        "model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"], "activation": "gelu",
        "dim": 40, "n_heads": 4, "n_layers": 3, "hidden_dim": 33, "vocab_size": 61,
        "max_position_embeddings": 23, "pad_token_id": 0,
    })
}

fn llama(family: &str, class: &str, more: Value) -> Value {
    let config = json!({
        "model_type": family, "architectures": [format!("{class}ForCausalLM")], "hidden_act": "silu",
        "hidden_size": 32, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 10, "num_hidden_layers": 3,
        "intermediate_size": 41, "vocab_size": 61, "max_position_embeddings": 23, "rms_norm_eps": 1e-5,
        "rope_theta": 500.0, "tie_word_embeddings": false, "bos_token_id": null, "eos_token_id": null,
        "pad_token_id": null,
    });
    merged(&config, &more)
}

fn red() -> Value {
    json!({
        "model_type": "redllm", "vocab_size": 67, "hidden_size": 20, "intermediate_size": 44,
        "num_encoder_layers": 3, "num_decoder_layers": 4, "num_attention_heads": 18, "num_key_value_heads": 9,
        "head_dim": 10, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 500.0,
        "max_position_embeddings": 25,
    })
}

fn t5() -> Value {
    json!({
        "model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 71, "d_model": 22,
        "d_kv": 6, "d_ff": 37, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 5,
        "relative_attention_num_buckets": 8, "relative_attention_max_distance": 5,
        "layer_norm_epsilon": 1e-6, "feed_forward_proj": "relu", "tie_word_embeddings": true,
        "is_encoder_decoder": true, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
    })
}

/// The folder of fixtures in the source tree.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The checkpoint that ships with the source.
pub fn glass_en() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/checkpoints/glass-en")
}

/// The folder of a model that is pulled and not shipped; `None`, reported and counted as skipped, if it is not
/// installed.
#[track_caller]
pub fn installed(name: &str) -> Option<PathBuf> {
    let folder = Store::open().and_then(|store| store.find(name)).ok();
    if folder.is_none() {
        skipped(&format!("{name} is not installed (the README says how to get it)"));
    }
    folder
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Ids that all differ, none of them 0 or 1, which are padding in some families.
pub fn ids(length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| 2 + (i * 37 + 11) % 59).collect()
}

pub fn rows(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Vec<Vec<f32>> {
    let output = model.forward(input, mask, &mut Unobserved, &Run::default()).unwrap();
    let logits = output.logits.expect("every model of the table has a head").to_vec().unwrap();
    logits.chunks(model.description().vocab).map(<[f32]>::to_vec).collect()
}

pub fn hidden(model: &dyn Model, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe) -> Vec<f32> {
    model.hidden(input, mask, probe, &Run::default()).unwrap().to_vec().unwrap()
}

/// Every intermediate of a pass under the trained mask.
pub fn trace(model: &dyn Model, input: &Input) -> Trace {
    let mut trace = Trace::all();
    model.forward(input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
    trace
}

pub fn values(trace: &Trace, name: &str) -> Vec<f32> {
    trace.get(name).unwrap_or_else(|| panic!("{name}")).to_vec().unwrap()
}

/// The largest difference of rows.
pub fn far(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    compare::far(&a.concat(), &b.concat())
}

/// The message of an error, in one line.
#[track_caller]
pub fn said<T>(result: Result<T>) -> String {
    let said = result.map(drop).expect_err("this should have failed").to_string();
    assert!(!said.contains('\n'), "one line: {said}");
    said
}

/// Two probes, one after the other.
pub struct Both<'a>(pub &'a mut dyn Probe, pub &'a mut dyn Probe);

impl Probe for Both<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = self.0.visit(name, value)?;
        self.1.visit(name, value)
    }
}
