//! Sums, products, factors, biases and activation functions.

use rankscope::ops::{self, GeluForm, cpu, gelu, silu, tanh};
use rankscope::{Axis, Result, Tensor};

use crate::support::{assert_close, devices, on, random, wide_of};

/// Element counts around the vectors of four and the workgroup of 256 elements.
const COUNTS: [usize; 7] = [1, 3, 4, 255, 256, 257, 1030];

fn row(values: Vec<f32>) -> Tensor {
    Tensor::new([(Axis::Width, values.len())], values).unwrap()
}

#[test]
fn sums_products_and_factors() {
    for device in devices("sums_products_and_factors") {
        for count in COUNTS {
            let (x, y) = (random(&[(Axis::Width, count)], 1), random(&[(Axis::Width, count)], 2));
            let (wide_x, wide_y) = (wide_of(&x), wide_of(&y));
            let pairs = || wide_x.iter().zip(&wide_y);
            let sum: Vec<_> = pairs().map(|(x, y)| x + y).collect();
            let product: Vec<_> = pairs().map(|(x, y)| x * y).collect();
            let scaled: Vec<_> = wide_x.iter().map(|x| x * -0.75).collect();
            let got = on(&device, [&x, &y], |[x, y]| ops::add(&x, &y));
            assert_close(&format!("add {count}"), &device, &got, &sum, 1.2e-7);
            let got = on(&device, [&x, &y], |[x, y]| ops::multiply(&x, &y));
            assert_close(&format!("multiply {count}"), &device, &got, &product, 6e-8);
            let got = on(&device, [&x], |[x]| ops::scale(&x, -0.75));
            assert_close(&format!("scale {count}"), &device, &got, &scaled, 6e-8);
        }
    }
}

#[test]
fn biases_repeat_over_rows_of_any_width() {
    for device in devices("biases_repeat_over_rows_of_any_width") {
        for (rows, width) in [(5, 1), (3, 2), (2, 3), (7, 4), (6, 5), (1, 257)] {
            let x = random(&[(Axis::Query, rows), (Axis::Width, width)], 1);
            let bias = random(&[(Axis::Width, width)], 2);
            let (wide_x, wide_bias) = (wide_of(&x), wide_of(&bias));
            let want: Vec<_> = wide_x.iter().enumerate().map(|(i, x)| x + wide_bias[i % width]).collect();
            let got = on(&device, [&x, &bias], |[x, bias]| ops::add_bias(&x, &bias));
            assert_close(&format!("bias {rows} x {width}"), &device, &got, &want, 1.2e-7);
        }
    }
}

/// From −12 to 12 in steps of 1/32 + far out: where approximations crack.
fn sweep() -> Tensor {
    let far = [-1e30, -500.0, -88.5, -40.0, 40.0, 88.5, 500.0, 1e30];
    row((-384..=384).map(|i| i as f32 / 32.0).chain(far).collect())
}

type Unit = fn(&Tensor) -> Result<Tensor>;
type Reference = fn(&mut [f64]);

#[test]
fn activation_functions_over_their_range() {
    let units: [(&str, Unit, Reference); 4] = [
        ("gelu exact", |x| gelu(x, GeluForm::Exact), |x| cpu::gelu(x, GeluForm::Exact)),
        ("gelu tanh", |x| gelu(x, GeluForm::Tanh), |x| cpu::gelu(x, GeluForm::Tanh)),
        ("silu", silu, |x| cpu::silu(x)),
        ("tanh", tanh, |x| cpu::tanh(x)),
    ];
    let x = sweep();
    let devices = devices("activation_functions_over_their_range");
    for (name, unit, reference) in units {
        let mut want = wide_of(&x);
        reference(&mut want);
        for device in &devices {
            let got = on(device, [&x], |[x]| unit(&x));
            // Half of x times an error function that is good to 1.5e-7, for x to 4, where it still counts.
            assert_close(name, device, &got, &want, 5e-7);
        }
    }
}

#[test]
fn the_error_function_meets_its_table() {
    // Φ(1) and Φ(−2) from tables of the normal distribution, to 15 digits.
    let mut values = [1.0f64, -2.0];
    cpu::gelu(&mut values, GeluForm::Exact);
    let want = [0.841_344_746_068_543, -2.0 * 0.022_750_131_948_179];
    assert!(values.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-14), "{values:?}");
}

#[test]
fn the_two_forms_of_gelu_differ_as_stated() {
    let values: Vec<f64> = (-500..=500).map(|i| f64::from(i) / 100.0).collect();
    let (mut exact, mut tanh) = (values.clone(), values);
    cpu::gelu(&mut exact, GeluForm::Exact);
    cpu::gelu(&mut tanh, GeluForm::Tanh);
    let largest = exact.iter().zip(&tanh).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!((4.73e-4..=4.74e-4).contains(&largest), "{largest:e}");
}

#[test]
fn empty_tensors_stay_empty() {
    for device in devices("empty_tensors_stay_empty") {
        let x = Tensor::zeros([(Axis::Query, 0), (Axis::Width, 3)]);
        let got = on(&device, [&x, &x], |[x, y]| ops::add(&x, &y));
        assert_eq!(got.to_vec().unwrap(), [0.0f32; 0], "{device}");
        let got = on(&device, [&x], |[x]| silu(&x));
        assert_eq!(got.shape(), x.shape());
    }
}
