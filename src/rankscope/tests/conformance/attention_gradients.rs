//! Gradients of attention that never stores its weights, and of state-space attention.

use rankscope::attention::{OnlineSoftmax, Visibility};
use rankscope::gradient::{Gradients, gradients};
use rankscope::mask::{Allowed, MASKS, Padding};
use rankscope::ops::{decayed_scores, log_decays, online_attention, with_variant};
use rankscope::prelude::*;
use rankscope::tape::Tape;

use crate::gradients::{check, weighted_sum};
use crate::live::peak_bytes;
use crate::oracle;
use crate::support::{assert_close, devices, noise, random, wide_of};

const B: Axis = Axis::Batch;
const H: Axis = Axis::Head;
const G: Axis = Axis::KvHead;
const T: Axis = Axis::Query;
const S: Axis = Axis::Key;
const D: Axis = Axis::HeadSize;

/// q, k, v and sinks.
fn inputs([batch, heads, kv_heads, queries, keys, size]: [usize; 6]) -> [Tensor; 4] {
    let of_keys = [(B, batch), (G, kv_heads), (S, keys), (D, size)];
    let q = random(&[(B, batch), (H, heads), (T, queries), (D, size)], 1);
    [q, random(&of_keys, 2), random(&of_keys, 3), random(&[(H, heads)], 4)]
}

/// Padding in which each sequence has other keys as tokens.
fn padding(batch: usize, keys: usize) -> Padding {
    let real = (0..batch * keys).map(|i| (i % keys + 5 * (i / keys)) % 7 != 3);
    Padding::new(real.collect(), keys).unwrap()
}

#[test]
fn online_attention_by_differences() {
    let [batch, heads, kv_heads, queries, keys, size] = [2, 6, 3, 4, 7, 5];
    let [q, k, v, sinks] = inputs([batch, heads, kv_heads, queries, keys, size]);
    // Under the second mask the first query sees nothing.
    let masks = [Mask::mixed_direction(), Mask::causal() & !Mask::window(1).unwrap(), Mask::prefix(2)];
    for (mask, first_query) in masks.into_iter().zip([2, 0, 1]) {
        let (at, padding) = (Positions { first_query }, padding(batch, keys));
        let online = |x: &[Tensor]| {
            let attend = || {
                online_attention(
                    &x[0],
                    &x[1],
                    &x[2],
                    0.75,
                    x.get(3),
                    &mask,
                    at,
                    Some(&padding),
                    &Run::default(),
                )
            };
            // Without this request a GPU would use the other path for so few queries.
            if x[0].device().is_gpu() { with_variant("attention", "online-tiled", attend) } else { attend() }
        };
        let formula = |x: &[Vec<f64>]| {
            let shared = heads / kv_heads;
            let row = |head: usize, t: usize| (head * queries + t) * size;
            let key = |head: usize, s: usize| (head / shared * keys + s) * size;
            let mut scores = Vec::new();
            for (head, t, s) in triples(batch * heads, queries, keys) {
                let dot: f64 = (0..size).map(|d| x[0][row(head, t) + d] * x[1][key(head, s) + d]).sum();
                scores.push(0.75 * dot);
            }
            let sees = |row: usize, s: usize| {
                let (head, t) = (row / queries, row % queries);
                let rule = mask.for_head(head % heads, heads);
                padding.is_real(head / heads, s) && rule.may_attend(first_query + t, s)
            };
            let sink = |row: usize| x.get(3).map_or(f64::NEG_INFINITY, |x| x[row / queries % heads]);
            let weights = oracle::softmax(&scores, keys, sees, sink);
            let context = |(head, t, d)| {
                let weights = &weights[(head * queries + t) * keys..][..keys];
                weights.iter().enumerate().map(|(s, w)| w * x[2][key(head, s) + d]).sum()
            };
            triples(batch * heads, queries, size).map(context).collect()
        };
        let all = [&q, &k, &v, &sinks].map(Tensor::clone);
        check(&format!("online_attention, {mask}"), &all[..3], online, formula);
        check(&format!("online_attention with sinks, {mask}"), &all, online, formula);
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
) -> Vec<Tensor> {
    let tape = Tape::new();
    let tracked = inputs.each_ref().map(|x| tape.track(&x.to_device(device).unwrap()));
    let [q, k, v, sinks] = tracked.each_ref();
    let size = q.shape().size(D).unwrap();
    let (probe, run) = (&mut Unobserved, Run::default());
    let context = match is_online {
        true => OnlineSoftmax::new(size).with_sinks(sinks.clone()).forward(q, k, v, visibility, probe, &run),
        false => {
            ScaledDotProduct::new(size).with_sinks(sinks.clone()).forward(q, k, v, visibility, probe, &run)
        }
    }
    .unwrap();
    let found: Gradients =
        gradients(&weighted_sum(&context, &noise(context.shape().len(), 9), device)).unwrap();
    tracked.iter().map(|x| found.of(x).unwrap().clone()).collect()
}

/// Fails unless the online mechanism has the gradients of the other one on every device.
fn assert_same(case: &str, inputs: &[Tensor; 4], visibility: Visibility<'_>) {
    let want = by_mechanism(inputs, visibility, &Device::Cpu, false);
    for device in devices() {
        let got = by_mechanism(inputs, visibility, &device, true);
        for (name, (got, want)) in ["q", "k", "v", "sinks"].iter().zip(got.iter().zip(&want)) {
            assert_eq!(got.shape(), want.shape(), "{name}");
            assert_close(&format!("gradient of {name}, {case}"), &device, got, &wide_of(want), 2e-5);
        }
    }
}

#[test]
fn gradients_are_those_of_the_path_through_the_weights() {
    // More queries and keys than one tile of either device, and a head size that needs several
    // parts.
    for sizes @ [batch, heads, _, queries, keys, _] in [[2, 4, 2, 70, 530, 5], [1, 3, 1, 67, 83, 40]] {
        let (inputs, padding) = (inputs(sizes), padding(batch, keys));
        let masks = MASKS.iter().map(|kind| (kind.example)(keys)).chain([
            Mask::mixed_direction(),
            Mask::prefix(50) | Mask::causal(),
            Mask::causal() & !Mask::window(3).unwrap(),
        ]);
        for (i, mask) in masks.enumerate() {
            let at = match i % 2 {
                0 => Positions::suffix(queries, keys).unwrap(),
                _ => Positions { first_query: 0 },
            };
            let visibility = Visibility { mask: &mask, at, padding: (i % 3 > 0).then_some(&padding) };
            assert_same(&format!("{mask}, H = {heads}, T = {queries}"), &inputs, visibility);
        }
    }
}

#[test]
fn where_llvmpipe_would_stop_a_gradient_goes_through_the_weights() {
    // The loops take few enough turns for the context, but too many for its gradient.
    let visibility =
        Visibility { mask: &Mask::bidirectional(), at: Positions { first_query: 0 }, padding: None };
    assert_same("ten thousand keys", &inputs([1, 2, 1, 17, 10_000, 3]), visibility);
}

#[test]
fn memory_of_a_gradient_grows_with_the_tokens_and_not_with_their_pairs() {
    const N: usize = 1500;
    let inputs = inputs([1, 1, 1, N, N, 3]);
    let visibility = Visibility { mask: &Mask::causal(), at: Positions { first_query: 0 }, padding: None };
    let bytes = |is_online| peak_bytes(|| drop(by_mechanism(&inputs, visibility, &Device::Cpu, is_online)));
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
    for (mask, first_query) in [(Mask::causal(), 4), (Mask::bidirectional(), 2), (Mask::mixed_direction(), 0)]
    {
        let at = Positions { first_query };
        let padding = padding(batch, keys);
        let allowed = Allowed::new(&mask, heads, queries, keys, at, Some(&padding)).unwrap();
        check(
            &format!("decayed_scores, {mask}"),
            &[scores.clone(), decays.clone()],
            |x| decayed_scores(&x[0], &x[1], at, &allowed),
            |x| {
                // The cumulative sum over the keys up to s.
                let sum = |head: usize, s: usize| -> f64 {
                    x[1][head / (heads / kv_heads) * keys..][..=s].iter().sum()
                };
                let weight = |(head, t, s): (usize, usize, usize)| {
                    let is_seen = allowed.get(head / heads, head % heads, t, s);
                    let distance = (sum(head, first_query + t) - sum(head, s)).abs();
                    if is_seen { x[0][(head * queries + t) * keys + s] * (-distance).exp() } else { 0.0 }
                };
                triples(batch * heads, queries, keys).map(weight).collect()
            },
        );
    }
}

#[test]
fn decays_read_off_keys() {
    let [batch, kv_heads, keys, size] = [2, 3, 7, 5];
    let k = random(&[(B, batch), (G, kv_heads), (S, keys), (D, size)], 7);
    let inputs = [k, random(&[(G, kv_heads), (D, size)], 8), random(&[(G, kv_heads)], 9)];
    let padding = padding(batch, keys);
    for padding in [None, Some(&padding)] {
        check(
            "log_decays",
            &inputs,
            |x| log_decays(&x[0], &x[1], &x[2], padding),
            |x| {
                let decay = |(b, g, s): (usize, usize, usize)| {
                    if !padding.is_none_or(|padding| padding.is_real(b, s)) {
                        return 0.0;
                    }
                    let key = &x[0][((b * kv_heads + g) * keys + s) * size..][..size];
                    let dot: f64 = key.iter().zip(&x[1][g * size..]).map(|(k, w)| k * w).sum();
                    -(1.0 + (dot + x[2][g]).exp()).ln()
                };
                triples(batch, kv_heads, keys).map(decay).collect()
            },
        );
    }
}
