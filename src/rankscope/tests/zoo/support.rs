//! The table of small models, and what the suites share.

use std::path::{Path, PathBuf};

use rankscope::model::Output;
use rankscope::model::store::Store;

use crate::compare;

pub use crate::devices::{devices, gpu, skipped};
pub use rankscope::model::{self, Config, FAMILIES, Input, KvCache, MaskChoice, Model, Tokenizer};
pub use rankscope::prelude::*;
pub use serde_json::{Value, json};

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

/// What the table below begins with: a configuration for each kind of model.
const BASES: &str = r#"{
"openai-gpt": {"model_type": "openai-gpt", "architectures": ["OpenAIGPTLMHeadModel"], "afn": "gelu",
  "n_embd": 40, "n_head": 4, "n_layer": 3, "n_positions": 23, "vocab_size": 61, "layer_norm_epsilon": 1e-5},
"gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new",
  "n_embd": 40, "n_head": 4, "n_inner": 33, "n_layer": 3, "n_positions": 23, "vocab_size": 61,
  "layer_norm_epsilon": 1e-5, "bos_token_id": null, "eos_token_id": null},
"bert": {"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "hidden_size": 40,
  "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 33, "vocab_size": 61,
  "max_position_embeddings": 23, "type_vocab_size": 17, "layer_norm_eps": 1e-12, "pad_token_id": 0},
"distilbert": {"model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"], "activation": "gelu",
  "dim": 40, "n_heads": 4, "n_layers": 3, "hidden_dim": 33, "vocab_size": 61, "max_position_embeddings": 23,
  "pad_token_id": 0},
"llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
  "hidden_size": 32, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 10,
  "num_hidden_layers": 3, "intermediate_size": 41, "vocab_size": 61, "max_position_embeddings": 23,
  "rms_norm_eps": 1e-5, "rope_theta": 500.0, "tie_word_embeddings": false, "bos_token_id": null, "eos_token_id": null,
  "pad_token_id": null},
"redllm": {"model_type": "redllm", "vocab_size": 67, "hidden_size": 20, "intermediate_size": 44,
  "num_encoder_layers": 3, "num_decoder_layers": 4, "num_attention_heads": 18, "num_key_value_heads": 9,
  "head_dim": 10, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 500.0,
  "max_position_embeddings": 25},
"t5": {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 71, "d_model": 22,
  "d_kv": 6, "d_ff": 37, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 5,
  "relative_attention_num_buckets": 8, "relative_attention_max_distance": 5, "layer_norm_epsilon": 1e-6,
  "feed_forward_proj": "relu", "tie_word_embeddings": true, "is_encoder_decoder": true,
  "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
}"#;

/// New models of every family, and variants of them: name, fields beside those of the base, base.
///
/// B = 2, L = 3, G = 4 and T = 5 to 9 of the tests and H, D, HD, C, F, V and the positions all differ, except H·D = C,
/// which GPT and BERT require, and H = 4 where there is no G.
const ZOO: &str = r#"
openai-gpt | {} | openai-gpt
gpt2 | {} | gpt2
bert | {} | bert
roberta | {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "max_position_embeddings": 25, "pad_token_id": 1} | bert
distilbert | {} | distilbert
unilm | {"model_type": "unilm", "prefix_length": 3} | bert
llama | {"attention_bias": true, "mlp_bias": true} | llama
mistral | {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 3, "head_dim": 12} | llama
qwen2 | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": true} | llama
mixtral | {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 13, "num_experts_per_tok": 3} | llama
decllm | {"model_type": "decllm", "architectures": ["DecLLMForCausalLM"], "tie_word_embeddings": true} | llama
redllm | {} | redllm
t5 | {} | t5
t5 with gelu | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false} | t5
t5 with silu | {"feed_forward_proj": "gated-silu", "tie_word_embeddings": false} | t5
bert with large heads | {"head_size": 13} | bert
bert with mixed directions | {"directions": "mixed"} | bert
bert with alternating directions | {"directions": "alternating"} | bert
bert with linear attention | {"attention": "linear"} | bert
gpt2 with large heads | {"head_size": 13} | gpt2
gpt2 with linear attention | {"attention": "linear", "feature_map": "relu"} | gpt2
gpt2 with sinks and a gate | {"attention_sinks": true, "attention_gate": true} | gpt2
gpt2 with differential attention | {"attention": "differential"} | gpt2
gpt2 with sigmoid attention | {"attention": "sigmoid"} | gpt2
gpt2 with state spaces | {"attention": "state-space", "attention_gate": true} | gpt2
bert with sinks | {"attention_sinks": true} | bert
bert with differential attention | {"attention": "differential", "head_size": 14} | bert
bert with sigmoid attention | {"attention": "sigmoid", "attention_gate": true} | bert
bert with state spaces | {"attention": "state-space"} | bert
gpt2 without positions | {"positions": "none"} | gpt2
gpt2 with rotary positions | {"positions": "rotary", "rope_theta": 500.0} | gpt2
gpt2 with alibi | {"positions": "alibi"} | gpt2
gpt2 with relative positions | {"positions": "relative"} | gpt2
bert without positions | {"positions": "none", "directions": "mixed"} | bert
bert with rotary positions | {"positions": "rotary"} | bert
bert with alibi | {"positions": "alibi"} | bert
bert with relative positions | {"positions": "relative"} | bert
"#;

/// The lines of a table: a text, JSON and another text.
pub fn cases(table: &'static str) -> impl Iterator<Item = (&'static str, Value, &'static str)> {
    table.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut parts = line.splitn(3, " | ");
        let mut part = || parts.next().unwrap();
        (part(), serde_json::from_str(part()).unwrap(), part())
    })
}

pub fn zoo() -> Vec<Entry> {
    let bases: Value = serde_json::from_str(BASES).unwrap();
    let entry = |(name, fields, base): (&str, Value, &str)| Entry {
        name: name.to_owned(),
        config: merged(&bases[base], &fields),
        folder: None,
    };
    cases(ZOO).map(entry).collect()
}

pub fn folders_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The checkpoints of the fixtures, whose outputs `transformers` has computed.
pub fn tiny() -> Vec<Entry> {
    let entry = |folder: PathBuf| Entry {
        name: format!("tiny/{}", folder.file_name().unwrap().to_str().unwrap()),
        config: read_json(&folder.join("config.json")),
        folder: Some(folder),
    };
    folders_in(&fixtures().join("tiny")).into_iter().map(entry).collect()
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

/// The folder of fixtures in the source tree.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The checkpoint that ships with the source.
pub fn glass_en() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/checkpoints/glass-en")
}

/// The folder of a model that is pulled and not shipped; `None`, reported and counted as skipped, if not installed.
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

/// Padding after the first `real` of `length` tokens.
pub fn behind(real: usize, length: usize) -> Padding {
    Padding::new((0..length).map(|at| at < real).collect(), length).unwrap()
}

/// The pass under the trained mask.
pub fn pass(model: &dyn Model, input: &Input, probe: &mut dyn Probe) -> Output {
    model.forward(input, &MaskChoice::AsTrained, probe, &Run::default()).unwrap()
}

/// Every intermediate of a pass under the trained mask.
pub fn trace(model: &dyn Model, input: &Input) -> Trace {
    let mut trace = Trace::all();
    pass(model, input, &mut trace);
    trace
}

pub fn rows(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Vec<Vec<f32>> {
    let output = model.forward(input, mask, &mut Unobserved, &Run::default()).unwrap();
    let logits = output.logits.expect("every model of the table has a head").to_vec().unwrap();
    logits.chunks(model.description().vocab).map(<[f32]>::to_vec).collect()
}

/// The last hidden states, or why there are none.
pub fn states(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Result<Tensor> {
    model.hidden(input, mask, &mut Unobserved, &Run::default())
}

pub fn hidden(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Vec<f32> {
    states(model, input, mask).unwrap().to_vec().unwrap()
}

/// As [`states`], for tokens that follow those in the cache.
pub fn after(model: &dyn Model, cache: &mut KvCache, input: &Input, mask: &MaskChoice) -> Result<Tensor> {
    model.hidden_after(cache, input, mask, &mut Unobserved, &Run::default())
}

/// The last hidden states of one input after the other, read with a cache, and the cache.
pub fn in_pieces(model: &dyn Model, inputs: &[Input], mask: &MaskChoice) -> (Vec<Vec<f32>>, KvCache) {
    let mut cache = model.cache(inputs[0].batch_size()).unwrap();
    let read = |input| after(model, &mut cache, input, mask).unwrap().to_vec().unwrap();
    (inputs.iter().map(read).collect(), cache)
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

/// Checks that there is an error, of one line, with this text.
#[track_caller]
pub fn fails<T>(result: Result<T>, expected: &str) {
    let said = said(result);
    assert!(said.contains(expected), "{said:?} should contain {expected:?}");
}

/// Two probes, one after the other.
pub struct Both<'a>(pub &'a mut dyn Probe, pub &'a mut dyn Probe);

impl Probe for Both<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = self.0.visit(name, value)?;
        self.1.visit(name, value)
    }
}
