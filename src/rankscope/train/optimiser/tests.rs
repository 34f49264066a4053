//! Optimisers compared with their formulas in f64, and their saved state.

use std::ops::RangeInclusive;

use serde_json::json;

use super::*;
use crate::device::Device;
use crate::model::{self, Config};
use crate::random::gaussian;
use crate::rank::Spectrum;
use crate::test_devices::devices;

/// A GPT-2 of pairwise distinct sizes.
fn parameters(device: &Device) -> Parameters {
    let config = json!({
        "model_type": "gpt2", "n_embd": 6, "n_head": 2, "n_layer": 1, "n_positions": 5, "vocab_size": 11,
        "n_inner": 7, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    });
    let model = model::seeded(&Config::from_value("toy", config).unwrap(), 3, device).unwrap();
    Parameters::of(&*model).unwrap()
}

/// Gradients of every parameter but the second: noise that differs from step to step.
fn gradients(parameters: &Parameters, step: u64) -> LossGradients {
    let gradient = |(index, (_, w)): (usize, (&str, &Tensor))| {
        let noise = gaussian(1, w.shape().len(), step, index as u64);
        let noise = noise.iter().map(|&x| 0.1 * x as f32).collect();
        let gradient = Tensor::new(w.shape().axes(), noise).unwrap().to_device(&w.device()).unwrap();
        (index != 1).then_some(gradient)
    };
    let gradients: Vec<_> = parameters.iter().enumerate().map(gradient).collect();
    let loss =
        Tensor::new([], vec![1.5]).unwrap().to_device(&gradients[0].as_ref().unwrap().device()).unwrap();
    LossGradients { loss, gradients }
}

fn optimiser(name: &str, change: impl FnOnce(&mut OptimiserSettings)) -> Optimiser {
    let mut settings = OptimiserSettings { optimiser: name.to_owned(), ..OptimiserSettings::default() };
    change(&mut settings);
    Optimiser::new(&settings).unwrap()
}

fn take_steps(optimiser: &mut Optimiser, trained: &mut Parameters, steps: RangeInclusive<u64>, rate: f32) {
    for step in steps {
        let followed = gradients(trained, step);
        optimiser.step(trained, &followed, rate).unwrap();
    }
}

fn wide(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap().into_iter().map(f64::from).collect()
}

/// The numbers of all parameters after some steps by a formula: (w, state, g, λ, t), number by number.
fn by_formula(
    parameters: &Parameters,
    steps: u64,
    clip: Option<f64>,
    follow: impl Fn(&mut f64, &mut [f64; 2], f64, f64, u64),
) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = parameters.iter().map(|(_, w)| wide(w)).collect();
    let mut states: Vec<Vec<[f64; 2]>> = all.iter().map(|w| vec![[0.0; 2]; w.len()]).collect();
    for step in 1..=steps {
        let gradients: Vec<_> =
            gradients(parameters, step).gradients.iter().map(|g| g.as_ref().map(wide)).collect();
        let norm = gradients.iter().flatten().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let factor = clip.map_or(1.0, |most| (most / norm).min(1.0));
        let shapes = parameters.iter().map(|(_, w)| w.shape().rank());
        for (((w, states), gradient), rank) in all.iter_mut().zip(&mut states).zip(gradients).zip(shapes) {
            let decay = if rank == 2 { 0.3 } else { 0.0 };
            for ((w, state), g) in w.iter_mut().zip(states).zip(gradient.unwrap_or_default()) {
                follow(w, state, factor * g, decay, step);
            }
        }
    }
    all
}

#[track_caller]
fn assert_near(parameters: &Parameters, want: &[Vec<f64>], device: &Device) {
    for ((name, w), want) in parameters.iter().zip(want) {
        for (got, want) in wide(w).iter().zip(want) {
            let is_near = (got - want).abs() <= 2e-6 * want.abs().max(1.0);
            assert!(is_near, "{name} on {device}: {got}, expected {want}");
        }
    }
}

#[test]
fn adamw_and_momentum_are_what_their_formulas_say_with_decay_on_matrices_alone() {
    let rate = 0.02;
    for device in devices() {
        // The noise has a norm of about 1.6: it is above one bound and below the other.
        for clip in [Some(0.5), Some(50.0), None] {
            let mut trained = parameters(&device);
            let mut adamw = optimiser("adamw", |settings| (settings.decay, settings.clip) = (0.3, clip));
            let want = by_formula(&trained, 3, clip.map(f64::from), |w, [m, v], g, decay, t| {
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.98 * *v + 0.02 * g * g;
                let (m, v) = (*m / (1.0 - 0.9f64.powi(t as i32)), *v / (1.0 - 0.98f64.powi(t as i32)));
                *w -= rate * (m / (v.sqrt() + 1e-8) + decay * *w);
            });
            for step in 1..=3 {
                let followed = gradients(&trained, step);
                let done = adamw.step(&mut trained, &followed, rate as f32).unwrap();
                let squares = followed.gradients.iter().flatten().flat_map(wide).map(|g| g * g);
                let norm = squares.sum::<f64>().sqrt();
                let is_near = (f64::from(done.norm) - norm).abs() < 1e-5 * norm;
                assert!(is_near && done.loss == 1.5, "{done:?}, {norm}");
            }
            assert_near(&trained, &want, &device);
            let mut trained = parameters(&device);
            let mut sgd = optimiser("sgd", |settings| (settings.decay, settings.clip) = (0.3, clip));
            let want = by_formula(&trained, 3, clip.map(f64::from), |w, [m, _], g, decay, _| {
                *m = f64::from(0.95f32) * *m + g;
                *w -= rate * (*m + decay * *w);
            });
            take_steps(&mut sgd, &mut trained, 1..=3, rate as f32);
            assert_near(&trained, &want, &device);
            assert_eq!((adamw.steps(), sgd.steps()), (3, 3));
        }
    }
}

#[test]
fn muon_follows_a_nearly_orthogonal_matrix_and_adamw_elsewhere() {
    for device in devices() {
        let (before, mut trained) = (parameters(&device), parameters(&device));
        let mut by_adamw = parameters(&device);
        let no_decay = |settings: &mut OptimiserSettings| settings.decay = 0.0;
        let (mut muon, mut adamw) = (optimiser("muon", no_decay), optimiser("adamw", no_decay));
        let followed = gradients(&trained, 1);
        muon.step(&mut trained, &followed, 0.5).unwrap();
        adamw.step(&mut by_adamw, &followed, 0.5).unwrap();
        let mut hidden = 0;
        for (((name, old), (_, new)), (_, other)) in before.iter().zip(trained.iter()).zip(by_adamw.iter()) {
            let sizes = old.shape().sizes();
            if sizes.len() < 2 || ["transformer.wte.weight", "transformer.wpe.weight"].contains(&name) {
                assert_eq!(new.to_vec().unwrap(), other.to_vec().unwrap(), "{name}");
                continue;
            }
            // w − w′ = η · 0.2 · √max(N, M) · O
            let length = 0.5 * 0.2 * (*sizes.iter().max().unwrap() as f64).sqrt();
            let moved = wide(old).into_iter().zip(wide(new)).map(|(old, new)| (old - new) / length).collect();
            let moved = ndarray::Array2::from_shape_vec((sizes[0], sizes[1]), moved).unwrap();
            let spectrum = Spectrum::of(moved.view()).unwrap();
            let (least, most) = (spectrum.sigma_min().unwrap(), spectrum.sigma_max().unwrap());
            assert!(0.6 < least && most < 1.3, "{name} on {device}: σ from {least} to {most}");
            // U and Vᵀ are those of the gradient, so the step has a positive product with it.
            let gradient = followed.gradients[before.iter().position(|(of, _)| of == name).unwrap()].as_ref();
            let along: f64 = wide(gradient.unwrap()).iter().zip(&moved).map(|(g, x)| g * x).sum();
            let squares: f64 = wide(gradient.unwrap()).iter().map(|g| g * g).sum();
            assert!(along > 0.7 * squares.sqrt(), "{name} on {device}");
            hidden += 1;
        }
        assert_eq!(hidden, 4);
    }
}

#[test]
fn what_was_saved_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("optimiser.safetensors");
    for device in devices() {
        for kind in OPTIMISERS {
            let (mut whole, mut halves) = (parameters(&device), parameters(&device));
            let mut first = optimiser(kind.name, |_| ());
            let mut uninterrupted = optimiser(kind.name, |_| ());
            take_steps(&mut uninterrupted, &mut whole, 1..=5, 0.01);
            take_steps(&mut first, &mut halves, 1..=2, 0.01);
            first.save(&halves, &file).unwrap();
            let mut second = optimiser(kind.name, |_| ());
            second.load(&halves, &file).unwrap();
            assert_eq!(second.steps(), 2);
            take_steps(&mut second, &mut halves, 3..=5, 0.01);
            for ((name, w), (_, expected)) in halves.iter().zip(whole.iter()) {
                let bits = |x: &Tensor| x.to_vec().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
                assert_eq!(bits(w), bits(expected), "{name} by {} on {device}", kind.name);
            }
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_named_and_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let saved = |optimiser: &Optimiser, parameters: &Parameters| {
        let file = folder.path().join("state.safetensors");
        optimiser.save(parameters, &file).unwrap();
        std::fs::read(&file).unwrap()
    };
    for device in devices() {
        for kind in OPTIMISERS {
            let mut trained = parameters(&device);
            let mut optimiser = optimiser(kind.name, |_| ());
            take_steps(&mut optimiser, &mut trained, 1..=1, 0.01);
            let before: Vec<_> = trained.iter().map(|(_, w)| w.to_vec().unwrap()).collect();
            let state = saved(&optimiser, &trained);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut followed = gradients(&trained, 2);
                let third = followed.gradients[3].as_mut().unwrap();
                let mut values = third.to_vec().unwrap();
                values[1] = bad;
                *third = Tensor::new(third.shape().axes(), values).unwrap().to_device(&device).unwrap();
                let error = optimiser.step(&mut trained, &followed, 0.01).unwrap_err().to_string();
                let name = trained.iter().nth(3).unwrap().0;
                let expected =
                    format!("gradient of {name} is not finite, expected numbers: the loss diverged");
                assert_eq!(error, expected, "{} on {device}", kind.name);
            }
            let after: Vec<_> = trained.iter().map(|(_, w)| w.to_vec().unwrap()).collect();
            assert!(before == after && saved(&optimiser, &trained) == state, "{} on {device}", kind.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.safetensors");
    let mut trained = parameters(&Device::Cpu);
    let mut adamw = optimiser("adamw", |_| ());
    let mut followed = gradients(&trained, 1);
    adamw.step(&mut trained, &followed, 0.01).unwrap();
    adamw.save(&trained, &file).unwrap();
    let error = optimiser("sgd", |_| ()).load(&trained, &file).unwrap_err().to_string();
    assert!(error.ends_with("state of the optimiser adamw, expected one of sgd"), "{error}");
    std::fs::write(&file, "hello").unwrap();
    let error = adamw.load(&trained, &file).unwrap_err().to_string();
    assert!(error.contains("state.safetensors"), "{error}");
    assert!(error.ends_with("expected what an optimiser saved"), "{error}");
    assert_eq!(adamw.steps(), 1);
    followed.gradients.pop();
    let error = adamw.step(&mut trained, &followed, 0.01).unwrap_err().to_string();
    assert!(error.starts_with("number of gradients is"), "{error}");
    let refused = |change: fn(&mut OptimiserSettings), message: &str| {
        let mut settings = OptimiserSettings::default();
        change(&mut settings);
        assert_eq!(Optimiser::new(&settings).err().unwrap().to_string(), message);
    };
    refused(|s| s.optimiser = "adam".to_owned(), "optimiser is adam, expected one of adamw, sgd, muon");
    refused(|s| s.beta2 = 1.0, "beta2 is 1, expected a number from 0 to less than 1");
    refused(|s| s.decay = -1.0, "decay is -1, expected a number of at least 0");
    refused(|s| s.clip = Some(0.0), "clip is 0, expected a number above 0, or none");
}
