//! Linear attention: features, normalised rows, and every way to compute the context, compared with the double sum.

use ndarray::Array2;
use rankscope::attention::{LinearAttention, Visibility};
use rankscope::mask::{Allowed, MASKS};
use rankscope::ops::{FeatureMap, feature_map, linear_attention, masked_normalise};
use rankscope::prelude::*;

use crate::oracle;
use crate::support::{
    EPSILON, FROM_ZERO, Six, assert_close, assert_within, devices, every_way, noise, on, own, padding, pairs,
    peak_on, qkv, refused, wide_of,
};

/// Features for q and k, noise for v.
pub fn features(sizes: Six) -> [Tensor; 3] {
    mapped(qkv(sizes), FeatureMap::EluPlusOne)
}

fn mapped([q, k, v]: [Tensor; 3], map: FeatureMap) -> [Tensor; 3] {
    [feature_map(q, map).unwrap(), feature_map(k, map).unwrap(), v]
}

/// Σₛ (q·k) v / Σₛ q·k over the pairs for which `sees` (sequence, head, query, key) is true, in f64.
fn double_sum([q, k, v]: &[Tensor; 3], sees: impl Fn([usize; 4]) -> bool) -> Vec<f64> {
    let [batch, heads, queries, size] = q.shape().sizes()[..] else { panic!("{q:?}") };
    let [_, kv_heads, keys, _] = k.shape().sizes()[..] else { panic!("{k:?}") };
    let sizes = [batch, heads, kv_heads, queries, keys, size];
    double_sum_of([&wide_of(q), &wide_of(k), &wide_of(v)], sizes, sees)
}

pub fn double_sum_of([q, k, v]: [&[f64]; 3], sizes: Six, sees: impl Fn([usize; 4]) -> bool) -> Vec<f64> {
    let [_, heads, kv_heads, queries, keys, size] = sizes;
    let mut context = Vec::new();
    for row in 0..q.len() / size {
        let (b, h, t) = (row / queries / heads, row / queries % heads, row % queries);
        let (mut above, mut below) = (vec![0.0; size], 0.0);
        for s in (0..keys).filter(|&s| sees([b, h, t, s])) {
            let key = ((b * kv_heads + h * kv_heads / heads) * keys + s) * size;
            let score: f64 = (0..size).map(|d| q[row * size + d] * k[key + d]).sum();
            below += score;
            (0..size).for_each(|e| above[e] += score * v[key + e]);
        }
        context.extend(above.iter().map(|above| if below == 0.0 { 0.0 } else { above / below }));
    }
    context
}

#[test]
fn features_over_their_range() {
    let mut values = vec![-200.0, -87.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 1.0, 88.0, 3.0e38, f32::INFINITY];
    values.extend(noise(70, 4).into_iter().map(|x| 5.0 * x));
    let x = Tensor::new([(Axis::Row, values.len())], values).unwrap();
    for device in devices() {
        for map in FeatureMap::ALL {
            let formula = match map {
                FeatureMap::EluPlusOne => oracle::elu_plus_one,
                FeatureMap::Relu => oracle::relu,
            };
            let finite = |x: f64| x.clamp(-f64::from(f32::MAX), f64::from(f32::MAX));
            let want: Vec<f64> = wide_of(&x).into_iter().map(|x| finite(formula(x))).collect();
            let got = on(&device, [&x], |[x]| feature_map(&x, map));
            let got = got.to_vec().unwrap().into_iter().map(|x| finite(f64::from(x)) as f32).collect();
            let got = Tensor::new(x.shape().axes(), got).unwrap();
            assert_close(&format!("{map}"), &device, &got, &want, 4.0 * EPSILON);
        }
    }
    let two = Tensor::new([(Axis::Row, 2)], vec![-1.0, 1.5]).unwrap();
    let by_hand = feature_map(two, FeatureMap::EluPlusOne).unwrap();
    assert_eq!(by_hand.to_vec().unwrap(), [(-1f32).exp(), 2.5]);
}

fn check_rows(case: &str, sizes: [usize; 4], values: Vec<f32>, mask: &Mask, padding: Option<&Padding>) {
    let [_, heads, queries, keys] = sizes;
    let x = Tensor::new(pairs(sizes), values).unwrap();
    let allowed = Allowed::new(mask, heads, queries, keys, FROM_ZERO, padding).unwrap();
    let sees = |row: usize, key: usize| {
        mask.for_head(row / queries % heads, heads).may_attend(row % queries, key)
            && padding.is_none_or(|padding| padding.is_real(row / queries / heads, key))
    };
    let want = oracle::normalised(&wide_of(&x), keys, sees);
    for device in devices() {
        for (way, got) in every_way(&device, "masked_normalise", [&x], |[x]| masked_normalise(x, &allowed)) {
            // The bound of a sum whose values are all positive.
            let bound = |i: usize| (4 + keys) as f64 * EPSILON * want[i];
            assert_within(&format!("{case}, {way}"), &device, &got, &want, bound);
        }
    }
}

#[test]
fn normalised_rows_around_words_and_workgroups() {
    for (queries, keys) in [(1, 31usize), (5, 32), (4, 33), (7, 63), (4, 64), (5, 65), (7, 1), (70, 130)] {
        let sizes = [2, 3, queries, keys];
        let mask = Mask::two_sided_window(keys.div_ceil(2)).unwrap();
        let values = || noise(2 * 3 * queries * keys, 1).into_iter().map(|x| 1.0 + x).collect();
        check_rows("shared rows", sizes, values(), &mask, None);
        let padding = padding(2, keys, |b, s| s < keys - b);
        let mask = Mask::heads([mask, Mask::causal(), Mask::anti_causal()]).unwrap();
        check_rows("padding and heads", sizes, values(), &mask, Some(&padding));
    }
}

#[test]
fn rows_of_nothing_are_zero_and_masked_scores_do_not_matter() {
    let pattern = [[false, true, true], [true, false, true], [true, false, false]];
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let scores = vec![nan, 1.0, 3.0, 0.0, inf, 0.0, 5.0, nan, inf];
    let allowed = Mask::custom(Array2::from_shape_fn((3, 3), |(t, s)| pattern[t][s]));
    let allowed = Allowed::new(&allowed, 1, 3, 3, FROM_ZERO, None).unwrap();
    let x = Tensor::new(pairs([1, 1, 3, 3]), scores).unwrap();
    for device in devices() {
        for (way, got) in every_way(&device, "masked_normalise", [&x], |[x]| masked_normalise(x, &allowed)) {
            let want = [0.0, 0.25, 0.75, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
            assert_eq!(got.to_vec().unwrap(), want, "{way} on {device}");
        }
        // A NaN that may be attended to makes its row NaN.
        let x = Tensor::new(x.shape().axes(), vec![1.0, nan, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0]).unwrap();
        for (way, got) in every_way(&device, "masked_normalise", [&x], |[x]| masked_normalise(x, &allowed)) {
            let got = got.to_vec().unwrap();
            assert!(got[0] == 0.0 && got[1].is_nan() && got[2].is_nan(), "{way} on {device}: {got:?}");
        }
    }
}

/// Masks under which the cost is linear.
pub fn linear_masks(keys: usize) -> Vec<Mask> {
    vec![
        Mask::bidirectional(),
        Mask::causal(),
        Mask::anti_causal(),
        Mask::prefix(keys.div_ceil(3)),
        Mask::mixed_direction(),
    ]
}

#[test]
fn every_way_to_the_context_agrees_with_the_double_sum() {
    let sizes: [Six; 6] = [
        [2, 6, 3, 70, 71, 5],
        [2, 4, 1, 3, 131, 9],
        [3, 8, 2, 1, 7, 4],
        [3, 2, 1, 65, 128, 33],
        [5, 4, 2, 129, 64, 3], // more queries than keys
        [3, 2, 1, 4, 66, 700], // more turns than a software adapter's loops can take, so the matrix is computed
    ];
    for sizes in sizes {
        let [batch, heads, _, queries, keys, size] = sizes;
        let inputs = features(sizes);
        let padding = padding(batch, keys, |b, s| (s + 5 * b) % 11 != 3);
        for mask in linear_masks(keys) {
            for (at, padding) in [(FROM_ZERO, None), (Positions { first_query: 2 }, Some(&padding))] {
                let want = double_sum(&inputs, |[b, h, t, s]| {
                    mask.for_head(h, heads).may_attend(at.first_query + t, s)
                        && padding.is_none_or(|padding| padding.is_real(b, s))
                });
                for device in devices() {
                    let attend = |[q, k, v]: [&Tensor; 3]| {
                        linear_attention(q, k, v, &mask, at, padding, &Run::default())
                    };
                    for (way, got) in every_way(&device, "linear_attention", inputs.each_ref(), attend) {
                        assert_eq!(got.shape(), inputs[0].shape());
                        let case = format!("{mask}, T = {queries}, S = {keys}, D = {size}, {way}");
                        assert_close(&case, &device, &got, &want, (keys + size) as f64 * EPSILON);
                    }
                }
            }
        }
    }
}

#[test]
fn the_linear_path_and_the_matrix_agree_and_any_mask_has_one() {
    let sizes @ [_, heads, _, queries, keys, _] = [2, 4, 2, 9, 13, 5];
    let inputs = qkv(sizes);
    let at = Positions::suffix(queries, keys).unwrap();
    for device in devices() {
        let [q, k, v] = inputs.each_ref().map(|x| x.to_device(&device).unwrap());
        for map in FeatureMap::ALL {
            let features = mapped(inputs.clone(), map);
            for mask in MASKS.iter().map(|kind| (kind.example)(keys)) {
                let want = double_sum(&features, |[_, h, t, s]| {
                    mask.for_head(h, heads).may_attend(at.first_query + t, s)
                });
                let visibility = Visibility { mask: &mask, at, padding: None };
                let attention = LinearAttention::new(map);
                let run = Run::default();
                let plain = attention.forward(&q, &k, &v, visibility, &mut Unobserved, &run).unwrap();
                let mut trace = Trace::all();
                let watched = attention.forward(&q, &k, &v, visibility, &mut trace, &run).unwrap();
                for (way, got) in [("alone", plain), ("watched", watched)] {
                    assert_close(&format!("{map}, {mask}, {way}"), &device, &got, &want, 64.0 * EPSILON);
                }
                let names: Vec<_> = trace.iter().map(|(name, _)| name).collect();
                assert_eq!(names, ["scores", "mask", "weights", "context"]);
                for row in trace.get("weights").unwrap().to_vec().unwrap().chunks(keys) {
                    let sum: f32 = row.iter().sum();
                    assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-6, "{map}, {mask} on {device}: {sum}");
                }
            }
        }
    }
}

#[test]
fn the_linear_path_makes_no_matrix_and_reads_nothing_back() {
    let Some((gpu, own)) = own() else { return };
    let [q, k, v] = features([1, 2, 1, 1500, 1501, 4]).map(|x| x.to_device(&own).unwrap());
    let mask = Mask::causal();
    let visibility = Visibility { mask: &mask, at: Positions { first_query: 1 }, padding: None };
    let attention = LinearAttention::new(FeatureMap::Relu);
    let beyond = peak_on(&gpu, || {
        attention.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default()).unwrap();
    });
    assert!(beyond < 1 << 20, "{beyond} bytes, where one matrix would take 9 million");
    assert_eq!(gpu.counts().readbacks, 0);
}

#[test]
fn a_query_like_no_key_has_context_zero() {
    // The first query shares no feature with any key; the second query only with the second key.
    let (batch, heads, size) = ((Axis::Batch, 1), (Axis::Head, 1), (Axis::HeadSize, 3));
    let q = Tensor::new([batch, heads, (Axis::Query, 2), size], vec![1., 0., 0., 0., 2., 0.]).unwrap();
    let k = Tensor::new([batch, heads, (Axis::Key, 2), size], vec![0., 0., 4., 0., 5., 0.]).unwrap();
    let v = Tensor::new([batch, heads, (Axis::Key, 2), size], vec![7., 8., 9., 10., 11., 12.]).unwrap();
    for device in devices() {
        for mask in linear_masks(2) {
            let attend =
                |[q, k, v]: [&Tensor; 3]| linear_attention(q, k, v, &mask, FROM_ZERO, None, &Run::default());
            for (way, got) in every_way(&device, "linear_attention", [&q, &k, &v], attend) {
                let want = [0., 0., 0., 10., 11., 12.];
                assert_eq!(got.to_vec().unwrap(), want, "{mask}, {way} on {device}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let [q, k, v] = features([1, 6, 3, 2, 4, 5]);
    let attend = |q: &Tensor, mask: Mask, run: &Run| linear_attention(q, &k, &v, &mask, FROM_ZERO, None, run);
    let run = Run::default();
    let expected = "linear_attention: mask is window(2), expected bidirectional, causal, anti-causal, a prefix, \
                    or such masks by head";
    refused(attend(&q, Mask::window(2).unwrap(), &run), expected);
    let [other, ..] = features([1, 4, 1, 2, 3, 5]);
    let expected = "linear_attention: k's G is 3, expected a divisor of H = 4";
    refused(attend(&other, Mask::causal(), &run), expected);
    let cancelled = Run::default();
    cancelled.cancel_flag().cancel();
    refused(attend(&q, Mask::causal(), &cancelled), "cancelled");
}
