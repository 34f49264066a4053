//! Contradictory configurations and checkpoints that hold something else: one line that names the field, or the
//! tensor and both shapes.

use std::path::Path;

use rankscope::model::{self, Config};
use rankscope::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::support::zoo;

fn said_of(family: &str, fields: Value) -> String {
    let mut config = zoo().into_iter().find(|entry| entry.name == family).unwrap().config;
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let config = Config::from_value("toy.json", config).unwrap();
    let said = model::seeded(&config, 7, &Device::Cpu).map(drop).unwrap_err().to_string();
    assert!(said.starts_with("toy.json: ") && !said.contains('\n'), "{said}");
    said
}

#[test]
fn contradictory_configurations_name_the_field() {
    let cases = [
        (
            "gpt2",
            json!({"n_head": 3}),
            "n_embd is 40, expected a multiple of n_head = 3 (or head_size beside it)",
        ),
        ("openai-gpt", json!({"n_head": 3}), "n_embd is 40, expected a multiple of n_head = 3"),
        (
            "bert",
            json!({"num_attention_heads": 3}),
            "hidden_size is 40, expected a multiple of num_attention_heads",
        ),
        ("distilbert", json!({"n_heads": 3}), "dim is 40, expected a multiple of n_heads = 3"),
        (
            "llama",
            json!({"num_attention_heads": 12, "head_dim": null}),
            "hidden_size is 32, expected a multiple of",
        ),
        ("qwen2", json!({"num_key_value_heads": 3}), "num_key_value_heads is 3, expected a divisor of"),
        (
            "mixtral",
            json!({"num_experts_per_tok": 14}),
            "num_experts_per_tok is 14, expected at most num_local_experts = 13",
        ),
        (
            "qwen2",
            json!({"layer_types": vec!["full_attention"; 2]}),
            "layer_types is a list of 2, expected 3, one for each of num_hidden_layers",
        ),
        (
            "qwen2",
            json!({"layer_types": ["full_attention", "sliding_attention", "full_attention"]}),
            "layer_types is \"sliding_attention\" in a layer, expected \"full_attention\": there is no window",
        ),
        (
            "qwen2",
            json!({"layer_types": ["full_attention", "full_attention", "linear_attention"]}),
            "layer_types is \"linear_attention\" in a layer, expected \"full_attention\" or \"sliding_attention\"",
        ),
        (
            "mistral",
            json!({"sliding_window": 0}),
            "sliding_window is 0, expected at least 1, which is the position itself, or null for no window",
        ),
        ("llama", json!({"hidden_act": "prelu"}), "hidden_act is \"prelu\", expected one of \"gelu\""),
        (
            "gpt2",
            json!({"activation_function": "mish"}),
            "activation_function is \"mish\", expected one of \"gelu\", ",
        ),
        ("openai-gpt", json!({"afn": "tanh"}), "afn is \"tanh\", expected \"gelu\", "),
        (
            "llama",
            json!({"attention": "linear"}),
            "attention is \"linear\", expected absent: llama has no variants, as bert and gpt2 have",
        ),
        ("mixtral", json!({"head_size": 7}), "head_size is 7, expected absent"),
        ("qwen2", json!({"rms_norm_eps": -1.0}), "rms_norm_eps is -1, expected a number from 0 on"),
        ("gpt2", json!({"layer_norm_epsilon": -0.5}), "layer_norm_epsilon is -0.5, expected a number from"),
        ("bert", json!({"layer_norm_eps": -1}), "layer_norm_eps is -1, expected a number from 0 on"),
        ("gpt2", json!({"n_layer": 0}), "n_layer is 0, expected a whole number from 1 to 10000"),
        ("gpt2", json!({"directions": "mixed"}), "directions is \"mixed\", expected absent"),
        ("bert", json!({"directions": "up"}), "directions is \"up\", expected \"mixed\" or \"alternating\""),
        (
            "bert",
            json!({"directions": "mixed", "num_attention_heads": 5}),
            "num_attention_heads is 5, expected an even number",
        ),
        (
            "bert",
            json!({"attention": "cosine"}),
            "attention is \"cosine\", expected \"softmax\" or \"linear\"",
        ),
        ("bert", json!({"feature_map": "relu"}), "feature_map is \"relu\", expected absent"),
        (
            "bert",
            json!({"attention": "linear", "feature_map": "exp"}),
            "feature_map is \"exp\", expected \"elu+1\" or \"relu\"",
        ),
        ("bert", json!({"prefix_length": 3}), "prefix_length is 3, expected absent"),
        ("unilm", json!({"directions": "mixed"}), "prefix_length is 3, expected absent"),
        ("bert", json!({"add_cross_attention": true}), "add_cross_attention is true, expected false"),
        ("gpt2", json!({"add_cross_attention": true}), "add_cross_attention is true, expected false"),
        (
            "gpt2",
            json!({"attention": "linear", "scale_attn_weights": false}),
            "scale_attn_weights is false, expected true: linear attention has no scores",
        ),
        (
            "roberta",
            json!({"max_position_embeddings": 2}),
            "max_position_embeddings is 2, expected more than 2",
        ),
        (
            "bert",
            json!({"architectures": ["GPT2LMHeadModel"]}),
            "architectures is \"GPT2LMHeadModel\", expected a class",
        ),
    ];
    for (family, fields, expected) in cases {
        let said = said_of(family, fields);
        assert!(said.contains(expected), "{said:?} should contain {expected:?}");
    }
    let error = Config::from_value("list.json", json!([1])).unwrap_err().to_string();
    assert_eq!(error, "list.json: [1] is not a JSON object");
}

type Tensors = std::collections::BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

/// Saves the small model of the family, edits the tensors of the file, and loads it again.
fn reloaded(family: &str, edit: impl FnOnce(&mut Tensors)) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    zoo().into_iter().find(|entry| entry.name == family).unwrap().model().record().save(folder.path())?;
    let path = folder.path().join("model.safetensors");
    edit_file(&path, edit);
    model::load(folder.path(), &Device::Cpu).map(drop)
}

fn edit_file(path: &Path, edit: impl FnOnce(&mut Tensors)) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let own = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Tensors = file.tensors().into_iter().map(|(name, view)| (name, own(view))).collect();
    edit(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let whole = safetensors::serialize(views, None).unwrap();
    std::fs::write(path, whole).unwrap();
}

fn floats(shape: Vec<usize>) -> (safetensors::Dtype, Vec<usize>, Vec<u8>) {
    let count: usize = shape.iter().product();
    (safetensors::Dtype::F32, shape, vec![0; 4 * count])
}

#[test]
fn missing_extra_and_wrongly_shaped_tensors_are_named() {
    let said = |family: &str, edit: fn(&mut Tensors)| reloaded(family, edit).unwrap_err().to_string();
    let missing = said("gpt2", |tensors| drop(tensors.remove("transformer.h.1.mlp.c_fc.bias")));
    assert!(
        missing.ends_with("tensor transformer.h.1.mlp.c_fc.bias is missing, expected [F=33]"),
        "{missing}"
    );
    let wrong = said("gpt2", |tensors| {
        tensors.insert("transformer.h.0.attn.c_attn.weight".into(), floats(vec![120, 40]));
    });
    let expected = "tensor transformer.h.0.attn.c_attn.weight has shape [120, 40], expected [C=40, M=120]";
    assert!(wrong.ends_with(expected), "{wrong}");
    let extra = said("bert", |tensors| {
        tensors.insert("bert.encoder.layer.3.output.dense.bias".into(), floats(vec![40]));
        tensors.insert("bert.encoder.layer.3.output.dense.weight".into(), floats(vec![40, 33]));
    });
    let expected = "tensor bert.encoder.layer.3.output.dense.bias (and another) is not part of this model";
    assert!(extra.contains(expected) && extra.contains("model.safetensors: "), "{extra}");
    let expert = said("mixtral", |tensors| {
        let name = "model.layers.0.block_sparse_moe.experts.13.w1.weight";
        tensors.insert(name.into(), floats(vec![41, 32]));
    });
    assert!(expert.contains("experts.13.w1.weight is not part of this model"), "{expert}");
}

#[test]
fn what_checkpoints_carry_along_is_no_error() {
    let cases: [(&str, &str, Vec<usize>); 6] = [
        ("gpt2", "transformer.h.0.attn.bias", vec![1, 1, 23, 23]),
        ("gpt2", "transformer.h.1.attn.masked_bias", vec![]),
        ("openai-gpt", "transformer.h.0.attn.bias", vec![1, 1, 23, 23]),
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", vec![5]),
        ("bert", "bert.embeddings.position_ids", vec![1, 23]),
        ("bert", "cls.seq_relationship.weight", vec![2, 40]),
    ];
    for (family, name, shape) in cases {
        reloaded(family, |tensors| drop(tensors.insert(name.to_owned(), floats(shape))))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn names_without_their_prefix_and_the_oldest_norms_load() {
    let bare = |tensors: &mut Tensors| {
        let all = std::mem::take(tensors);
        tensors.extend(all.into_iter().map(|(name, tensor)| (name.replace("transformer.", ""), tensor)));
    };
    for family in ["gpt2", "openai-gpt"] {
        reloaded(family, bare).unwrap_or_else(|error| panic!("{error}"));
    }
    let old = |tensors: &mut Tensors| {
        let all = std::mem::take(tensors);
        let rename = |name: String| {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        };
        tensors.extend(all.into_iter().map(|(name, tensor)| (rename(name), tensor)));
    };
    reloaded("bert", old).unwrap_or_else(|error| panic!("{error}"));
}
