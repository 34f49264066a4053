//! Layer norm and RMS norm.

use rankscope::ops::{layer_norm, rms_norm};
use rankscope::{Axis, Device, Tensor};

use crate::oracle::{self, moments};
use crate::support::{EPSILON, assert_close, assert_within, devices, every_way, random, wide_of};

/// Rows × width around the workgroup of 64.
const SIZES: [(usize, usize); 6] = [(1, 63), (5, 64), (3, 65), (7, 1), (2, 129), (67, 6)];

/// The tolerance of f32 for results that are exact except for a root and a division.
const TOLERANCE: f64 = 4.0 * EPSILON;

fn gain(width: usize) -> Tensor {
    random(&[(Axis::Width, width)], 2)
}

fn shifted(rows: usize, width: usize, offset: f32) -> Tensor {
    let x = random(&[(Axis::Query, rows), (Axis::Width, width)], 1);
    let values = x.to_vec().unwrap().iter().map(|x| x + offset).collect();
    Tensor::new([(Axis::Query, rows), (Axis::Width, width)], values).unwrap()
}

/// Compares every variant of layer norm with its formula.
///
/// A sum of n values up to a has partial sums up to n·a, so that the mean is off by n/4 · ε·a at most, whatever the order;
/// the rest of the formula rounds results.
fn check_layer_norm(device: &Device, rows: usize, width: usize, offset: f32) {
    let (x, gain, bias) = (shifted(rows, width, offset), gain(width), random(&[(Axis::Width, width)], 3));
    let (wide, gains, biases) = (wide_of(&x), wide_of(&gain), wide_of(&bias));
    let want = oracle::layer_norm(&wide, &gains, &biases, 1e-5);
    let steps = 2.0 + 0.25 * width as f64;
    let bound = |i: usize| {
        let row = &wide[i / width * width..][..width];
        let largest = row.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let of_mean = (gains[i % width] / moments(row, 1e-5).1).abs() * steps * EPSILON * largest;
        of_mean + (steps + 4.0) * EPSILON * (want[i].abs() + biases[i % width].abs())
    };
    let run = |[x, gain, bias]: [&Tensor; 3]| layer_norm(x, gain, bias, 1e-5);
    for (way, got) in every_way(device, "layer_norm", [&x, &gain, &bias], run) {
        let case = format!("{way} layer norm {rows} x {width} around {offset}");
        assert_within(&case, device, &got, &want, bound);
    }
}

#[test]
fn layer_norm_of_any_width() {
    for device in devices() {
        for (rows, width) in SIZES {
            check_layer_norm(&device, rows, width, 0.5);
        }
    }
}

#[test]
fn layer_norm_keeps_its_digits_far_from_zero() {
    // Values around 1000 have a spacing of 6e-5, their deviations are up to 1: the mean is off by a few
    // spacings at most, where E[x²] − E[x]² in f32 would be off by 0.06.
    for device in devices() {
        check_layer_norm(&device, 3, 70, 1000.0);
    }
}

#[test]
fn layer_norm_keeps_its_digits_where_values_hardly_differ() {
    // By hand: deviations k·2⁻²⁰ with mean 0 and mean square 4.5, and ε = 11.5 of the same unit: √16 = 4.
    let steps = [3.0, -1.0, 0.0, 2.0, -4.0, 1.0, -2.0, 1.0];
    let unit = 2f32.powi(-20);
    let x = steps.map(|k| 1.0 + k * unit).to_vec();
    let x = Tensor::new([(Axis::Query, 1), (Axis::Width, 8)], x).unwrap();
    let vector = |value| Tensor::new([(Axis::Width, 8)], vec![value; 8]).unwrap();
    let (gain, bias) = (vector(2.0), vector(0.5));
    let want = steps.map(|k| f64::from(k) / 2.0 + 0.5);
    for device in devices() {
        let run = |[x, gain, bias]: [&Tensor; 3]| layer_norm(x, gain, bias, 11.5 * unit * unit);
        for (way, got) in every_way(&device, "layer_norm", [&x, &gain, &bias], run) {
            assert_close(&format!("{way} layer norm of a tiny variance"), &device, &got, &want, TOLERANCE);
        }
    }
}

#[test]
fn equal_values_become_the_bias() {
    let x = Tensor::new([(Axis::Query, 2), (Axis::Width, 3)], vec![4.0; 6]).unwrap();
    let (gain, bias) = (gain(3), random(&[(Axis::Width, 3)], 3));
    for device in devices() {
        let run = |[x, gain, bias]: [&Tensor; 3]| layer_norm(x, gain, bias, 1e-5);
        for (way, got) in every_way(&device, "layer_norm", [&x, &gain, &bias], run) {
            let bias = bias.to_vec().unwrap();
            assert_eq!(got.to_vec().unwrap(), [bias.clone(), bias].concat(), "{way} on {device}");
        }
    }
}

#[test]
fn rms_norm_of_any_width() {
    for device in devices() {
        for (rows, width) in SIZES {
            for offset in [0.0, 100.0, -3e4] {
                let (x, gain) = (shifted(rows, width, offset), gain(width));
                let want = oracle::rms_norm(&wide_of(&x), &wide_of(&gain), 1e-6);
                // Squares are positive, so their sum has a relative error of at most n/2 · ε, and its root half of
                // that.
                let bound = |i: usize| (4.0 + 0.25 * width as f64) * EPSILON * want[i].abs();
                let run = |[x, gain]: [&Tensor; 2]| rms_norm(x, gain, 1e-6);
                for (way, got) in every_way(&device, "rms_norm", [&x, &gain], run) {
                    let case = format!("{way} RMS norm {rows} x {width} around {offset}");
                    assert_within(&case, &device, &got, &want, bound);
                }
            }
        }
    }
}

#[test]
fn epsilon_is_added_under_the_root() {
    // Computed by hand, with an ε that matters: 1, 5 has mean 3 and variance 4, and √(4 + 12) = 4; 3, 4 has mean square
    // 12.5, and √(12.5 + 3.5) = 4.
    let row = |values: [f32; 2]| Tensor::new([(Axis::Query, 1), (Axis::Width, 2)], values.to_vec()).unwrap();
    let vector = |values: [f32; 2]| Tensor::new([(Axis::Width, 2)], values.to_vec()).unwrap();
    let (gain, bias) = (vector([2.0, 8.0]), vector([1.0, -1.0]));
    for device in devices() {
        let run = |[x, gain, bias]: [&Tensor; 3]| layer_norm(x, gain, bias, 12.0);
        for (way, got) in every_way(&device, "layer_norm", [&row([1.0, 5.0]), &gain, &bias], run) {
            assert_close(&format!("{way} layer norm"), &device, &got, &[0.0, 3.0], TOLERANCE);
        }
        let run = |[x, gain]: [&Tensor; 2]| rms_norm(x, gain, 3.5);
        for (way, got) in every_way(&device, "rms_norm", [&row([3.0, 4.0]), &gain], run) {
            assert_close(&format!("{way} RMS norm"), &device, &got, &[1.5, 8.0], TOLERANCE);
        }
    }
}
