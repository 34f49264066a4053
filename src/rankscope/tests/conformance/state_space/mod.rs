//! State-space attention: the decays, both of its forms, and properties of its matrix.

mod accuracy;
mod forms;
mod theorems;

use rankscope::attention::{StateSpace, Visibility};
use rankscope::mask::Padding;
use rankscope::prelude::*;

use crate::oracle::dot;
use crate::support::{noise, random, wide_of};

/// Heads in which random keys have decays from about 0.6 to 0.95.
fn mechanism(kv_heads: usize, size: usize) -> StateSpace {
    let heads = (Axis::KvHead, kv_heads);
    let weight = random(&[heads, (Axis::HeadSize, size)], 4);
    let bias = noise(kv_heads, 5).into_iter().map(|x| 0.5 * x - 1.5).collect();
    StateSpace::new(weight, Tensor::new([heads], bias).unwrap()).unwrap()
}

/// Weights and context in f64, by the formula: the decays multiplied one by one, each as 1 / (1 + eˣ) in place of
/// e^(−softplus(x)).
fn by_formula(
    mechanism: &StateSpace,
    [q, k, v]: &[Tensor; 3],
    mask: &Mask,
    at: Positions,
    padding: Option<&Padding>,
) -> (Vec<f64>, Vec<f64>) {
    let [_, heads, queries, size] = q.shape().sizes()[..] else { panic!("{q:?}") };
    let [_, kv_heads, keys, _] = k.shape().sizes()[..] else { panic!("{k:?}") };
    let (q, k, v) = (wide_of(q), wide_of(k), wide_of(v));
    let (weight, bias) = (wide_of(mechanism.weight()), wide_of(mechanism.bias()));
    let (mut all_weights, mut context) = (Vec::new(), Vec::new());
    for row in 0..q.len() / size {
        let (b, h, t) = (row / queries / heads, row / queries % heads, row % queries);
        let (g, position) = (h * kv_heads / heads, at.first_query + t);
        let key = |s: usize| &k[((b * kv_heads + g) * keys + s) * size..][..size];
        let is_real = |s: usize| padding.is_none_or(|padding| padding.is_real(b, s));
        let decay = |s: usize| match is_real(s) {
            true => 1.0 / (1.0 + (dot(&weight[g * size..][..size], key(s)) + bias[g]).exp()),
            false => 1.0,
        };
        let mut mixed = vec![0.0; size];
        for s in 0..keys {
            let between = s.min(position) + 1..s.max(position) + 1;
            let factor: f64 = between.map(decay).product();
            let is_allowed = mask.for_head(h, heads).may_attend(position, s) && is_real(s);
            let score = dot(&q[row * size..][..size], key(s)) / (size as f64).sqrt();
            let weight = if is_allowed { factor * score } else { 0.0 };
            let value = &v[((b * kv_heads + g) * keys + s) * size..][..size];
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
            all_weights.push(weight);
        }
        context.extend(mixed);
    }
    (all_weights, context)
}

/// The context on a device, and the intermediates that a probe visits.
fn forward(
    mechanism: &StateSpace,
    inputs: &[Tensor; 3],
    visibility: Visibility<'_>,
    probe: &mut dyn Probe,
    device: &Device,
) -> Tensor {
    let [q, k, v] = inputs.each_ref().map(|x| x.to_device(device).unwrap());
    let mechanism = mechanism.to_device(device).unwrap();
    mechanism.forward(&q, &k, &v, visibility, probe, &Run::default()).unwrap()
}
