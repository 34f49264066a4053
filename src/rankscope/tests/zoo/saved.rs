//! A saved model equals the built one, and an outline has the tensors of the saved model.

use rankscope::model::Checkpoint;

use crate::edited::Edited;
use crate::support::*;

#[test]
fn what_was_saved_loads_and_computes_the_same_bit_for_bit() {
    for entry in all() {
        let (model, folder) = (entry.model(), Edited::saved(&entry));
        let again = folder.model();
        assert_eq!(again.description(), model.description());
        let run = |model| rows(model, &entry.input(ids(7)), &MaskChoice::AsTrained);
        assert_eq!(run(&*model), run(&*again), "{}", entry.name);
        // Then the loaded model is saved, whose tensors are read again from the same file that is replaced.
        let before = std::fs::read(folder.file("model.safetensors")).unwrap();
        again.record().save(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
        assert_eq!(before, std::fs::read(folder.file("model.safetensors")).unwrap(), "{}", entry.name);
    }
}

#[test]
fn an_outline_is_what_a_seeded_model_saves() {
    for entry in zoo() {
        let (outline, folder) = (model::outline(&entry.config()).unwrap(), Edited::saved(&entry));
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let total: usize = outline.tensors.iter().map(|(_, shape)| shape.len()).sum();
        let counts = (outline.description.parameters, checkpoint.parameters());
        assert_eq!(counts, (total, total), "{}", entry.name);
        assert_eq!(&outline.description, entry.model().description());
        for (name, shape) in &outline.tensors {
            assert_eq!(checkpoint.numbers(name), shape.len(), "{}: {name}", entry.name);
        }
        assert_eq!(checkpoint.names().len(), outline.tensors.len(), "{}", entry.name);
    }
}

#[test]
fn a_model_of_any_size_is_counted_without_its_memory_and_not_drawn() {
    let large = json!({
        "model_type": "gpt2", "activation_function": "gelu_new", "n_embd": 12_288, "n_head": 96,
        "n_layer": 96, "n_positions": 2048, "vocab_size": 50_257, "layer_norm_epsilon": 1e-5,
    });
    let large = Config::from_value("gpt3", large).unwrap();
    assert_eq!(model::outline(&large).unwrap().description.parameters, 174_604_259_328);
    let expected =
        "number of parameters of gpt3 is 174604259328, expected at most 2147483648 for a new model";
    assert_eq!(said(model::seeded(&large, 0, &Device::Cpu)), expected);
}

#[test]
fn half_precision_stays_half_precision_in_either_layout() {
    for entry in ["gpt2", "llama"].map(entry) {
        let folder = Edited::saved(&entry).tensors(|tensors| {
            for (dtype, _, data) in tensors.values_mut() {
                let half = |b: &[u8]| half::f16::from_f32(f32::from_le_bytes(b.try_into().unwrap()));
                *data = data.chunks(4).flat_map(|bytes| half(bytes).to_le_bytes()).collect();
                *dtype = safetensors::Dtype::F16;
            }
        });
        let model = folder.model();
        assert_eq!(model.description().dtype, Dtype::F16);
        let run = |model| rows(model, &entry.input(ids(7)), &MaskChoice::AsTrained);
        let far = far(&run(&*model), &run(&*entry.model()));
        assert!(far > 0.0 && far < 0.05, "{}: {far}", entry.name);
        let other = tempfile::tempdir().unwrap();
        model.record().save(other.path()).unwrap();
        let bytes = |folder: &std::path::Path| std::fs::read(folder.join("model.safetensors")).unwrap();
        assert_eq!(bytes(folder.path()), bytes(other.path()), "{}", entry.name);
    }
}
