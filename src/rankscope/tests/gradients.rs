//! Gradients of whole models against those that PyTorch computes.

use std::path::PathBuf;

use rankscope::gradient::gradients;
use rankscope::model;
use rankscope::prelude::*;
use rankscope::tape::Tape;
use rankscope::train::{AdamSettings, AdamW, Batch, Parameters};
use safetensors::SafeTensors;

#[path = "support/devices.rs"]
mod devices;

/// The reference gradients of one family: every tensor within 5e-4 of its largest number, or of a hundredth of the
/// largest of all, the tolerance that the fixtures' README gives.
fn check(family: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family);
    let golden = folder.join("golden.safetensors");
    let bytes = std::fs::read(&golden).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: &str| -> Vec<f32> {
        let view = file.tensor(name).unwrap_or_else(|_| panic!("{family}: {name}"));
        view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    };
    let names: Vec<_> = file.names().into_iter().filter_map(|name| name.strip_prefix("grad.")).collect();
    let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
    let of_all = names.iter().map(|name| largest(&numbers(&format!("grad.{name}")))).fold(0.0, f32::max);
    for device in devices::devices() {
        let model = model::load(&folder, &device).unwrap();
        let batch = Batch::open(&golden, &*model).unwrap();
        let (parameters, tape) = (Parameters::of(&*model).unwrap(), Tape::new());
        let traced = parameters.trace(&tape).unwrap();
        let loss = batch.loss(&*traced.model, &mut Unobserved, &Run::default()).unwrap();
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

/// Steps on one batch take its loss near 0, and what is saved is what was trained.
#[test]
fn one_batch_is_learned_by_heart_and_saved() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny/gpt2");
    let model = model::load(&folder, &Device::Cpu).unwrap();
    let batch = Batch::open(&folder.join("golden.safetensors"), &*model).unwrap();
    let (mut parameters, mut optimiser) =
        (Parameters::of(&*model).unwrap(), AdamW::new(AdamSettings::default()));
    let loss = |model: &dyn model::Model| batch.loss(model, &mut Unobserved, &Run::default()).unwrap();
    for _ in 0..200 {
        let tape = Tape::new();
        let traced = parameters.trace(&tape).unwrap();
        let found = gradients(&loss(&*traced.model)).unwrap();
        let gradients: Vec<_> = traced.gradients(&found).map(|(_, gradient)| gradient.cloned()).collect();
        drop(traced);
        assert!(optimiser.step(&mut parameters, &gradients, 0.02).unwrap().is_finite());
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
