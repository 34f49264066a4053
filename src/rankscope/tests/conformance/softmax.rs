//! Masked softmax: hand values, padding, masked rows, and values that would spoil a careless one.

use ndarray::Array2;
use rankscope::mask::{Allowed, Padding, Positions};
use rankscope::ops::masked_softmax;
use rankscope::{Axis, Device, Mask, Tensor};

use crate::oracle;
use crate::support::{EPSILON, assert_within, devices, every_way, noise, wide_of};

const FROM_ZERO: Positions = Positions { first_query: 0 };

fn scores([batch, heads, queries, keys]: [usize; 4], values: Vec<f32>) -> Tensor {
    let axes = [(Axis::Batch, batch), (Axis::Head, heads), (Axis::Query, queries), (Axis::Key, keys)];
    Tensor::new(axes, values).unwrap()
}

/// Softmax in every way against its formula, with what the mask itself says of every pair.
///
/// A rounding of an exponent of size e changes its power by e·ε, and a shading language promises no more than
/// 3 + 2e roundings; a sum of n positive terms is off by n roundings of itself at most.
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
    let want = oracle::softmax(&wide_of(&x), keys, sees);
    // Weights as they are say how far their exponents are below the largest: e = ln(n/w) at most.
    let bound = |i: usize| {
        let exponent = (keys as f64 / want[i].max(1e-45)).ln();
        (8.0 + 3.0 * exponent + keys as f64) * EPSILON * want[i] + f64::from(f32::MIN_POSITIVE)
    };
    for device in devices {
        for (way, got) in every_way(device, "masked_softmax", [&x], |[x]| masked_softmax(x, &allowed)) {
            assert_within(&format!("{case}, {way}"), device, &got, &want, bound);
        }
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
    let real = (0..batch * keys).map(|i| i % keys < 5 - 2 * (i / keys)).collect(); // 5, 3 and 1 tokens
    let padding = Padding::new(real, keys).unwrap();
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
        for (way, got) in every_way(&device, "masked_softmax", [&x], |[x]| masked_softmax(x, &allowed)) {
            let got = got.to_vec().unwrap();
            assert!(got.iter().all(|&w| (w - 1.0 / 6.0).abs() < 1e-7), "{way} on {device}: {got:?}");
        }
    }
}

#[test]
fn fully_masked_rows_are_zero_and_masked_scores_do_not_matter() {
    // The fourth key is nobody's: with it, rows are as long as the kernels with vectors of four ask for.
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
            for (way, got) in every_way(&device, "masked_softmax", [&x], |[x]| masked_softmax(x, &allowed)) {
                assert_eq!(got.to_vec().unwrap(), cut(want), "{way} on {device}");
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
            for (way, got) in every_way(&device, "masked_softmax", [&x], |[x]| masked_softmax(x, &allowed)) {
                let got = got.to_vec().unwrap();
                assert_eq!(got[..3], [1.0, 0.0, 0.0], "{way} on {device}");
                assert!(got[keys].is_nan(), "{way} on {device}: {got:?}");
                assert_eq!(got[keys + 2], 0.0, "{way} on {device}: masked weights are 0 in any row");
            }
        }
    }
}
