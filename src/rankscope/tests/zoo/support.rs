//! A small configuration of every family, and what the tests share.

use rankscope::model::{self, Config, FAMILIES, Input, MaskChoice, Model};
use rankscope::prelude::*;
use serde_json::{Value, json};

use crate::compare;
pub use crate::devices::{gpu, skipped};

/// A small model: its family's name, or that and what is special about it.
pub struct Entry {
    pub name: &'static str,
    pub config: Value,
}

impl Entry {
    pub fn config(&self) -> Config {
        Config::from_value(self.name, self.config.clone()).unwrap()
    }

    pub fn model(&self) -> Box<dyn Model> {
        self.on(&Device::Cpu)
    }

    pub fn on(&self, device: &Device) -> Box<dyn Model> {
        model::seeded(&self.config(), 7, device).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Whether this is a model that `transformers` knows.
    pub fn is_published(&self) -> bool {
        self.name == self.config["model_type"] && !["unilm", "decllm"].contains(&self.name)
    }
}

/// One entry for each family, and the variants. B = 2, L = 3, G = 4 and T = 5 to 9 of the tests and H, D, HD, C, F, V
/// and the positions all differ, but for H·D = C, which GPT and BERT are made so, and H = 4 where there is no G.
pub fn zoo() -> Vec<Entry> {
    let bert = bert();
    let gpt2 = gpt2();
    let with = |name, base: &Value, fields: Value| {
        let mut config = base.clone();
        config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Entry { name, config }
    };
    let entry = |name, config| Entry { name, config };
    let unilm = json!({"model_type": "unilm", "prefix_length": 3});
    vec![
        entry("openai-gpt", gpt1()),
        entry("gpt2", gpt2.clone()),
        entry("bert", bert.clone()),
        entry("roberta", roberta()),
        entry("distilbert", distilbert()),
        with("unilm", &bert, unilm),
        entry("llama", llama("llama", "Llama", json!({"attention_bias": true, "mlp_bias": true}))),
        entry("mistral", llama("mistral", "Mistral", json!({"sliding_window": 3, "head_dim": 12}))),
        entry("qwen2", llama("qwen2", "Qwen2", json!({"tie_word_embeddings": true}))),
        entry(
            "mixtral",
            llama("mixtral", "Mixtral", json!({"num_local_experts": 13, "num_experts_per_tok": 3})),
        ),
        entry("decllm", llama("decllm", "DecLLM", json!({"tie_word_embeddings": true}))),
        with("bert with large heads", &bert, json!({"head_size": 13})),
        with("bert in mixed directions", &bert, json!({"directions": "mixed"})),
        with("bert in alternating directions", &bert, json!({"directions": "alternating"})),
        with("bert with linear attention", &bert, json!({"attention": "linear"})),
        with("gpt2 with large heads", &gpt2, json!({"head_size": 13})),
        with("gpt2 with linear attention", &gpt2, json!({"attention": "linear", "feature_map": "relu"})),
    ]
}

#[test]
fn every_family_of_one_stack_is_in_the_zoo() {
    let zoo = zoo();
    for family in FAMILIES.iter().filter(|family| !family.is_pair) {
        assert!(zoo.iter().any(|entry| entry.name == family.name), "no small {}", family.name);
    }
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

fn roberta() -> Value {
    let mut config = bert();
    config["model_type"] = "roberta".into();
    config["architectures"] = json!(["RobertaForMaskedLM"]);
    config["max_position_embeddings"] = 25.into();
    config["pad_token_id"] = 1.into();
    config
}

fn distilbert() -> Value {
    json!({
        "model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"], "activation": "gelu",
        "dim": 40, "n_heads": 4, "n_layers": 3, "hidden_dim": 33, "vocab_size": 61,
        "max_position_embeddings": 23, "pad_token_id": 0,
    })
}

fn llama(family: &str, class: &str, more: Value) -> Value {
    let mut config = json!({
        "model_type": family, "architectures": [format!("{class}ForCausalLM")], "hidden_act": "silu",
        "hidden_size": 32, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 10, "num_hidden_layers": 3,
        "intermediate_size": 41, "vocab_size": 61, "max_position_embeddings": 23, "rms_norm_eps": 1e-5,
        "rope_theta": 500.0, "tie_word_embeddings": false, "bos_token_id": null, "eos_token_id": null,
        "pad_token_id": null,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// Ids that all differ, none of them 0 or 1, which are padding somewhere.
pub fn ids(length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| 2 + (i * 37 + 11) % 59).collect()
}

/// Logits, one row for each position.
pub fn rows(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Vec<Vec<f32>> {
    let output = model.forward(input, mask, &mut Unobserved, &Run::default()).unwrap();
    let logits = output.logits.expect("every model of the zoo has a head").to_vec().unwrap();
    logits.chunks(model.description().vocab).map(<[f32]>::to_vec).collect()
}

pub fn under(mask: Mask) -> MaskChoice {
    MaskChoice::Override(mask)
}

/// The largest difference of rows.
pub fn far(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    compare::far(&a.concat(), &b.concat())
}
