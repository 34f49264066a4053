//! Gradients of attention that never stores its weights, and of state-space attention.

use rankscope::attention::{OnlineSoftmax, Visibility};
use rankscope::mask::{Allowed, MASKS};
use rankscope::ops::{decayed_scores, log_decays, online_attention, with_variant};
use rankscope::prelude::*;

use crate::gradients::{check, of_inputs};
use crate::live::peak_bytes;
use crate::oracle;
use crate::support::{
    B, D, FROM_ZERO, G, H, S, Six, T, assert_close, devices, noise, qkv, random, scattered, whole, wide_of,
};

/// q, k, v and sinks.
fn inputs(sizes: Six) -> [Tensor; 4] {
    let [q, k, v] = qkv(sizes);
    [q, k, v, random(&[(H, sizes[1])], 4)]
}

#[test]
fn online_attention_by_differences() {
    let sizes @ [batch, heads, kv_heads, queries, keys, size] = [2, 6, 3, 4, 7, 5];
    let inputs = inputs(sizes);
    let [q, k, v, sinks] = inputs.each_ref();
    let padding = scattered(batch, keys);
    // Under the second mask the first query sees nothing.
    let masks = [Mask::mixed_direction(), Mask::causal() & !Mask::window(1).unwrap(), Mask::prefix(2)];
    for (mask, first_query) in masks.into_iter().zip([2, 0, 1]) {
        let at = Positions { first_query };
        let online = |[q, k, v]: [&Tensor; 3], sinks: Option<&Tensor>| {
            let run = Run::default();
            let attend = || online_attention(q, k, v, 0.75, sinks, &mask, at, Some(&padding), &run);
            // Without this request a GPU would use the other path for so few queries.
            if q.device().is_gpu() { with_variant("attention", "online-tiled", attend) } else { attend() }
        };
        let formula = |[q, k, v]: [&[f64]; 3], sinks: Option<&[f64]>| -> Vec<f64> {
            let shared = heads / kv_heads;
            let row = |head: usize, t: usize| (head * queries + t) * size;
            let key = |head: usize, s: usize| (head / shared * keys + s) * size;
            let mut scores = Vec::new();
            for (head, t, s) in triples(batch * heads, queries, keys) {
                let dot: f64 = (0..size).map(|d| q[row(head, t) + d] * k[key(head, s) + d]).sum();
                scores.push(0.75 * dot);
            }
            let sees = |row: usize, s: usize| {
                let (head, t) = (row / queries, row % queries);
                let rule = mask.for_head(head % heads, heads);
                padding.is_real(head / heads, s) && rule.may_attend(first_query + t, s)
            };
            let sink = |row: usize| sinks.map_or(f64::NEG_INFINITY, |sinks| sinks[row / queries % heads]);
            let weights = oracle::softmax(&scores, keys, sees, sink);
            let context = |(head, t, d)| {
                let weights = &weights[(head * queries + t) * keys..][..keys];
                weights.iter().enumerate().map(|(s, w)| w * v[key(head, s) + d]).sum()
            };
            triples(batch * heads, queries, size).map(context).collect()
        };
        let name = format!("online_attention, {mask}");
        check(&name, [q, k, v], |qkv| online(qkv, None), |qkv| formula(qkv, None));
        let name = format!("online_attention with sinks, {mask}");
        let with_sinks = |[q, k, v, sinks]: [&Tensor; 4]| online([q, k, v], Some(sinks));
        check(&name, [q, k, v, sinks], with_sinks, |[q, k, v, sinks]| formula([q, k, v], Some(sinks)));
    }
}

fn triples(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

/// The gradients of q, k, v and sinks under either mechanism.
fn by_mechanism(
    inputs: &[Tensor; 4],
    visibility: Visibility<'_>,
    device: &Device,
    is_online: bool,
) -> [Tensor; 4] {
    let (shape, size) = (inputs[0].shape(), inputs[0].shape().size(D).unwrap());
    let factors = noise(shape.len(), 9);
    of_inputs("attention", inputs.each_ref(), device, &factors, |[q, k, v, sinks]| {
        let mechanism: Box<dyn Attention> = match is_online {
            true => Box::new(OnlineSoftmax::new(size).with_sinks(sinks.clone())),
            false => Box::new(ScaledDotProduct::new(size).with_sinks(sinks.clone())),
        };
        mechanism.forward(q, k, v, visibility, &mut Unobserved, &Run::default())
    })
}

/// Fails unless the online mechanism has the gradients of the other one on every device.
fn assert_same(case: &str, inputs: &[Tensor; 4], visibility: Visibility<'_>) {
    let want = by_mechanism(inputs, visibility, &Device::Cpu, false);
    for device in devices() {
        let got = by_mechanism(inputs, visibility, &device, true);
        for (name, (got, want)) in ["q", "k", "v", "sinks"].iter().zip(got.iter().zip(&want)) {
            assert_close(&format!("gradient of {name}, {case}"), &device, got, &wide_of(want), 2e-5);
        }
    }
}

#[test]
fn gradients_are_those_of_the_path_through_the_weights() {
    // More queries and keys than one tile of either device, and a head size that needs several
    // parts.
    for sizes @ [batch, heads, _, queries, keys, _] in [[2, 4, 2, 70, 530, 5], [1, 3, 1, 67, 83, 40]] {
        let (inputs, padding) = (inputs(sizes), scattered(batch, keys));
        let masks = MASKS.iter().map(|kind| (kind.example)(keys)).chain([
            Mask::mixed_direction(),
            Mask::prefix(50) | Mask::causal(),
            Mask::causal() & !Mask::window(3).unwrap(),
        ]);
        for (i, mask) in masks.enumerate() {
            let at = if i % 2 == 0 { Positions::suffix(queries, keys).unwrap() } else { FROM_ZERO };
            let visibility = Visibility { mask: &mask, at, padding: (i % 3 > 0).then_some(&padding) };
            assert_same(&format!("{mask}, H = {heads}, T = {queries}"), &inputs, visibility);
        }
    }
}

#[test]
fn where_llvmpipe_would_stop_a_gradient_goes_through_the_weights() {
    // The loops take few enough turns for the context, but too many for its gradient.
    assert_same("ten thousand keys", &inputs([1, 2, 1, 17, 10_000, 3]), whole(&Mask::bidirectional()));
}

#[test]
fn memory_of_a_gradient_grows_with_the_tokens_and_not_with_their_pairs() {
    const N: usize = 1500;
    let inputs = inputs([1, 1, 1, N, N, 3]);
    let mask = Mask::causal();
    let bytes = |is_online| peak_bytes(|| drop(by_mechanism(&inputs, whole(&mask), &Device::Cpu, is_online)));
    let pairs = N * N * size_of::<f32>();
    let (online, materialised) = (bytes(true), bytes(false));
    assert!(online < pairs / 8, "{online} bytes, the pairs have {pairs}");
    assert!(materialised > pairs, "{materialised} bytes: nothing was measured");
}

#[test]
fn decays() {
    let [batch, heads, kv_heads, queries, keys] = [2, 4, 2, 3, 7];
    let scores = random(&[(B, batch), (H, heads), (T, queries), (S, keys)], 5);
    let values = noise(batch * kv_heads * keys, 6).into_iter().map(|x| 0.5 * x - 0.6).collect();
    let decays = Tensor::new([(B, batch), (G, kv_heads), (S, keys)], values).unwrap();
    let padding = scattered(batch, keys);
    for (mask, first_query) in [(Mask::causal(), 4), (Mask::bidirectional(), 2), (Mask::mixed_direction(), 0)]
    {
        let at = Positions { first_query };
        let allowed = Allowed::new(&mask, heads, queries, keys, at, Some(&padding)).unwrap();
        let op = |[scores, decays]: [&Tensor; 2]| decayed_scores(scores, decays, at, &allowed);
        check(&format!("decayed_scores, {mask}"), [&scores, &decays], op, |[scores, decays]| {
            // The cumulative sum over the keys up to s.
            let sum = |head: usize, s: usize| -> f64 {
                decays[head / (heads / kv_heads) * keys..][..=s].iter().sum()
            };
            let weight = |(head, t, s): (usize, usize, usize)| {
                let is_seen = allowed.get(head / heads, head % heads, t, s);
                let distance = (sum(head, first_query + t) - sum(head, s)).abs();
                if is_seen { scores[(head * queries + t) * keys + s] * (-distance).exp() } else { 0.0 }
            };
            triples(batch * heads, queries, keys).map(weight).collect()
        });
    }
}

#[test]
fn decays_read_off_keys() {
    let [batch, kv_heads, keys, size] = [2, 3, 7, 5];
    let k = random(&[(B, batch), (G, kv_heads), (S, keys), (D, size)], 7);
    let (weight, bias) = (random(&[(G, kv_heads), (D, size)], 8), random(&[(G, kv_heads)], 9));
    for padding in [None, Some(&scattered(batch, keys))] {
        let op = |[k, weight, bias]: [&Tensor; 3]| log_decays(k, weight, bias, padding);
        check("log_decays", [&k, &weight, &bias], op, |[k, weight, bias]| {
            let decay = |(b, g, s): (usize, usize, usize)| {
                if !padding.is_none_or(|padding| padding.is_real(b, s)) {
                    return 0.0;
                }
                let key = &k[((b * kv_heads + g) * keys + s) * size..][..size];
                let dot: f64 = key.iter().zip(&weight[g * size..]).map(|(k, w)| k * w).sum();
                -(1.0 + (dot + bias[g]).exp()).ln()
            };
            triples(batch, kv_heads, keys).map(decay).collect()
        });
    }
}
