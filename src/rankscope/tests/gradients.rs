//! Gradients of whole models, compared with those of PyTorch.

use std::path::PathBuf;

use rankscope::gradient::gradients;
use rankscope::model;
use rankscope::prelude::*;
use rankscope::tape::Tape;
use rankscope::train::{Balance, Batch, LossGradients, Optimiser, OptimiserSettings, Parameters};
use safetensors::SafeTensors;

#[path = "support/devices.rs"]
mod devices;

/// A checkpoint of the fixtures.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(name)
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name}"));
    view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The reference gradients of one family: the error of every tensor is at most 5e-4 of its largest number, or of a
/// hundredth of the largest number of all gradients. This is the tolerance in the fixtures' README.
fn check(family: &str) {
    let folder = fixture(family);
    let golden = folder.join("golden.safetensors");
    let bytes = std::fs::read(&golden).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: &str| numbers(&file, name);
    let names: Vec<_> = file.names().into_iter().filter_map(|name| name.strip_prefix("grad.")).collect();
    let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
    let of_all = names.iter().map(|name| largest(&numbers(&format!("grad.{name}")))).fold(0.0, f32::max);
    for device in devices::devices() {
        let model = model::load(&folder, &device).unwrap();
        let batch = Batch::open(&golden, &*model).unwrap();
        let (parameters, tape) = (Parameters::of(&*model).unwrap(), Tape::new());
        let traced = parameters.trace(&tape).unwrap();
        let loss = batch.loss(&*traced.model, &mut Unobserved, &Run::default()).unwrap().total;
        let found = gradients(&loss).unwrap();
        let difference = (loss.to_vec().unwrap()[0] - numbers("loss")[0]).abs();
        assert!(difference < 2e-5, "{family} on {device}: loss off by {difference}");
        let mut count = 0;
        for (name, gradient) in traced.gradients(&found) {
            let gradient = gradient.unwrap_or_else(|| panic!("{family}: {name} has no gradient"));
            let (gradient, expected) = (gradient.to_vec().unwrap(), numbers(&format!("grad.{name}")));
            assert_eq!(gradient.len(), expected.len(), "{family}: {name}");
            let tolerance = 5e-4 * largest(&expected).max(1e-2 * of_all);
            let worst = gradient.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= tolerance, "{family} on {device}: {name} off by {worst}, allowed {tolerance}");
            count += 1;
        }
        assert_eq!(count, names.len(), "{family}: every tensor of the reference");
    }
}

/// The load-balancing loss of a mixture of experts, over tokens only and over all positions, and its gradient.
#[test]
fn the_balance_of_experts_is_that_of_transformers() {
    let folder = fixture("mixtral");
    let bytes = std::fs::read(folder.join("balance.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let asked = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = config.replace("\"output_router_logits\": false", "\"output_router_logits\": true");
    std::fs::write(asked.path().join("config.json"), config).unwrap();
    std::fs::copy(folder.join("model.safetensors"), asked.path().join("model.safetensors")).unwrap();
    for device in devices::devices() {
        for key in ["padded", "whole"] {
            let model = model::load(asked.path(), &device).unwrap();
            let batch = Batch::open(&folder.join("golden.safetensors"), &*model).unwrap();
            let (parameters, tape) = (Parameters::of(&*model).unwrap(), Tape::new());
            let traced = parameters.trace(&tape).unwrap();
            let mut nobody = Unobserved;
            let mut balance = Balance::new(&*traced.model, &mut nobody).unwrap();
            traced.model.hidden(&batch.input, &batch.mask, &mut balance, &Run::default()).unwrap();
            let nothing = Tensor::new([], vec![0.0]).unwrap().to_device(&device).unwrap();
            let padding = batch.input.padding().filter(|_| key == "padded");
            let loss = balance.add_to(nothing, 1.0, padding).unwrap();
            let found = gradients(&loss).unwrap();
            let expected = 0.02 * numbers(&file, &format!("aux_loss.{key}"))[0]; // router_aux_loss_coef
            let difference = (loss.detach().to_vec().unwrap()[0] - expected).abs();
            assert!(difference < 1e-6, "{key} on {device}: off by {difference}");
            let mut count = 0;
            for (name, gradient) in traced.gradients(&found) {
                let Ok(_) = file.tensor(&format!("grad.{key}.{name}")) else { continue };
                let expected = numbers(&file, &format!("grad.{key}.{name}"));
                let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient")).to_vec().unwrap();
                let far =
                    gradient.iter().zip(&expected).map(|(a, b)| (a - 0.02 * b).abs()).fold(0.0, f32::max);
                assert!(far < 1e-6, "{key} on {device}: {name} off by {far}");
                count += 1;
            }
            assert_eq!(count, 5);
        }
        // If the configuration does not ask for it, nothing is added and nothing is watched.
        let model = model::load(&folder, &device).unwrap();
        let mut nobody = Unobserved;
        assert!(Balance::new(&*model, &mut nobody).unwrap().is_idle());
    }
}

/// Steps on one batch bring its loss near 0, and the saved model is the trained one.
#[test]
fn one_batch_is_learned_by_heart_and_saved() {
    let folder = fixture("gpt2");
    let model = model::load(&folder, &Device::Cpu).unwrap();
    let batch = Batch::open(&folder.join("golden.safetensors"), &*model).unwrap();
    let (mut parameters, mut optimiser) =
        (Parameters::of(&*model).unwrap(), Optimiser::new(&OptimiserSettings::default()).unwrap());
    let loss = |model: &dyn model::Model| batch.loss(model, &mut Unobserved, &Run::default()).unwrap().total;
    for _ in 0..200 {
        let followed = LossGradients::of(&parameters, |model| Ok(loss(model))).unwrap();
        assert!(optimiser.step(&mut parameters, &followed, 0.02).unwrap().norm.is_finite());
    }
    let trained = loss(&*parameters.model().unwrap()).to_vec().unwrap()[0];
    assert!(trained < 0.05, "{trained} nats after {} steps", optimiser.steps());
    let saved = tempfile::tempdir().unwrap();
    parameters.save(saved.path()).unwrap();
    let again = model::load(saved.path(), &Device::Cpu).unwrap();
    assert_eq!(loss(&*again).to_vec().unwrap()[0], trained);
}

macro_rules! families {
    ($($test:ident $family:literal)*) => {
        $(#[test]
        fn $test() {
            check($family);
        })*
    };
}

families! {
    bert "bert"
    gpt1 "gpt1"
    gpt2 "gpt2"
    llama "llama"
    llama_mha "llama-mha"
    mixtral "mixtral"
    t5 "t5"
    t5_gated "t5-gated"
}
