//! Layer norm and RMS norm.

use rankscope::ops::{cpu, layer_norm, rms_norm};
use rankscope::{Axis, Tensor};

use crate::support::{assert_close, devices, every_way, random, wide_of};

/// Rows × width around the workgroup of 64.
const SIZES: [(usize, usize); 6] = [(1, 63), (5, 64), (3, 65), (7, 1), (2, 129), (67, 6)];

/// f32, and sums of up to 129 squares.
const TOLERANCE: f64 = 4e-6;

fn gain(width: usize) -> Tensor {
    random(&[(Axis::Width, width)], 2)
}

fn shifted(rows: usize, width: usize, offset: f32) -> Tensor {
    let x = random(&[(Axis::Query, rows), (Axis::Width, width)], 1);
    let values = x.to_vec().unwrap().iter().map(|x| x + offset).collect();
    Tensor::new([(Axis::Query, rows), (Axis::Width, width)], values).unwrap()
}

#[test]
fn layer_norm_of_any_width() {
    for device in devices("layer_norm_of_any_width") {
        for (rows, width) in SIZES {
            let (x, gain, bias) =
                (shifted(rows, width, 0.5), gain(width), random(&[(Axis::Width, width)], 3));
            let mut want = wide_of(&x);
            cpu::layer_norm(&mut want, &wide_of(&gain), &wide_of(&bias), 1e-5);
            for (way, got) in every_way(&device, "layer_norm", [&x, &gain, &bias], |[x, gain, bias]| {
                layer_norm(x, gain, bias, 1e-5)
            }) {
                assert_close(&format!("{way} layer norm {rows} x {width}"), &device, &got, &want, TOLERANCE);
            }
        }
    }
}

#[test]
fn layer_norm_keeps_its_digits_far_from_zero() {
    // Values around 1000 have a spacing of 6e-5, their deviations are up to 1: the mean is off by less
    // than one spacing, where E[x²] − E[x]² in f32 would be off by 0.06.
    let (rows, width) = (3, 70);
    let (x, gain, bias) = (shifted(rows, width, 1000.0), gain(width), random(&[(Axis::Width, width)], 3));
    let mut want = wide_of(&x);
    cpu::layer_norm(&mut want, &wide_of(&gain), &wide_of(&bias), 1e-5);
    for device in devices("layer_norm_keeps_its_digits_far_from_zero") {
        for (way, got) in every_way(&device, "layer_norm", [&x, &gain, &bias], |[x, gain, bias]| {
            layer_norm(x, gain, bias, 1e-5)
        }) {
            assert_close(&format!("{way} layer norm around 1000"), &device, &got, &want, 5e-4);
        }
    }
}

#[test]
fn equal_values_become_the_bias() {
    let x = Tensor::new([(Axis::Query, 2), (Axis::Width, 3)], vec![4.0; 6]).unwrap();
    let (gain, bias) = (gain(3), random(&[(Axis::Width, 3)], 3));
    for device in devices("equal_values_become_the_bias") {
        for (way, got) in every_way(&device, "layer_norm", [&x, &gain, &bias], |[x, gain, bias]| {
            layer_norm(x, gain, bias, 1e-5)
        }) {
            let bias = bias.to_vec().unwrap();
            assert_eq!(got.to_vec().unwrap(), [bias.clone(), bias].concat(), "{way} on {device}");
        }
    }
}

#[test]
fn rms_norm_of_any_width() {
    for device in devices("rms_norm_of_any_width") {
        for (rows, width) in SIZES {
            for offset in [0.0, 100.0] {
                let (x, gain) = (shifted(rows, width, offset), gain(width));
                let mut want = wide_of(&x);
                cpu::rms_norm(&mut want, &wide_of(&gain), 1e-6);
                for (way, got) in
                    every_way(&device, "rms_norm", [&x, &gain], |[x, gain]| rms_norm(x, gain, 1e-6))
                {
                    let case = format!("{way} RMS norm {rows} x {width} around {offset}");
                    assert_close(&case, &device, &got, &want, TOLERANCE);
                }
            }
        }
    }
}

#[test]
fn epsilon_is_added_under_the_root() {
    // By hand, with an ε that counts: 1, 5 has mean 3 and variance 4, and √(4 + 12) = 4; 3, 4 has mean
    // square 12.5, and √(12.5 + 3.5) = 4.
    let row = |values: [f32; 2]| Tensor::new([(Axis::Query, 1), (Axis::Width, 2)], values.to_vec()).unwrap();
    let vector = |values: [f32; 2]| Tensor::new([(Axis::Width, 2)], values.to_vec()).unwrap();
    let (gain, bias) = (vector([2.0, 8.0]), vector([1.0, -1.0]));
    for device in devices("epsilon_is_added_under_the_root") {
        let layer = every_way(&device, "layer_norm", [&row([1.0, 5.0]), &gain, &bias], |[x, gain, bias]| {
            layer_norm(x, gain, bias, 12.0)
        });
        for (way, got) in layer {
            assert_close(&format!("{way} layer norm"), &device, &got, &[0.0, 3.0], TOLERANCE);
        }
        let rms =
            every_way(&device, "rms_norm", [&row([3.0, 4.0]), &gain], |[x, gain]| rms_norm(x, gain, 3.5));
        for (way, got) in rms {
            assert_close(&format!("{way} RMS norm"), &device, &got, &[1.5, 8.0], TOLERANCE);
        }
    }
}
