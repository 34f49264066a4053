//! Attention: the two ways of computing it agree, and properties that every mechanism must have.

#[path = "support/compare.rs"]
mod compare;
#[path = "support/devices.rs"]
mod devices;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rankscope::attention::{Attention, OnlineSoftmax, ScaledDotProduct, SigmoidAttention, Visibility};
use rankscope::mask::MASKS;
use rankscope::ops::with_variant;
use rankscope::prelude::*;

use compare::far;
use devices::{devices, gpu};

/// Seeded values in (−2, 2).
fn draw(seed: u64, axes: &[(Axis, usize)]) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, (0..count).map(|_| random.random_range(-2.0..2.0)).collect()).unwrap()
}

/// q, k and v for B, H, G, T, S and D.
fn inputs([batch, heads, kv_heads, queries, keys, size]: [usize; 6]) -> [Tensor; 3] {
    let axes = |heads, length| [(Axis::Batch, batch), heads, length, (Axis::HeadSize, size)];
    let kv = axes((Axis::KvHead, kv_heads), (Axis::Key, keys));
    [draw(1, &axes((Axis::Head, heads), (Axis::Query, queries))), draw(2, &kv), draw(3, &kv)]
}

/// A pass over all positions, without padding.
fn whole(mask: &Mask) -> Visibility<'_> {
    Visibility { mask, at: Positions { first_query: 0 }, padding: None }
}

/// The variants of the online softmax that `device` has; the CPU has one.
fn variants(device: &Device) -> &'static [&'static str] {
    if device.is_gpu() { &["online-naive", "online-tiled", "materialised"] } else { &["online-tiled"] }
}

fn context_on(
    device: &Device,
    variant: &str,
    attention: &dyn Attention,
    inputs: &[Tensor; 3],
    visibility: Visibility<'_>,
) -> Vec<f32> {
    let inputs = inputs.each_ref().map(|x| x.to_device(device).unwrap());
    with_variant("attention", variant, || Ok(context(attention, &inputs, visibility))).unwrap()
}

fn context(attention: &dyn Attention, [q, k, v]: &[Tensor; 3], visibility: Visibility<'_>) -> Vec<f32> {
    attention.forward(q, k, v, visibility, &mut Unobserved, &Run::default()).unwrap().to_vec().unwrap()
}

/// One mask of every kind, and several combinations.
fn masks(length: usize) -> Vec<Mask> {
    let combined =
        ["global(2) | two-sided-window(3)", "!random(60, 5) & causal", "causal & !window(2) | prefix(1)"];
    let custom = ndarray::Array2::from_shape_fn((length, length), |(t, s)| (3 * t + 5 * s) % 7 < 3);
    let examples = MASKS.iter().map(|kind| (kind.example)(length));
    examples.chain(combined.map(|text| text.parse().unwrap())).chain([Mask::custom(custom)]).collect()
}

/// The rounding error of a weighted mean of `keys` values up to 2 with weights from exponentials: it grows with the
/// square root of `keys`, and devices round exponentials differently.
fn tolerance(keys: usize) -> f32 {
    8.0 * f32::EPSILON * (keys as f32).sqrt()
}

#[test]
fn online_softmax_agrees_with_materialised_weights_under_every_mask() {
    for sizes in [
        [2, 6, 3, 70, 71, 5],
        [2, 4, 1, 5, 530, 8],
        [1, 2, 2, 3, 530, 20],
        [3, 4, 2, 1, 9, 7],
        [3, 2, 1, 65, 97, 128],
    ] {
        let (inputs, [batch, heads, _, queries, keys, size]) = (inputs(sizes), sizes);
        let at = Positions::suffix(queries, keys).unwrap();
        let real = (0..batch * keys).map(|i| i % keys + 5 * (i / keys) < keys);
        let padding = Padding::new(real.collect(), keys).unwrap();
        let sinks = (0..heads).map(|h| 3.0 * h as f32 - 4.0).collect();
        let sinks = Tensor::new([(Axis::Head, heads)], sinks).unwrap();
        for mask in masks(keys) {
            for (padding, has_sinks) in [(None, false), (Some(&padding), false), (Some(&padding), true)] {
                let visibility = Visibility { mask: &mask, at, padding };
                let plain = ScaledDotProduct::new(size);
                let softmax = if has_sinks { plain.with_sinks(sinks.clone()) } else { plain };
                let materialised = context(&softmax, &inputs, visibility);
                for device in devices() {
                    let plain = OnlineSoftmax::new(size);
                    let there = sinks.to_device(&device).unwrap();
                    let attention = if has_sinks { plain.with_sinks(there) } else { plain };
                    for variant in variants(&device) {
                        let online = context_on(&device, variant, &attention, &inputs, visibility);
                        let difference = far(&materialised, &online);
                        // Written so that NaN fails.
                        let close = difference < tolerance(keys) && online.iter().all(|x| x.is_finite());
                        assert!(close, "{variant} on {device}: {mask}, {keys} keys: {difference:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_query_that_sees_nobody_has_context_zero_both_ways() {
    let inputs = inputs([1, 2, 2, 5, 5, 3]);
    let mask: Mask = "causal & !window(1)".parse().unwrap();
    for device in devices() {
        let sinks = || Tensor::zeros([(Axis::Head, 2)]).to_device(&device).unwrap();
        let ways: [&dyn Attention; 5] = [
            &ScaledDotProduct::new(3),
            &ScaledDotProduct::new(3).with_sinks(sinks()),
            &OnlineSoftmax::new(3),
            &OnlineSoftmax::new(3).with_sinks(sinks()),
            &SigmoidAttention::new(3, 5),
        ];
        for attention in ways {
            for variant in variants(&device) {
                let context = context_on(&device, variant, attention, &inputs, whole(&mask));
                let (first, second) = (&context[..3], &context[3..6]);
                assert!(first.iter().all(|&x| x == 0.0) && second.iter().all(|&x| x != 0.0), "{variant}");
            }
        }
    }
}

#[test]
fn large_scores_do_not_overflow_either_way() {
    let [q, k, v] = inputs([1, 1, 1, 4, 4, 2]);
    let large = |x: &Tensor| rankscope::ops::scale(x, 1e4).unwrap();
    let inputs = [large(&q), large(&k), v];
    let mask = Mask::bidirectional();
    let materialised = context(&ScaledDotProduct::new(2), &inputs, whole(&mask));
    assert!(materialised.iter().all(|value| value.is_finite()));
    for device in devices() {
        for variant in variants(&device) {
            let online = context_on(&device, variant, &OnlineSoftmax::new(2), &inputs, whole(&mask));
            assert!(online.iter().all(|value| value.is_finite()), "{variant} on {device}");
            assert!(far(&materialised, &online) < 1e-6, "{variant} on {device}");
        }
    }
}

/// f(P·X) = P·f(X) without positions and without a mask; a causal mask breaks it.
#[test]
fn bidirectional_attention_is_permutation_equivariant_and_causal_is_not() {
    let inputs = inputs([1, 1, 1, 6, 6, 3]);
    let order = [3, 0, 5, 1, 4, 2];
    let permute = |x: &Tensor| {
        let values = x.to_vec().unwrap();
        let rows = order.iter().flat_map(|&row| values[row * 3..row * 3 + 3].to_vec()).collect();
        Tensor::new(x.shape().axes(), rows).unwrap()
    };
    let permuted = inputs.each_ref().map(permute);
    let difference = |mask: &Mask| {
        let plain = context(&ScaledDotProduct::new(3), &inputs, whole(mask));
        let plain = Tensor::new([(Axis::Query, 6), (Axis::HeadSize, 3)], plain).unwrap();
        let permuted = context(&ScaledDotProduct::new(3), &permuted, whole(mask));
        far(permute(&plain).as_slice().unwrap(), &permuted)
    };
    assert!(difference(&Mask::bidirectional()) < 1e-6);
    assert!(difference(&Mask::causal()) > 0.1);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let [q, k, v] = inputs([1, 6, 4, 2, 3, 5]);
    let mask = Mask::bidirectional();
    let error = |attention: &dyn Attention, q: &Tensor| {
        let result = attention.forward(q, &k, &v, whole(&mask), &mut Unobserved, &Run::default());
        result.unwrap_err().to_string()
    };
    let online = OnlineSoftmax::new(5);
    assert_eq!(error(&online, &q), "online_attention: k's G is 4, expected a divisor of H = 6");
    assert_eq!(error(&ScaledDotProduct::new(5), &q), "matmul: b's G is 4, expected a divisor of H = 6");
    let wide = draw(9, &[(Axis::Batch, 1), (Axis::Head, 4), (Axis::Query, 2), (Axis::HeadSize, 6)]);
    assert_eq!(error(&online, &wide), "online_attention: k has HeadSize (D) = 5, expected 6");
    assert!(error(&online, &k).contains("q has axes [B, G, S, D], expected [B, H, T, D]"));
}

#[test]
fn memory_is_linear_in_n() {
    let Some(Device::Gpu(shared)) = gpu() else { return };
    let gpu = rankscope::device::Gpu::from_wgpu(shared.device().clone(), shared.queue().clone());
    let own = Device::Gpu(gpu.clone());
    let inputs = inputs([1, 8, 8, 4096, 4096, 64]);
    let [q, k, v] = inputs.each_ref().map(|x| x.to_device(&own).unwrap());
    let output = (4 * 8 * 4096 * 64) as u64;
    gpu.reset_peak();
    let before = gpu.memory().live_bytes;
    // A window, so that a software adapter takes little time; the memory does not depend on the mask.
    let mask = Mask::window(40).unwrap();
    let (attention, run) = (OnlineSoftmax::new(64), Run::default());
    let got = attention.forward(&q, &k, &v, whole(&mask), &mut Unobserved, &run).unwrap();
    let beyond = gpu.memory().peak_bytes - before - output;
    assert!(beyond < 32 << 20, "{beyond} bytes");
    assert!(far(&got.to_vec().unwrap(), &context(&attention, &inputs, whole(&mask))) < 4e-6);
}

#[test]
fn heads_longer_than_the_registers_are_refused_by_name() {
    let Some(device) = gpu() else { return };
    let [q, k, v] = inputs([1, 1, 1, 17, 18, 129]).map(|x| x.to_device(&device).unwrap());
    let mask = Mask::causal();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 1 }, padding: None };
    let result = OnlineSoftmax::new(129).forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default());
    let expected = "online_attention: head size D is 129, expected at most 128 on a GPU";
    assert_eq!(result.unwrap_err().to_string(), expected);
}
