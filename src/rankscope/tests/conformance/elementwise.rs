//! Sums, products, factors, biases and activation functions.

use rankscope::ops::{self, FeatureMap, GeluForm, Pointwise, cpu, feature_map, gelu, pointwise, silu, tanh};
use rankscope::{Axis, Result, Tensor};

use crate::oracle;
use crate::support::{C, H, T, assert_close, devices, on, pairs, random, refused, said, wide_of};

/// Element counts around the vectors of four and the workgroup of 256 elements.
const COUNTS: [usize; 7] = [1, 3, 4, 255, 256, 257, 1030];

fn row(values: Vec<f32>) -> Tensor {
    Tensor::new([(Axis::Width, values.len())], values).unwrap()
}

#[test]
fn sums_products_and_factors() {
    for device in devices() {
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
fn a_difference_has_a_factor_for_each_head() {
    for device in devices() {
        for sizes in [[1, 1, 1, 1], [2, 3, 5, 1], [3, 2, 1, 7], [2, 5, 3, 11], [1, 2, 40, 64]] {
            let (axes, [_, heads, queries, keys]) = (pairs(sizes), sizes);
            let (x, y, factors) = (random(&axes, 1), random(&axes, 2), random(&[(H, heads)], 3));
            let (wide_x, wide_y, lambda) = (wide_of(&x), wide_of(&y), wide_of(&factors));
            let head = |i: usize| i / (queries * keys) % heads;
            let want: Vec<_> = (0..wide_x.len()).map(|i| wide_x[i] - lambda[head(i)] * wide_y[i]).collect();
            let got =
                on(&device, [&x, &y, &factors], |[x, y, factors]| ops::weighted_difference(x, &y, &factors));
            assert_close(&format!("{axes:?}"), &device, &got, &want, 2e-7);
        }
    }
    let x = random(&pairs([1, 2, 1, 3]), 1);
    let minus = |y: &Tensor, heads| ops::weighted_difference(&x, y, &Tensor::zeros([(H, heads)]));
    refused(minus(&x, 3), "weighted_difference: factors has Head (H) = 3, expected 2");
    let error = said(minus(&row(vec![0.0; 6]), 2));
    assert!(error.starts_with("weighted_difference: y has axes [C=6], expected [B=1"));
}

#[test]
fn biases_repeat_over_rows_of_any_width() {
    for device in devices() {
        for (rows, width) in [(5, 1), (3, 2), (2, 3), (7, 4), (6, 5), (1, 257)] {
            let (x, bias) = (random(&[(T, rows), (C, width)], 1), random(&[(C, width)], 2));
            let (wide_x, wide_bias) = (wide_of(&x), wide_of(&bias));
            let want: Vec<_> = wide_x.iter().enumerate().map(|(i, x)| x + wide_bias[i % width]).collect();
            let got = on(&device, [&x, &bias], |[x, bias]| ops::add_bias(&x, &bias));
            assert_close(&format!("bias {rows} x {width}"), &device, &got, &want, 1.2e-7);
        }
    }
}

/// From −12 to 12 in steps of 1/32, and values far outside, where approximations may fail.
fn sweep() -> Tensor {
    let far = [-3e38, -1e30, -500.0, -88.5, -40.0, 40.0, 88.5, 500.0, 1e30, 3e38];
    row((-384..=384).map(|i| i as f32 / 32.0).chain(far).collect())
}

/// An activation function: its name, the library's on tensors and in f64, and its formula.
type Unit = (&'static str, fn(&Tensor) -> Result<Tensor>, fn(&mut [f64]), fn(f64) -> f64);

const ELU: FeatureMap = FeatureMap::EluPlusOne;
const RELU: FeatureMap = FeatureMap::Relu;
const SIGMOID: Pointwise = Pointwise::Sigmoid;

const UNITS: [Unit; 7] = [
    ("gelu exact", |x| gelu(x, GeluForm::Exact), |x| cpu::gelu(x, GeluForm::Exact), oracle::gelu),
    ("gelu tanh", |x| gelu(x, GeluForm::Tanh), |x| cpu::gelu(x, GeluForm::Tanh), oracle::gelu_tanh),
    ("silu", |x| silu(x), |x| cpu::pointwise(x, Pointwise::Silu), oracle::silu),
    ("tanh", |x| tanh(x), |x| cpu::pointwise(x, Pointwise::Tanh), oracle::tanh),
    ("elu + 1", |x| feature_map(x, ELU), |x| cpu::feature_map(x, ELU), oracle::elu_plus_one),
    ("relu", |x| feature_map(x, RELU), |x| cpu::feature_map(x, RELU), oracle::relu),
    ("sigmoid", |x| pointwise(x, SIGMOID), |x| cpu::pointwise(x, SIGMOID), oracle::sigmoid),
];

/// The values of [`UNITS`] except relu and sigmoid at a number, by mpmath with 60 digits: gelu exact, gelu tanh, silu,
/// tanh, elu + 1.
#[rustfmt::skip]
const GOLDEN: [(f64, [f64; 5]); 17] = [
    (-500.0, [0.0, 0.0, -3.562288203370643e-215, -1.0, 7.124576406741286e-218]),
    (-20.0, [-5.507248237212468e-88, -3.3754509563109673e-261, -4.122307236380407e-08, -1.0, 2.061153622438558e-09]),
    (-9.5, [-9.969789321594476e-21, -6.678928766783882e-33, -0.0007110391613508067, -0.9999999887944072, 7.48518298877006e-05]),
    (-5.25, [-3.992604271156575e-07, -3.958463821495829e-08, -0.027405659891181586, -0.9999449286177708, 0.005247518399181385]),
    (-3.0, [-0.0040496940948902835, -0.003637392081773019, -0.14227761953270035, -0.9950547536867305, 0.049787068367863944]),
    (-1.0, [-0.15865525393145705, -0.1588080093917233, -0.2689414213699951, -0.7615941559557649, 0.36787944117144233]),
    (-0.5, [-0.15426876936299344, -0.15428599017485609, -0.18877033439907273, -0.46211715726000974, 0.6065306597126334]),
    (-0.0010000000474974513, [-0.0004996010814969171, -0.0004996010814972463, -0.0004997500237458103, -0.0009999997141642038, 0.999000499785925]),
    (-1.0000000031710769e-30, [-5.000000015855384e-31, -5.000000015855384e-31, -5.000000015855384e-31, -1.0000000031710769e-30, 1.0]),
    (0.0, [0.0, 0.0, 0.0, 0.0, 1.0]),
    (0.0010000000474974513, [0.0005003989660005342, 0.0005003989660002051, 0.000500250023751641, 0.0009999997141642038, 1.0010000000474975]),
    (0.375, [0.24231366250227143, 0.2423077668915116, 0.22224997498277616, 0.35835739835078595, 1.375]),
    (1.0, [0.8413447460685429, 0.8411919906082767, 0.7310585786300049, 0.7615941559557649, 2.0]),
    (2.5, [2.4844758366855597, 2.484915733910001, 2.310354549946891, 0.9866142981514303, 3.5]),
    (5.25, [5.249999600739573, 5.249999960415362, 5.222594340108818, 0.9999449286177708, 6.25]),
    (88.5, [88.5, 88.5, 88.5, 1.0, 89.5]),
    (1.0000000150474662e30, [1.0000000150474662e30, 1.0000000150474662e30, 1.0000000150474662e30, 1.0, 1.0000000150474662e30]),
];

#[test]
fn activation_functions_over_their_range() {
    let x = sweep();
    let devices = devices();
    for (name, on_tensors, _, formula) in UNITS {
        let want: Vec<f64> = wide_of(&x).into_iter().map(formula).collect();
        for device in &devices {
            let got = on(device, [&x], |[x]| on_tensors(&x));
            // Half of x times an error function that is accurate to 1.5e-7, for x up to 4, where the error still
            // matters.
            assert_close(name, device, &got, &want, 5e-7);
            let nan = on(device, [&row(vec![f32::NAN])], |[x]| on_tensors(&x)).to_vec().unwrap();
            assert!(nan[0].is_nan(), "{name} of NaN on {device}");
        }
    }
}

#[test]
fn activation_functions_meet_their_table() {
    let x: Vec<f64> = GOLDEN.iter().map(|(x, _)| *x).collect();
    for (number, (name, on_tensors, in_f64, formula)) in UNITS[..5].iter().enumerate() {
        let mut got = x.clone();
        in_f64(&mut got);
        let narrow = on_tensors(&row(x.iter().map(|&x| x as f32).collect())).unwrap().to_vec().unwrap();
        for (i, (x, want)) in GOLDEN.iter().enumerate() {
            let want = want[number];
            // Rounding the argument z of e^z changes the result by z roundings: by 600 for gelu tanh of −20.
            let close = (got[i] - want).abs() <= 1e-12 * want.abs();
            assert!(close, "{name} of {x}: {:e}, expected {want:e}", got[i]);
            // The same in f32, also for small results: with an error function whose relative error is 1e-5.
            let close =
                (f64::from(narrow[i]) - want).abs() <= 5e-5 * want.abs() + f64::from(f32::MIN_POSITIVE);
            assert!(close, "{name} of {x} in f32: {:e}, expected {want:e}", narrow[i]);
            assert!((formula(*x) - want).abs() <= 1e-14 * want.abs().max(1.0), "the formula of {name}");
        }
    }
}

/// f at x.
fn value(f: Pointwise, x: f64) -> f64 {
    let mut value = [x];
    cpu::pointwise(&mut value, f);
    value[0]
}

#[test]
fn derivatives_are_central_differences() {
    // (f(x + h) − f(x − h)) / 2h has an error of h²/6 · f‴, where f‴ is below 4 for all of these, and the rounding
    // error of f divided by h.
    let h = 6e-6;
    for &f in Pointwise::ALL {
        // At 0 relu has no derivative, and elu + 1 no second derivative.
        for x in (-400..=400).map(|i| f64::from(i) / 20.0).filter(|&x| x != 0.0) {
            let want = (value(f, x + h) - value(f, x - h)) / (2.0 * h);
            let (mut got, mut narrow) = ([x], [x as f32]);
            cpu::derivative(&mut got, f);
            cpu::derivative(&mut narrow, f);
            let bound = h * h + 4.0 * f64::EPSILON * value(f, x).abs().max(1.0) / h;
            assert!((got[0] - want).abs() <= bound, "{}′({x}): {}, expected {want}", f.name(), got[0]);
            // An f32 argument of an exponential up to e^20 is off by 20 roundings, and its factor in gelu is up to 20.
            let close = (f64::from(narrow[0]) - got[0]).abs() <= 1e-5;
            assert!(close, "{}′({x}) in f32: {}, expected {}", f.name(), narrow[0], got[0]);
        }
    }
}

#[test]
fn derivatives_far_out_are_those_of_the_asymptotes() {
    use Pointwise::{EluPlusOne, GeluExact, GeluTanh, Relu, Sigmoid, Silu, Tanh};
    for &f in Pointwise::ALL {
        let right = match f {
            GeluExact | GeluTanh | Silu | Relu | EluPlusOne => 1.0,
            Sigmoid | Tanh => 0.0,
        };
        let mut got = [-3e38f32, -1e30, -1e5, 1e5, 1e30, 3e38, f32::NAN];
        cpu::derivative(&mut got, f);
        assert_eq!(got[..6], [0.0, 0.0, 0.0, right, right, right], "{}", f.name());
        assert!(got[6].is_nan(), "{}", f.name());
    }
}

#[test]
fn what_is_given_away_and_what_is_kept_make_the_same() {
    // More values than one thread processes alone.
    let count = 300_001;
    let (x, y) = (random(&[(Axis::Width, count)], 1), random(&[(Axis::Width, count)], 2));
    let before = x.to_vec().unwrap();
    let kept = [ops::add(&x, &y), ops::multiply(&x, &y), ops::scale(&x, 3.0), silu(&x)];
    assert_eq!(x.to_vec().unwrap(), before, "an argument that is kept does not change");
    let own = |x: &Tensor| row(x.to_vec().unwrap());
    let given = [ops::add(own(&x), &y), ops::multiply(&x, own(&y)), ops::scale(own(&x), 3.0), silu(own(&x))];
    for (kept, given) in kept.into_iter().zip(given) {
        assert_eq!(kept.unwrap().to_vec().unwrap(), given.unwrap().to_vec().unwrap());
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
    for device in devices() {
        let x = Tensor::zeros([(Axis::Query, 0), (Axis::Width, 3)]);
        let got = on(&device, [&x, &x], |[x, y]| ops::add(&x, &y));
        assert_eq!(got.to_vec().unwrap(), [0.0f32; 0], "{device}");
        let got = on(&device, [&x], |[x]| silu(&x));
        assert_eq!(got.shape(), x.shape());
    }
}
