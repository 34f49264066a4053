//! Biases by distance: spread over pairs, added to scores.

use rankscope::mask::Positions;
use rankscope::ops::{add_position_bias, cpu, spread_by_distance, unit_rms_norm};
use rankscope::{Axis, Device, Dtype, Tensor, Weight};

use rankscope::attention::{PositionScheme, RelativeBias, RelativeBuckets};

use crate::oracle;
use crate::support::{D, H, S, T, assert_close, devices, on, pairs, random, refused, said, wide_of};

/// H, T, S: longer and shorter than a workgroup, T above and below S.
const SIZES: [(usize, usize, usize); 6] = [(1, 1, 1), (3, 1, 9), (2, 7, 1), (5, 6, 4), (2, 3, 11), (3, 9, 8)];

#[test]
fn every_pair_gets_the_bias_of_its_distance() {
    for device in devices() {
        for (heads, queries, keys) in SIZES {
            let distances = queries + keys - 1;
            let bias = random(&[(Axis::Head, heads), (Axis::Position, distances)], 3);
            let wide = wide_of(&bias);
            let of = |h: usize, t: usize, s: usize| wide[h * distances + s + queries - 1 - t];
            let pairs =
                (0..heads * queries * keys).map(|i| (i / keys / queries, i / keys % queries, i % keys));
            let want: Vec<f64> = pairs.map(|(h, t, s)| of(h, t, s)).collect();
            let case = format!("{heads} x {queries} x {keys}");
            assert_eq!(cpu::spread_by_distance(&wide, heads, queries, keys), want, "{case}");
            let got = on(&device, [&bias], |[bias]| spread_by_distance(&bias, queries, keys));
            assert_eq!(got.shape().axes(), [(H, heads), (T, queries), (S, keys)], "{case}");
            assert_close(&case, &device, &got, &want, 0.0);
        }
    }
}

#[test]
fn every_sequence_gets_the_same_bias() {
    for device in devices() {
        for (heads, queries, keys) in SIZES {
            let scores = random(&pairs([4, heads, queries, keys]), 1);
            let bias = random(&[(H, heads), (T, queries), (S, keys)], 2);
            let (x, bias_of_all) = (wide_of(&scores), wide_of(&bias).repeat(4));
            let want: Vec<f64> = x.iter().zip(&bias_of_all).map(|(x, b)| x + b).collect();
            let got = on(&device, [&scores, &bias], |[x, bias]| add_position_bias(&x, &bias));
            assert_eq!(got.shape(), scores.shape());
            assert_close(&format!("{heads} x {queries} x {keys}"), &device, &got, &want, 1.2e-7);
        }
    }
}

#[test]
fn the_buckets_of_t5_reach_the_device_of_the_scores() {
    let buckets = RelativeBuckets::new(6, 9, true).unwrap();
    let table = random(&[(Axis::Row, 6), (Axis::Head, 2)], 5);
    let wide = wide_of(&table);
    let weight = |device: &Device| {
        let weight = Weight::new("table", table.shape().axes(), Dtype::F32, table.as_slice().unwrap());
        weight.unwrap().to_device(device).unwrap()
    };
    let scheme = PositionScheme::Relative(RelativeBias::new(buckets, weight(&Device::Cpu)).unwrap());
    for device in devices() {
        let at = Positions { first_query: 4 };
        let got = scheme.bias(2, 3, 8, at, &device).unwrap().unwrap();
        let pairs = (0..2 * 3 * 8).map(|i| (i / 24, i / 8 % 3 + 4, i % 8));
        let want = pairs.map(|(head, query, key)| wide[buckets.of(key as i64 - query as i64) * 2 + head]);
        assert_eq!(got.device(), device);
        assert_close("t5", &device, &got, &want.collect::<Vec<_>>(), 0.0);
        let expected = "heads of the relative position bias is 2, expected 3, the heads of the attention";
        refused(scheme.bias(3, 3, 8, at, &device), expected);
        if device.is_gpu() {
            let error = said(RelativeBias::new(buckets, weight(&device)));
            assert!(error.starts_with("relative position bias: table is on gpu"), "{error}");
        }
    }
}

#[test]
fn rows_without_a_gain_have_the_root_mean_square_of_one() {
    for device in devices() {
        for (rows, size) in [(1, 1), (5, 3), (9, 4), (2, 130)] {
            let x = random(&[(T, rows), (D, size)], 7);
            let want = oracle::rms_norm(&wide_of(&x), &vec![1.0; size], 1e-3);
            let got = on(&device, [&x], |[x]| unit_rms_norm(&x, 1e-3));
            assert_close(&format!("{rows} x {size}"), &device, &got, &want, 1e-6);
        }
    }
}

#[test]
fn biases_that_do_not_fit_are_named() {
    let bias = Tensor::zeros([(H, 2), (Axis::Position, 5)]);
    let expected = "spread_by_distance: bias has Position (P) = 5, expected 4";
    refused(spread_by_distance(&bias, 2, 3), expected);
    let scores = Tensor::zeros(pairs([1, 2, 3, 4]));
    let with = |axes: [(Axis, usize); 3]| add_position_bias(&scores, &Tensor::zeros(axes));
    refused(with([(H, 2), (S, 4), (T, 3)]), "add_position_bias: bias has axes [H, S, T], expected [H, T, S]");
    refused(with([(H, 2), (T, 3), (S, 3)]), "add_position_bias: bias has Key (S) = 3, expected 4");
    if let Some(gpu) = devices().into_iter().find(Device::is_gpu) {
        let there = Tensor::zeros([(H, 2), (T, 3), (S, 4)]).to_device(&gpu).unwrap();
        assert!(said(add_position_bias(&scores, &there)).contains("bias is on gpu"));
    }
}
