//! Gradients of linear attention that never stores its weights.

use rankscope::attention::{LinearAttention, Visibility};
use rankscope::gradient::gradients;
use rankscope::ops::{FeatureMap, linear_attention, with_variant};
use rankscope::prelude::*;
use rankscope::tape::Tape;

use crate::gradients::{check, of_inputs, weighted_sum};
use crate::linear::{double_sum_of, features, linear_masks};
use crate::live::peak_bytes;
use crate::support::{FROM_ZERO, assert_close, devices, noise, scattered, whole, wide_of};

#[test]
fn by_differences() {
    let sizes = [2, 6, 3, 4, 7, 5];
    let [batch, heads, _, _, keys, _] = sizes;
    let (inputs, padding) = (features(sizes), scattered(batch, keys));
    for (mask, first_query) in linear_masks(keys).into_iter().zip([2, 0, 3, 1, 2]) {
        for variant in ["materialised", "recurrent", "chunked"] {
            let at = Positions { first_query };
            let op = |[q, k, v]: [&Tensor; 3]| {
                let attend = || linear_attention(q, k, v, &mask, at, Some(&padding), &Run::default());
                if q.device().is_gpu() { with_variant("linear_attention", variant, attend) } else { attend() }
            };
            let sees = |[b, h, t, s]: [usize; 4]| {
                padding.is_real(b, s) && mask.for_head(h, heads).may_attend(first_query + t, s)
            };
            let name = format!("linear_attention, {mask}, {variant}");
            check(&name, inputs.each_ref(), op, |qkv| double_sum_of(qkv, sizes, sees));
        }
    }
}

/// The gradients of queries, keys and values before their features. With a probe that watches `weights`, the path
/// through the weights is used.
fn by_path(
    inputs: &[Tensor; 3],
    visibility: Visibility<'_>,
    device: &Device,
    is_watched: bool,
) -> [Tensor; 3] {
    let mut trace = Trace::of(if is_watched { vec!["weights"] } else { vec!["nothing"] });
    let attention = LinearAttention::new(FeatureMap::EluPlusOne);
    let factors = noise(inputs[0].shape().len(), 9);
    let found = of_inputs("linear attention", inputs.each_ref(), device, &factors, |[q, k, v]| {
        attention.forward(q, k, v, visibility, &mut trace, &Run::default())
    });
    assert_eq!(trace.iter().len(), usize::from(is_watched));
    found
}

#[test]
fn they_are_those_of_the_path_through_the_weights() {
    // More queries, keys and features than one chunk of 64 rows and one tile of 32 columns.
    for (which, sizes) in
        [[2, 4, 2, 70, 141, 5], [1, 3, 3, 130, 67, 40], [2, 2, 1, 1, 200, 3]].into_iter().enumerate()
    {
        let [batch, _, _, queries, keys, _] = sizes;
        let (inputs, padding) = (features(sizes), scattered(batch, keys));
        for (i, mask) in linear_masks(keys).into_iter().enumerate() {
            let at = match (i + which) % 2 {
                0 if keys >= queries => Positions::suffix(queries, keys).unwrap(),
                _ => FROM_ZERO,
            };
            let visibility = Visibility { mask: &mask, at, padding: (i % 2 > 0).then_some(&padding) };
            let want = by_path(&inputs, visibility, &Device::Cpu, true);
            for device in devices() {
                let got = by_path(&inputs, visibility, &device, false);
                for (name, (got, want)) in ["q", "k", "v"].iter().zip(got.iter().zip(&want)) {
                    let case = format!("gradient of {name}, {mask}, {sizes:?}");
                    assert_close(&case, &device, got, &wide_of(want), 2e-5);
                }
            }
        }
    }
}

#[test]
fn a_query_without_a_common_feature_has_the_gradient_0() {
    let head = |length, values: Vec<f32>| {
        let axes = [(Axis::Batch, 1), (Axis::Head, 1), (length, 2), (Axis::HeadSize, 2)];
        Tensor::new(axes, values).unwrap()
    };
    for device in devices() {
        let tape = Tape::new();
        let on = |x: Tensor| tape.track(&x.to_device(&device).unwrap());
        // The second query shares no feature with a key; the first query shares one with both keys.
        let q = on(head(Axis::Query, vec![1.0, 0.0, 0.0, 1.0]));
        let k = on(head(Axis::Key, vec![1.0, 0.0, 3.0, 0.0]));
        let v = on(head(Axis::Key, vec![2.0, 5.0, 6.0, 5.0]));
        let (mask, run) = (Mask::bidirectional(), Run::default());
        let y = linear_attention(&q, &k, &v, &mask, FROM_ZERO, None, &run).unwrap();
        assert_eq!(y.detach().to_vec().unwrap(), [5.0, 5.0, 0.0, 0.0]);
        let found = gradients(&weighted_sum(&y, &[1.0; 4], &device)).unwrap();
        // y = (k₀ 2 + k₁ 6) / (k₀ + k₁): ∂k₀ = (2 − 5)/4, ∂k₁ = (6 − 5)/4, of what q₀ multiplies; ∂q₀ = 0 in what all share,
        // and in the other feature both keys are 0.
        assert_eq!(found.of(&k).unwrap().to_vec().unwrap(), [-0.75, 0.0, 0.25, 0.0], "{device}");
        assert_eq!(found.of(&v).unwrap().to_vec().unwrap(), [0.25, 0.25, 0.75, 0.75], "{device}");
        assert_eq!(found.of(&q).unwrap().to_vec().unwrap(), [0.0; 4], "{device}");
    }
}

#[test]
fn memory_grows_with_the_tokens_and_not_with_their_pairs() {
    for mask in [Mask::causal(), Mask::bidirectional()] {
        let bytes = |tokens: usize| {
            let inputs = features([1, 1, 1, tokens, tokens, 3]);
            // Small enough that no tensor reuses the memory of another one.
            peak_bytes(|| drop(by_path(&inputs, whole(&mask), &Device::Cpu, false)))
        };
        let (once, twice) = (bytes(1500), bytes(3000));
        assert!(once > 1500 * 3 * 4 * 6, "{once} bytes: nothing was measured");
        assert!(once < 1500 * 1500 * 4 / 8, "{once} bytes");
        assert!((1.9..2.1).contains(&(twice as f64 / once as f64)), "{once} and {twice} bytes");
    }
}
