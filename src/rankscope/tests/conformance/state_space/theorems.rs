//! Properties of the matrix of weights, and the effect of probes on it.

use ndarray::{Array2, s};
use rankscope::attention::{Mechanism, StateSpace};
use rankscope::mask::Allowed;
use rankscope::ops::cpu;
use rankscope::prelude::*;
use rankscope::rank::{Spectrum, Tolerance};

use super::{forward, mechanism};
use crate::oracle::dot;
use crate::support::{
    B, D, EPSILON, FROM_ZERO, G, H, S, T, assert_close, devices, noise, qkv, whole, wide, wide_of,
};

const TOKENS: usize = 24;

/// The causal weights of one head of size D in f64: decays, products and decayed products as the CPU computes them.
fn weights(size: usize, q: &[f64], k: &[f64]) -> Array2<f64> {
    let weight = wide(&noise(size, 8));
    let decays = cpu::log_decays(k, &weight, &[-1.5], TOKENS, None);
    let product = |i: usize| dot(&q[i / TOKENS * size..][..size], &k[i % TOKENS * size..][..size]);
    let mut values: Vec<f64> = (0..TOKENS * TOKENS).map(product).collect();
    let allowed = Allowed::new(&Mask::causal(), 1, TOKENS, TOKENS, FROM_ZERO, None).unwrap();
    cpu::decayed_scores(&mut values, &decays, [1, 1, TOKENS, TOKENS], FROM_ZERO, &allowed);
    Array2::from_shape_vec((TOKENS, TOKENS), values).unwrap()
}

fn rank(matrix: Array2<f64>) -> usize {
    Spectrum::of(matrix.view()).unwrap().numerical_rank(Tolerance::F64)
}

/// The largest rank of the blocks with the queries from i on and the keys before i.
fn largest_block_rank(weights: &Array2<f64>) -> usize {
    (0..TOKENS).map(|i| rank(weights.slice(s![i.., ..=i]).to_owned())).max().unwrap()
}

#[test]
fn the_matrix_is_semiseparable_and_of_full_rank() {
    for size in [1, 2, 5] {
        let [q, k] = [9, 10].map(|seed| wide(&noise(TOKENS * size, seed)));
        let weights = weights(size, &q, &k);
        assert_eq!(largest_block_rank(&weights), size, "D = {size}");
        assert_eq!(rank(weights), TOKENS, "the whole matrix, D = {size}");
    }
    // The decay part alone.
    let ones = vec![1.0; TOKENS];
    assert_eq!(largest_block_rank(&weights(1, &ones, &ones)), 1);
    // Softmax of the same products is not semiseparable.
    let [q, k] = [9, 10].map(|seed| wide(&noise(2 * TOKENS, seed)));
    let softmax = Array2::from_shape_fn((TOKENS, TOKENS), |(t, s)| {
        if s <= t { dot(&q[2 * t..][..2], &k[2 * s..][..2]).exp() } else { 0.0 }
    });
    assert!(largest_block_rank(&softmax) > 4);
}

#[test]
fn without_a_weight_the_decay_is_constant_as_in_retnet() {
    let decays = [0.9, 0.5];
    let retention = StateSpace::retention(1, &decays).unwrap();
    let ones = |heads, length| {
        Tensor::new([(B, 1), (heads, 2), (length, TOKENS), (D, 1)], vec![1.0; 2 * TOKENS]).unwrap()
    };
    let (q, k) = (ones(H, T), ones(G, S));
    let want: Vec<f64> = (0..2 * TOKENS * TOKENS)
        .map(|i| match (i / TOKENS % TOKENS, i % TOKENS) {
            (t, s) if s <= t => decays[i / TOKENS / TOKENS].powi((t - s) as i32),
            _ => 0.0,
        })
        .collect();
    let (mask, inputs) = (Mask::causal(), [q, k.clone(), k]);
    for device in devices() {
        let mut trace = Trace::of(["weights"]);
        forward(&retention, &inputs, whole(&mask), &mut trace, &device);
        assert_close("γ^(t − s)", &device, trace.get("weights").unwrap(), &want, 16.0 * EPSILON);
    }
}

#[test]
fn neither_positive_nor_a_product_and_it_counts_what_makes_its_decays() {
    let mechanism = Mechanism::from(mechanism(3, 5));
    assert!(!mechanism.is_positive() && !mechanism.is_product());
    assert_eq!(mechanism.parameter_count(), 3 * 5 + 3);
}

/// Replaces one intermediate by zeros.
struct Zero(&'static str);

impl Probe for Zero {
    fn visit(&mut self, name: &str, value: Tensor) -> rankscope::Result<Tensor> {
        match name == self.0 {
            true => Tensor::zeros(value.shape().axes()).to_device(&value.device()),
            false => Ok(value),
        }
    }

    fn watches(&self, name: &str) -> bool {
        name == self.0
    }
}

#[test]
fn a_probe_replaces_decays_and_weights_in_both_forms() {
    let (mechanism, inputs) = (mechanism(2, 3), qkv([1, 4, 2, 7, 7, 3]));
    let slow = StateSpace::new(
        Tensor::zeros(mechanism.weight().shape().axes()),
        Tensor::new(mechanism.bias().shape().axes(), vec![-200.0; 2]).unwrap(),
    );
    let slow = slow.unwrap();
    for mask in [Mask::causal(), Mask::bidirectional()] {
        for device in devices() {
            let run =
                |mechanism, probe: &mut dyn Probe| forward(mechanism, &inputs, whole(&mask), probe, &device);
            // The result without decay is the same as with every decay e^(−e⁻²⁰⁰).
            let want = run(&slow, &mut Unobserved).to_device(&Device::Cpu).unwrap();
            let got = run(&mechanism, &mut Zero("log_decays"));
            assert_close(&format!("{mask}, no decay"), &device, &got, &wide_of(&want), 16.0 * EPSILON);
            let other = run(&mechanism, &mut Unobserved).to_vec().unwrap();
            assert!(other.iter().zip(want.to_vec().unwrap()).any(|(a, b)| (a - b).abs() > 0.01));
            let nothing = run(&mechanism, &mut Zero("weights")).to_vec().unwrap();
            assert!(nothing.iter().all(|&x| x == 0.0), "{mask} on {device}");
        }
    }
}
