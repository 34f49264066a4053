//! Masked softmax with and without sinks, and masked sigmoid: hand values, padding, masked rows, and values for which a
//! careless implementation fails.

use ndarray::Array2;
use rankscope::mask::{Allowed, Padding, Positions};
use rankscope::ops::{masked_sigmoid, masked_softmax, masked_softmax_with_sinks};
use rankscope::{Axis, Device, Mask, Tensor};

use crate::oracle;
use crate::support::{
    EPSILON, FROM_ZERO, assert_within, devices, every_way, noise, on, padding, pairs, refused, wide_of,
};

fn scores(sizes: [usize; 4], values: Vec<f32>) -> Tensor {
    Tensor::new(pairs(sizes), values).unwrap()
}

/// Compares every variant of softmax with its formula, where the mask itself is evaluated for every pair.
///
/// A rounding of an exponent of size e changes its power by e·ε, and a shading language promises no more than
/// 3 + 2e roundings; a sum of n positive terms has a relative error of at most n roundings.
fn check(
    devices: &[Device],
    case: &str,
    sizes: [usize; 4],
    values: Vec<f32>,
    mask: &Mask,
    padding: Option<&Padding>,
) {
    let [_, heads, queries, keys] = sizes;
    let at = if padding.is_some() { Positions::suffix(queries, keys).unwrap() } else { FROM_ZERO };
    let allowed = Allowed::new(mask, heads, queries, keys, at, padding).unwrap();
    let x = scores(sizes, values);
    let sees = |row: usize, key: usize| {
        mask.may_attend(at.first_query + row % queries, key)
            && padding.is_none_or(|padding| padding.is_real(row / queries / heads, key))
    };
    for sinks in [None, Some(sinks_of(heads))] {
        let b = sinks.as_ref().map(wide_of);
        let sink = |row: usize| b.as_ref().map_or(f64::NEG_INFINITY, |b| b[row / queries % heads]);
        let want = oracle::softmax(&wide_of(&x), keys, sees, sink);
        // The weights show how far their exponents are below the largest: e = ln(n/w) at most.
        let bound = |i: usize| {
            let exponent = ((keys + 1) as f64 / want[i].max(1e-45)).ln();
            (8.0 + 3.0 * exponent + keys as f64) * EPSILON * want[i] + f64::from(f32::MIN_POSITIVE)
        };
        for device in devices {
            for (way, got) in ways(device, &x, &allowed, sinks.as_ref()) {
                assert_within(&format!("{case}, {way}, sinks {sinks:?}"), device, &got, &want, bound);
            }
        }
    }
}

/// Sinks below, among and far above scores between -10 and 10.
fn sinks_of(heads: usize) -> Tensor {
    let sinks = [-3.0, 8.5, 60.0, -80.0].iter().copied().cycle().take(heads).collect();
    Tensor::new([(Axis::Head, heads)], sinks).unwrap()
}

/// Every variant of softmax, with sinks if there are any.
fn ways(
    device: &Device,
    x: &Tensor,
    allowed: &Allowed,
    sinks: Option<&Tensor>,
) -> Vec<(&'static str, Tensor)> {
    match sinks {
        None => every_way(device, "masked_softmax", [x], |[x]| masked_softmax(x, allowed)),
        Some(sinks) => every_way(device, "masked_softmax", [x, sinks], |[x, sinks]| {
            masked_softmax_with_sinks(x, allowed, sinks)
        }),
    }
}

#[test]
fn sizes_around_words_and_workgroups() {
    let devices = devices();
    for (queries, keys) in
        [(1, 31usize), (5, 32), (4, 33), (3, 63), (4, 64), (5, 65), (6, 129), (7, 1), (70, 260)]
    {
        let sizes = [2, 3, queries, keys];
        let mask = Mask::two_sided_window(keys.div_ceil(2)).unwrap();
        let values = noise(2 * 3 * queries * keys, 1).into_iter().map(|x| 10.0 * x).collect();
        check(&devices, &format!("T = {queries}, S = {keys}"), sizes, values, &mask, None);
    }
}

#[test]
fn padding_gives_each_sequence_its_own_rows() {
    let [batch, heads, queries, keys] = [3, 2, 4, 5];
    let padding = padding(batch, keys, |b, s| s < 5 - 2 * b); // 5, 3 and 1 tokens
    let at = Positions::suffix(queries, keys).unwrap();
    let allowed = Allowed::new(&Mask::causal(), heads, queries, keys, at, Some(&padding)).unwrap();
    assert_eq!(allowed.batch(), Some(batch));
    let values = noise(batch * heads * queries * keys, 2);
    let sizes = [batch, heads, queries, keys];
    check(&devices(), "padding", sizes, values, &Mask::causal(), Some(&padding));
}

#[test]
fn large_offsets_and_equal_rows() {
    let mask = Mask::bidirectional();
    let allowed = Allowed::new(&mask, 1, 3, 6, FROM_ZERO, None).unwrap();
    let offsets = [1.0e4, -1.0e4, 0.0];
    let values = (0..18).map(|i| offsets[i / 6] + (i % 6) as f32).collect();
    let devices = devices();
    check(&devices, "offsets", [1, 1, 3, 6], values, &mask, None);
    for device in devices {
        let x = scores([1, 1, 3, 6], vec![3.0e38; 18]);
        for (way, got) in ways(&device, &x, &allowed, None) {
            let got = got.to_vec().unwrap();
            assert!(got.iter().all(|&w| (w - 1.0 / 6.0).abs() < 1e-7), "{way} on {device}: {got:?}");
        }
    }
}

#[test]
fn fully_masked_rows_are_zero_and_masked_scores_do_not_matter() {
    // No query sees the fourth key: with it, rows are as long as the kernels with vectors of four require.
    let pattern = [[false, true, true], [false, false, false], [true, false, false]];
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let rows = [[nan, 2.0, 2.0, nan], [inf, nan, -inf, inf], [5.0, inf, nan, nan]];
    let want = [[0.0, 0.5, 0.5, 0.0], [0.0; 4], [1.0, 0.0, 0.0, 0.0]];
    for device in devices() {
        for keys in [3, 4] {
            let mask =
                Mask::custom(Array2::from_shape_fn((keys, keys), |(t, s)| t < 3 && s < 3 && pattern[t][s]));
            let allowed = Allowed::new(&mask, 1, 3, keys, FROM_ZERO, None).unwrap();
            let cut =
                |rows: [[f32; 4]; 3]| rows.iter().flat_map(|row| row[..keys].to_vec()).collect::<Vec<_>>();
            let x = scores([1, 1, 3, keys], cut(rows));
            for (way, got) in ways(&device, &x, &allowed, None) {
                assert_eq!(got.to_vec().unwrap(), cut(want), "{way} on {device}");
            }
            // e^(5 + ln 2) beside e^2 + e^2 and e^5: the key of score 5 gets a third, in the last row.
            let sinks = Tensor::new([(Axis::Head, 1)], vec![5.0 + 2f32.ln()]).unwrap();
            for (way, got) in ways(&device, &x, &allowed, Some(&sinks)) {
                let got = got.to_vec().unwrap();
                let left: Vec<bool> = cut(want).iter().map(|&weight| weight > 0.0).collect();
                assert!(got.iter().zip(&left).all(|(&got, &left)| (got > 0.0) == left), "{way} on {device}");
                assert!((got[2 * keys] - 1.0 / 3.0).abs() < 1e-6, "{way} on {device}: {got:?}");
            }
        }
    }
}

#[test]
fn a_nan_that_may_be_attended_to_stays_visible() {
    for device in devices() {
        for (poison, keys) in [(f32::NAN, 3), (f32::INFINITY, 3), (f32::NAN, 4), (f32::INFINITY, 4)] {
            let allowed = Allowed::new(&Mask::causal(), 1, 2, keys, FROM_ZERO, None).unwrap();
            let row = |values: [f32; 4]| values[..keys].to_vec();
            let x = [row([1.0, poison, poison, poison]), row([poison, 3.0, 4.0, 5.0])].concat();
            let x = scores([1, 1, 2, keys], x);
            let plain = ways(&device, &x, &allowed, None).into_iter().map(|way| (way, 1.0));
            // A sink of −3 beside a score of 1.
            let left = 1.0 / (1.0 + (-4f32).exp());
            let sunk = ways(&device, &x, &allowed, Some(&sinks_of(1))).into_iter().map(|way| (way, left));
            for ((way, got), alone) in plain.chain(sunk) {
                let got = got.to_vec().unwrap();
                assert!((got[0] - alone).abs() <= if alone == 1.0 { 0.0 } else { 1e-6 }, "{way} on {device}");
                assert_eq!(got[1..3], [0.0, 0.0], "{way} on {device}");
                assert!(got[keys].is_nan(), "{way} on {device}: {got:?}");
                assert_eq!(got[keys + 2], 0.0, "{way} on {device}: masked weights are 0 in any row");
            }
        }
    }
}

#[test]
fn a_sink_of_minus_infinity_is_none_and_one_that_is_no_number_shows() {
    let allowed = Allowed::new(&Mask::causal(), 2, 5, 8, FROM_ZERO, None).unwrap();
    let x = scores([2, 2, 5, 8], noise(160, 3));
    for device in devices() {
        let sinks = |b| Tensor::new([(Axis::Head, 2)], vec![b; 2]).unwrap();
        let plain = ways(&device, &x, &allowed, None);
        let none = ways(&device, &x, &allowed, Some(&sinks(f32::NEG_INFINITY)));
        for ((way, plain), (_, none)) in plain.into_iter().zip(none) {
            assert_eq!(plain.to_vec().unwrap(), none.to_vec().unwrap(), "{way} on {device}");
        }
        for (way, got) in ways(&device, &x, &allowed, Some(&sinks(f32::NAN))) {
            let got = got.to_vec().unwrap();
            assert!(got[0].is_nan() && got[1] == 0.0, "{way} on {device}: {got:?}");
        }
    }
}

#[test]
fn sigmoids_are_their_formula_whatever_the_mask_hides() {
    for (queries, keys) in [(1, 31usize), (5, 32), (4, 33), (6, 129), (7, 1), (70, 260)] {
        let sizes = [2, 3, queries, keys];
        let mut values: Vec<f32> = noise(6 * queries * keys, 1).into_iter().map(|x| 30.0 * x).collect();
        let mask: Mask = "causal".parse().unwrap();
        let padding = padding(2, keys, |b, s| s + 3 * b < keys);
        let at = Positions::suffix(queries, keys.max(queries)).unwrap();
        let allowed = Allowed::new(&mask, 3, queries, keys, at, Some(&padding)).unwrap();
        let sees = |row: usize, key: usize| {
            mask.may_attend(at.first_query + row % queries, key) && padding.is_real(row / queries / 3, key)
        };
        for (i, value) in values.iter_mut().enumerate() {
            if !sees(i / keys, i % keys) {
                *value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][i % 3];
            }
        }
        let x = scores(sizes, values);
        let bias = -(keys as f32).ln();
        let want = oracle::masked_sigmoid(&wide_of(&x), keys, f64::from(bias), sees);
        // As for a softmax; σ(x) is e^x where it is small.
        let bound = |i: usize| (8.0 - 3.0 * want[i].max(1e-45).ln()) * EPSILON * want[i];
        for device in devices() {
            let got = on(&device, [&x], |[x]| masked_sigmoid(x, &allowed, bias));
            assert_within(&format!("T = {queries}, S = {keys}"), &device, &got, &want, bound);
        }
    }
}

#[test]
fn sigmoids_far_out_are_0_and_1_and_a_nan_shows() {
    let allowed = Allowed::new(&Mask::bidirectional(), 1, 1, 6, FROM_ZERO, None).unwrap();
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = scores([1, 1, 1, 6], vec![-inf, -1e30, 0.5, 1e30, inf, nan]);
    for device in devices() {
        let got = on(&device, [&x], |[x]| masked_sigmoid(x, &allowed, -0.5)).to_vec().unwrap();
        assert!(got[..2].iter().all(|&weight| weight < 1e-37), "{device}: {got:?}");
        assert!((got[2] - 0.5).abs() < 1e-6 && got[3..5] == [1.0, 1.0], "{device}: {got:?}");
        assert!(got[5].is_nan(), "{device}: {got:?}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let allowed = Allowed::new(&Mask::causal(), 2, 3, 4, FROM_ZERO, None).unwrap();
    let (x, wide) = (scores([1, 2, 3, 4], vec![0.0; 24]), scores([1, 2, 3, 5], vec![0.0; 30]));
    let sinks = |axis, count| Tensor::zeros([(axis, count)]);
    let with = |x: &Tensor, sinks: Tensor| masked_softmax_with_sinks(x, &allowed, &sinks);
    let expected = "masked_softmax_with_sinks: sinks has Head (H) = 3, expected 2";
    refused(with(&x, sinks(Axis::Head, 3)), expected);
    let expected = "masked_softmax_with_sinks: sinks has axes [S], expected [H]";
    refused(with(&x, sinks(Axis::Key, 2)), expected);
    let expected = "masked_softmax_with_sinks: mask has Key (S) = 4, expected 5";
    refused(with(&wide, sinks(Axis::Head, 2)), expected);
    refused(masked_sigmoid(&wide, &allowed, 0.0), "masked_sigmoid: mask has Key (S) = 4, expected 5");
}
