//! Attention: the two ways of computing it agree, and properties that every mechanism must have.

#[path = "support/devices.rs"]
mod devices;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rankscope::attention::{Attention, OnlineSoftmax, ScaledDotProduct, SigmoidAttention, Visibility};
use rankscope::mask::MASKS;
use rankscope::ops::with_variant;
use rankscope::prelude::*;

use devices::{devices, gpu};

/// Seeded values in (−2, 2).
fn draw(seed: u64, axes: &[(Axis, usize)]) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, (0..count).map(|_| random.random_range(-2.0..2.0)).collect()).unwrap()
}

struct Case {
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    size: usize,
}

impl Case {
    fn inputs(&self) -> [Tensor; 3] {
        let axes = |heads, length| [(Axis::Batch, self.batch), heads, length, (Axis::HeadSize, self.size)];
        let kv = axes((Axis::KvHead, self.kv_heads), (Axis::Key, self.keys));
        [draw(1, &axes((Axis::Head, self.heads), (Axis::Query, self.queries))), draw(2, &kv), draw(3, &kv)]
    }
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

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| f32::max(largest, (a - b).abs()))
}

/// One mask of every kind, and several combinations.
fn masks(length: usize) -> Vec<Mask> {
    let combined =
        ["global(2) | two-sided-window(3)", "!random(60, 5) & causal", "causal & !window(2) | prefix(1)"];
    let custom = Mask::custom(ndarray_of(length));
    MASKS
        .iter()
        .map(|kind| (kind.example)(length))
        .chain(combined.map(|text| text.parse().unwrap()))
        .chain([custom])
        .collect()
}

fn ndarray_of(length: usize) -> ndarray::Array2<bool> {
    ndarray::Array2::from_shape_fn((length, length), |(t, s)| (3 * t + 5 * s) % 7 < 3)
}

/// The rounding error of a weighted mean of `keys` values up to 2 with weights from exponentials: it grows with the
/// square root of `keys`, and devices round exponentials differently.
fn tolerance(keys: usize) -> f32 {
    8.0 * f32::EPSILON * (keys as f32).sqrt()
}

#[test]
fn online_softmax_agrees_with_materialised_weights_under_every_mask() {
    let sizes = [
        Case { batch: 2, heads: 6, kv_heads: 3, queries: 70, keys: 71, size: 5 },
        Case { batch: 2, heads: 4, kv_heads: 1, queries: 5, keys: 530, size: 8 },
        Case { batch: 1, heads: 2, kv_heads: 2, queries: 3, keys: 530, size: 20 },
        Case { batch: 3, heads: 4, kv_heads: 2, queries: 1, keys: 9, size: 7 },
        Case { batch: 3, heads: 2, kv_heads: 1, queries: 65, keys: 97, size: 128 },
    ];
    for case in &sizes {
        let inputs = case.inputs();
        let at = Positions::suffix(case.queries, case.keys).unwrap();
        let real = (0..case.batch * case.keys).map(|i| i % case.keys + 5 * (i / case.keys) < case.keys);
        let padding = Padding::new(real.collect(), case.keys).unwrap();
        let sinks =
            Tensor::new([(Axis::Head, case.heads)], (0..case.heads).map(|h| 3.0 * h as f32 - 4.0).collect());
        let sinks = sinks.unwrap();
        for mask in masks(case.keys) {
            for (padding, has_sinks) in [(None, false), (Some(&padding), false), (Some(&padding), true)] {
                let visibility = Visibility { mask: &mask, at, padding };
                let plain = ScaledDotProduct::new(case.size);
                let softmax = if has_sinks { plain.with_sinks(sinks.clone()) } else { plain };
                let materialised = context(&softmax, &inputs, visibility);
                for device in devices() {
                    let plain = OnlineSoftmax::new(case.size);
                    let there = sinks.to_device(&device).unwrap();
                    let attention = if has_sinks { plain.with_sinks(there) } else { plain };
                    for variant in variants(&device) {
                        let online = context_on(&device, variant, &attention, &inputs, visibility);
                        let difference = largest_difference(&materialised, &online);
                        // Written so that NaN fails.
                        let close = difference < tolerance(case.keys) && online.iter().all(|x| x.is_finite());
                        assert!(close, "{variant} on {device}: {mask}, {} keys: {difference:e}", case.keys);
                    }
                }
            }
        }
    }
}

#[test]
fn a_query_that_sees_nobody_has_context_zero_both_ways() {
    let inputs = Case { batch: 1, heads: 2, kv_heads: 2, queries: 5, keys: 5, size: 3 }.inputs();
    let mask: Mask = "causal & !window(1)".parse().unwrap();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 0 }, padding: None };
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
                let context = context_on(&device, variant, attention, &inputs, visibility);
                let (first, second) = (&context[..3], &context[3..6]);
                assert!(first.iter().all(|&x| x == 0.0) && second.iter().all(|&x| x != 0.0), "{variant}");
            }
        }
    }
}

#[test]
fn large_scores_do_not_overflow_either_way() {
    let [q, k, v] = Case { batch: 1, heads: 1, kv_heads: 1, queries: 4, keys: 4, size: 2 }.inputs();
    let large = |x: &Tensor| rankscope::ops::scale(x, 1e4).unwrap();
    let inputs = [large(&q), large(&k), v];
    let mask = Mask::bidirectional();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 0 }, padding: None };
    let materialised = context(&ScaledDotProduct::new(2), &inputs, visibility);
    assert!(materialised.iter().all(|value| value.is_finite()));
    for device in devices() {
        for variant in variants(&device) {
            let online = context_on(&device, variant, &OnlineSoftmax::new(2), &inputs, visibility);
            assert!(online.iter().all(|value| value.is_finite()), "{variant} on {device}");
            assert!(largest_difference(&materialised, &online) < 1e-6, "{variant} on {device}");
        }
    }
}

/// f(P·X) = P·f(X) without positions and without a mask; a causal mask breaks it.
#[test]
fn bidirectional_attention_is_permutation_equivariant_and_causal_is_not() {
    let case = Case { batch: 1, heads: 1, kv_heads: 1, queries: 6, keys: 6, size: 3 };
    let inputs = case.inputs();
    let order = [3, 0, 5, 1, 4, 2];
    let permute = |x: &Tensor| {
        let values = x.to_vec().unwrap();
        let rows = order.iter().flat_map(|&row| values[row * 3..row * 3 + 3].to_vec()).collect();
        Tensor::new(x.shape().axes(), rows).unwrap()
    };
    let permuted = [permute(&inputs[0]), permute(&inputs[1]), permute(&inputs[2])];
    let difference = |mask: &Mask| {
        let visibility = Visibility { mask, at: Positions { first_query: 0 }, padding: None };
        let plain = context(&ScaledDotProduct::new(3), &inputs, visibility);
        let plain = Tensor::new([(Axis::Query, 6), (Axis::HeadSize, 3)], plain).unwrap();
        let permuted = context(&ScaledDotProduct::new(3), &permuted, visibility);
        largest_difference(permute(&plain).as_slice().unwrap(), &permuted)
    };
    assert!(difference(&Mask::bidirectional()) < 1e-6);
    assert!(difference(&Mask::causal()) > 0.1);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let [q, k, v] = Case { batch: 1, heads: 6, kv_heads: 4, queries: 2, keys: 3, size: 5 }.inputs();
    let mask = Mask::bidirectional();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 0 }, padding: None };
    let error = |attention: &dyn Attention, q: &Tensor, v: &Tensor| {
        let result = attention.forward(q, &k, v, visibility, &mut Unobserved, &Run::default());
        result.unwrap_err().to_string()
    };
    let online = OnlineSoftmax::new(5);
    assert_eq!(error(&online, &q, &v), "online_attention: k's G is 4, expected a divisor of H = 6");
    assert_eq!(error(&ScaledDotProduct::new(5), &q, &v), "matmul: b's G is 4, expected a divisor of H = 6");
    let wide = draw(9, &[(Axis::Batch, 1), (Axis::Head, 4), (Axis::Query, 2), (Axis::HeadSize, 6)]);
    assert_eq!(error(&online, &wide, &v), "online_attention: k has HeadSize (D) = 5, expected 6");
    assert!(error(&online, &k, &v).contains("q has axes [B, G, S, D], expected [B, H, T, D]"));
}

#[test]
fn memory_is_linear_in_n() {
    let Some(Device::Gpu(shared)) = gpu() else { return };
    let gpu = rankscope::device::Gpu::from_wgpu(shared.device().clone(), shared.queue().clone());
    let own = Device::Gpu(gpu.clone());
    let case = Case { batch: 1, heads: 8, kv_heads: 8, queries: 4096, keys: 4096, size: 64 };
    let inputs = case.inputs().map(|x| x.to_device(&own).unwrap());
    let output = (4 * 8 * 4096 * 64) as u64;
    gpu.reset_peak();
    let before = gpu.memory().live_bytes;
    // A window, so that a software adapter takes little time; the memory does not depend on the mask.
    let mask = Mask::window(40).unwrap();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 0 }, padding: None };
    let [q, k, v] = &inputs;
    let context =
        OnlineSoftmax::new(64).forward(q, k, v, visibility, &mut Unobserved, &Run::default()).unwrap();
    let beyond = gpu.memory().peak_bytes - before - output;
    assert!(beyond < 32 << 20, "{beyond} bytes");
    let got = context.to_vec().unwrap();
    let [q, k, v] = case.inputs();
    let want =
        OnlineSoftmax::new(64).forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default()).unwrap();
    assert!(largest_difference(&got, want.as_slice().unwrap()) < 4e-6);
}

#[test]
fn heads_longer_than_the_registers_are_refused_by_name() {
    let Some(device) = gpu() else { return };
    let case = Case { batch: 1, heads: 1, kv_heads: 1, queries: 17, keys: 18, size: 129 };
    let [q, k, v] = case.inputs().map(|x| x.to_device(&device).unwrap());
    let mask = Mask::causal();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 1 }, padding: None };
    let result = OnlineSoftmax::new(129).forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default());
    assert_eq!(
        result.unwrap_err().to_string(),
        "online_attention: head size D is 129, expected at most 128 on a GPU"
    );
}
