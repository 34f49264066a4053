//! Every family and every variant can be trained.

use rankscope::train::{Batch, LossGradients, Optimiser, OptimiserSettings, Parameters};

use crate::compare::far;
use crate::support::*;

/// The small models, where mixtures have so few experts that each is visited.
fn models() -> Vec<Entry> {
    let few = json!({"num_local_experts": 3, "num_experts_per_tok": 2});
    let small = |entry: Entry| if entry.name == "mixtral" { entry.with(few.clone()) } else { entry };
    zoo().into_iter().map(small).collect()
}

/// Four sequences, and a target token for each position.
fn batch(entry: &Entry) -> Batch {
    let targets = (0..36).map(|i| Some((i * 23 + 5) % 61)).collect();
    Batch::new(entry.batch(ids(36), 4), targets, MaskChoice::AsTrained)
}

fn loss(batch: &Batch, model: &dyn Model) -> Tensor {
    batch.loss(model, &mut Unobserved, &Run::default()).unwrap().total
}

/// The loss and the gradient of every parameter; in training, an expert that no token visits has none.
fn follow(parameters: &Parameters, batch: &Batch) -> LossGradients {
    LossGradients::of(parameters, |model| Ok(loss(batch, model))).unwrap()
}

#[test]
fn a_new_model_says_nothing_and_one_batch_is_learned_by_heart() {
    for entry in models() {
        let (name, batch) = (&entry.name, batch(&entry));
        let model = model::untrained(&entry.config(), 7, &Device::Cpu).unwrap();
        let mut parameters = Parameters::of(&*model).unwrap();
        let before: Vec<Vec<f32>> = parameters.iter().map(|(_, tensor)| tensor.to_vec().unwrap()).collect();
        // All tokens are about equally likely: the loss is ln V plus half of the variance of the logits, which is about
        // 1 at first.
        let new = loss(&batch, &*model).to_vec().unwrap()[0];
        let expected = (model.description().vocab as f32).ln();
        assert!((new - expected).abs() < 1.5, "{name}: {new} nats before training, ln V is {expected}");
        let settings = OptimiserSettings { decay: 0.0, ..OptimiserSettings::default() };
        let mut optimiser = Optimiser::new(&settings).unwrap();
        let mut now = new;
        for step in 0..200 {
            let followed = follow(&parameters, &batch);
            now = followed.loss.to_vec().unwrap()[0];
            if now < 0.05 {
                break;
            }
            optimiser.step(&mut parameters, &followed, 0.01).unwrap();
            if step == 0 {
                for ((tensor, value), before) in parameters.iter().zip(&before) {
                    assert_ne!(value.to_vec().unwrap(), *before, "{name}: {tensor} after one step");
                }
            }
        }
        assert!(now < 0.05, "{name}: {now} nats after {} steps", optimiser.steps());
    }
}

#[test]
fn both_devices_have_the_same_gradients() {
    let Some(gpu) = gpu() else { return };
    for entry in models() {
        let batch = batch(&entry);
        let on = |device: &Device| {
            let parameters = Parameters::of(&*entry.on(device)).unwrap();
            let all = follow(&parameters, &batch).gradients;
            let named = parameters.iter().zip(all).map(|((name, _), gradient)| {
                let gradient = gradient.unwrap_or_else(|| panic!("{}: {name} has no gradient", entry.name));
                (name.to_owned(), gradient.to_vec().unwrap())
            });
            named.collect::<Vec<_>>()
        };
        let (cpu, gpu) = (on(&Device::Cpu), on(&gpu));
        let largest = |values: &[f32]| values.iter().fold(0f32, |most, value| most.max(value.abs()));
        let of_all = cpu.iter().map(|(_, values)| largest(values)).fold(0.0, f32::max);
        for ((name, cpu), (_, gpu)) in cpu.iter().zip(&gpu) {
            let (far, most) = (far(cpu, gpu), 5e-4 * largest(cpu).max(1e-2 * of_all));
            assert!(far <= most, "{}: {name} differs by {far}, allowed {most}", entry.name);
        }
    }
}

#[test]
fn what_is_added_to_the_residual_stream_begins_smaller_the_more_is_added() {
    for entry in models() {
        let (name, model) = (&entry.name, entry.model());
        let untrained = model::untrained(&entry.config(), 7, &Device::Cpu).unwrap();
        let layers = model.description().layers;
        // The number of additions to the residual stream in all stacks, and in the deepest stack.
        let [all, deepest] = match &model.description().encoder {
            None => [2 * layers; 2],
            Some(encoder) => [2 * encoder.layers + 3 * layers, (2 * encoder.layers).max(3 * layers)],
        };
        let all = if name == "mixtral" { (1 + 3) * layers } else { all }; // three experts
        let numbers = |model: &dyn Model| {
            let tensors = model.record().tensors().iter();
            tensors.map(|(_, weight)| weight.to_f32().unwrap()).collect::<Vec<_>>()
        };
        let pairs = numbers(&*model).into_iter().zip(numbers(&*untrained));
        let changed: Vec<_> = pairs.filter(|(seeded, untrained)| seeded != untrained).collect();
        assert_eq!(changed.len(), all, "{name}");
        let share = 1.0 / (deepest as f32).sqrt();
        for (seeded, untrained) in changed {
            let scaled: Vec<f32> = seeded.iter().map(|x| share * x).collect();
            assert!(far(&scaled, &untrained) < 1e-6, "{name}");
        }
    }
}
