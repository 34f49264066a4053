//! The devices, test data, and comparison.

use std::sync::Arc;

use rankscope::attention::Visibility;
use rankscope::device::Gpu;
use rankscope::mask::{Mask, Padding, Positions};
use rankscope::{Axis, Device, Result, Tensor};

pub use crate::devices::{devices, gpu, skipped};
pub use rankscope::Axis::{
    Batch as B, Head as H, HeadSize as D, Key as S, KvHead as G, Query as T, Width as C,
};

pub const FROM_ZERO: Positions = Positions { first_query: 0 };

/// A pass over all positions, without padding.
pub fn whole(mask: &Mask) -> Visibility<'_> {
    Visibility { mask, at: FROM_ZERO, padding: None }
}

/// The open GPU itself.
pub fn inner(device: &Device) -> &Arc<Gpu> {
    let Device::Gpu(gpu) = device else { panic!("{device} is no GPU") };
    gpu
}

/// The open GPU with work, counts and memory that no other test shares; also as a device.
#[track_caller]
pub fn own() -> Option<(Arc<Gpu>, Device)> {
    let shared = gpu()?;
    let gpu = Gpu::from_wgpu(inner(&shared).device().clone(), inner(&shared).queue().clone());
    Some((gpu.clone(), Device::Gpu(gpu)))
}

/// The bytes that `work` holds on a GPU at once, in addition to those held before.
pub fn peak_on(gpu: &Gpu, work: impl FnOnce()) -> u64 {
    gpu.reset_peak();
    let before = gpu.memory().live_bytes;
    work();
    gpu.memory().peak_bytes - before
}

/// A device that no other test uses, and that a test may lose.
#[track_caller]
pub fn separate() -> Option<Arc<Gpu>> {
    gpu()?;
    Some(Gpu::open(&adapter()).unwrap())
}

/// An adapter, to open a device that no other test uses.
pub fn adapter() -> wgpu::Adapter {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY)).swap_remove(0)
}

/// Values in about [-1, 1) that look random and are the same on every run; different seeds give different values.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A tensor of noise.
pub fn random(axes: &[(Axis, usize)], seed: u64) -> Tensor {
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, noise(count, seed)).unwrap()
}

/// B, H, G, T, S and D.
pub type Six = [usize; 6];

/// q, k and v of noise.
pub fn qkv([batch, heads, kv_heads, queries, keys, size]: Six) -> [Tensor; 3] {
    let of_keys = [(B, batch), (G, kv_heads), (S, keys), (D, size)];
    let q = random(&[(B, batch), (H, heads), (T, queries), (D, size)], 1);
    [q, random(&of_keys, 2), random(&of_keys, 3)]
}

/// The axes of scores, with their sizes.
pub fn pairs([batch, heads, queries, keys]: [usize; 4]) -> [(Axis, usize); 4] {
    [(B, batch), (H, heads), (T, queries), (S, keys)]
}

/// Padding whose tokens are the keys for which `is_real` (sequence, key) is true.
pub fn padding(batch: usize, keys: usize, is_real: impl Fn(usize, usize) -> bool) -> Padding {
    Padding::new((0..batch * keys).map(|i| is_real(i / keys, i % keys)).collect(), keys).unwrap()
}

/// Padding in which each sequence has other keys as tokens.
pub fn scattered(batch: usize, keys: usize) -> Padding {
    padding(batch, keys, |b, s| (s + 5 * b) % 7 != 3)
}

/// The values in f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// The values of a tensor on the CPU in f64.
pub fn wide_of(x: &Tensor) -> Vec<f64> {
    wide(x.as_slice().expect("a tensor on the CPU"))
}

/// The result of one operation on one device, with tensors that are moved there first.
pub fn on<const N: usize>(
    device: &Device,
    inputs: [&Tensor; N],
    op: impl FnOnce([Tensor; N]) -> Result<Tensor>,
) -> Tensor {
    let moved = inputs.map(|x| x.to_device(device).unwrap());
    let y = op(moved).unwrap();
    assert_eq!(y.device(), *device, "the result must be where the arguments are");
    y
}

/// The results of one operation on one device by every variant there, with the names of the variants.
///
/// On a GPU these are the variants of the ladder `ladder` that can compute the sizes.
pub fn every_way<const N: usize>(
    device: &Device,
    ladder: &str,
    inputs: [&Tensor; N],
    op: impl Fn([&Tensor; N]) -> Result<Tensor>,
) -> Vec<(&'static str, Tensor)> {
    let moved = inputs.map(|x| x.to_device(device).unwrap());
    if !device.is_gpu() {
        return vec![("the CPU", op(moved.each_ref()).unwrap())];
    }
    let ladder = rankscope::ops::ladder::ladder(ladder).unwrap();
    let mut ways = vec![("the host's choice", op(moved.each_ref()).unwrap())];
    for variant in ladder.variants {
        match rankscope::ops::with_variant(ladder.op, variant.name, || op(moved.each_ref())) {
            Ok(y) => ways.push((variant.name, y)),
            Err(error) => {
                let text = error.to_string();
                let is_refusal = text.contains("this one takes")
                    || text.contains("has no subgroups")
                    || text.contains("turns of its loops");
                assert!(is_refusal && variant.name != ladder.variants[0].name, "{}: {text}", variant.name);
                if text.contains("has no subgroups") {
                    skipped("kernels for subgroups, which the GPU has not");
                }
            }
        }
    }
    assert!(ways.iter().all(|(_, y)| y.device() == *device), "the result must be where the arguments are");
    ways
}

/// The message of an error.
#[track_caller]
pub fn said<T>(result: Result<T>) -> String {
    result.map(drop).unwrap_err().to_string()
}

/// Fails unless there is an error with this message.
#[track_caller]
pub fn refused<T>(result: Result<T>, expected: &str) {
    assert_eq!(said(result), expected);
}

/// The distance of 1 from the next f32: the relative error of a rounding is at most half of it.
pub const EPSILON: f64 = f32::EPSILON as f64;

/// Fails unless every value is within `tolerance` · max(1, |reference|) of its reference.
#[track_caller]
pub fn assert_close(case: &str, device: &Device, got: &Tensor, want: &[f64], tolerance: f64) {
    assert_within(case, device, got, want, |i| tolerance * want[i].abs().max(1.0));
}

/// Fails unless every value i is within `bound(i)` of its reference.
#[track_caller]
pub fn assert_within(case: &str, device: &Device, got: &Tensor, want: &[f64], bound: impl Fn(usize) -> f64) {
    let got = got.to_vec().unwrap();
    assert_eq!(got.len(), want.len(), "{case} on {device}");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let bound = bound(i);
        // Written so that NaN fails.
        let close = (f64::from(got) - want).abs() <= bound;
        assert!(close, "{case} on {device}: value {i} is {got}, expected {want} to within {bound:e}");
    }
}
