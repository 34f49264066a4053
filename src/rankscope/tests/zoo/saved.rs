//! What is saved is what was built, and an outline is what is saved.

use rankscope::model::{self, Checkpoint, Config, Input, MaskChoice};
use rankscope::prelude::*;
use serde_json::json;

use crate::support::{far, ids, rows, zoo};

#[test]
fn what_was_saved_loads_and_computes_the_same_bit_for_bit() {
    for entry in zoo() {
        let (model, folder) = (entry.model(), tempfile::tempdir().unwrap());
        model.record().save(folder.path()).unwrap();
        let again =
            model::load(folder.path(), &Device::Cpu).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        assert_eq!(again.description(), model.description());
        let run = |model| rows(model, &Input::new(ids(7)), &MaskChoice::AsTrained);
        assert_eq!(run(&*model), run(&*again), "{}", entry.name);
        // And once more from the loaded one, whose tensors are read again from the very file that is replaced.
        let before = std::fs::read(folder.path().join("model.safetensors")).unwrap();
        again.record().save(folder.path()).unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 2, "nothing is left over");
        assert_eq!(before, std::fs::read(folder.path().join("model.safetensors")).unwrap(), "{}", entry.name);
    }
}

#[test]
fn an_outline_is_what_a_seeded_model_saves() {
    for entry in zoo() {
        let (outline, folder) = (model::outline(&entry.config()).unwrap(), tempfile::tempdir().unwrap());
        let model = entry.model();
        model.record().save(folder.path()).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let total: usize = outline.tensors.iter().map(|(_, shape)| shape.len()).sum();
        assert_eq!(
            (outline.description.parameters, checkpoint.parameters()),
            (total, total),
            "{}",
            entry.name
        );
        assert_eq!(&outline.description, model.description());
        for (name, shape) in &outline.tensors {
            assert_eq!(checkpoint.numbers(name), shape.len(), "{}: {name}", entry.name);
        }
        assert_eq!(checkpoint.names().len(), outline.tensors.len(), "{}", entry.name);
    }
}

#[test]
fn the_published_sizes_are_counted_without_their_memory() {
    let gpt = |c: usize, layers: usize, heads: usize, context: usize| {
        json!({
            "model_type": "gpt2", "activation_function": "gelu_new", "n_embd": c, "n_head": heads,
            "n_layer": layers, "n_positions": context, "vocab_size": 50257, "layer_norm_epsilon": 1e-5,
        })
    };
    let gpt1 = json!({
        "model_type": "openai-gpt", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 512,
        "vocab_size": 40478, "layer_norm_epsilon": 1e-5,
    });
    let bert = json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": 768, "num_attention_heads": 12,
        "num_hidden_layers": 12, "intermediate_size": 3072, "vocab_size": 30522,
        "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    });
    let llama = |c: usize, layers: usize, heads: usize, groups: usize, inner: usize, vocab: usize| {
        json!({
            "model_type": "llama", "hidden_act": "silu", "hidden_size": c, "num_attention_heads": heads,
            "num_key_value_heads": groups, "num_hidden_layers": layers, "intermediate_size": inner,
            "vocab_size": vocab, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        })
    };
    let published = [
        (gpt1, 116_534_784),
        (gpt(768, 12, 12, 1024), 124_439_808),
        (gpt(1600, 48, 25, 1024), 1_557_611_200),
        (gpt(12288, 96, 96, 2048), 174_604_259_328),
        (bert, 109_482_240),
        (llama(4096, 32, 32, 32, 11008, 32000), 6_738_415_616),
        (llama(8192, 80, 64, 8, 28672, 32000), 68_976_648_192),
        (llama(4096, 32, 32, 8, 14336, 128_256), 8_030_261_248),
    ];
    for (config, parameters) in published {
        let config = Config::from_value("published", config).unwrap();
        assert_eq!(model::outline(&config).unwrap().description.parameters, parameters);
    }
    let large = Config::from_value("gpt3", gpt(12288, 96, 96, 2048)).unwrap();
    let said = model::seeded(&large, 0, &Device::Cpu).map(drop).unwrap_err().to_string();
    assert_eq!(
        said,
        "number of parameters of gpt3 is 174604259328, expected at most 2147483648 for a new model"
    );
}

#[test]
fn half_precision_stays_half_precision_in_either_layout() {
    for entry in zoo().iter().filter(|entry| ["gpt2", "llama"].contains(&entry.name)) {
        let folder = tempfile::tempdir().unwrap();
        entry.model().record().save(folder.path()).unwrap();
        halve(&folder.path().join("model.safetensors"));
        let model = model::load(folder.path(), &Device::Cpu).unwrap();
        assert_eq!(model.description().dtype, Dtype::F16);
        let run = |model| rows(model, &Input::new(ids(7)), &MaskChoice::AsTrained);
        let far = far(&run(&*model), &run(&*entry.model()));
        assert!(far > 0.0 && far < 0.05, "{}: {far}", entry.name);
        let other = tempfile::tempdir().unwrap();
        model.record().save(other.path()).unwrap();
        let bytes =
            |folder: &tempfile::TempDir| std::fs::read(folder.path().join("model.safetensors")).unwrap();
        assert_eq!(bytes(&folder), bytes(&other), "{}", entry.name);
    }
}

/// Rounds every tensor of a file to f16.
fn halve(path: &std::path::Path) {
    let folder = path.parent().unwrap();
    let checkpoint = Checkpoint::open(folder).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let halves: Vec<_> = checkpoint
        .names()
        .into_iter()
        .map(|name| {
            let view = file.tensor(&name).unwrap();
            let number = |bytes: &[u8]| half::f16::from_f32(f32::from_le_bytes(bytes.try_into().unwrap()));
            let data: Vec<u8> = view.data().chunks(4).flat_map(|bytes| number(bytes).to_le_bytes()).collect();
            (name, view.shape().to_vec(), data)
        })
        .collect();
    let view = |(name, shape, data)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F16, shape, data).unwrap())
    };
    let views = halves.iter().map(|(name, shape, data)| view((name, shape.clone(), data)));
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let whole = safetensors::serialize(views, Some(metadata)).unwrap();
    drop(checkpoint);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, whole).unwrap();
}
