//! Gradients of every operation, on every device, against central differences of its formula in f64.

use rankscope::gradient::gradients;
use rankscope::mask::{Allowed, Mask, Positions};
use rankscope::ops::{self, Pointwise, RotaryTable};
use rankscope::tape::Tape;
use rankscope::{Axis, Device, Result, Tensor, Weight};

use crate::oracle;
use crate::support::{B, C, D, G, H, S, T, devices, noise, random, refused, said, wide, wide_of};

/// The tolerance for gradients in f32 of numbers of about 1; the differences in f64, with a step of 10⁻⁵, have an error
/// of only 10⁻¹⁰.
const TOLERANCE: f64 = 2e-5;

/// ∂/∂x Σᵢ cᵢ·yᵢ(x) for random c, by the tape and by (f(x + h) − f(x − h)) / 2h.
pub fn check<const N: usize>(
    name: &str,
    inputs: [&Tensor; N],
    op: impl Fn([&Tensor; N]) -> Result<Tensor>,
    formula: impl Fn([&[f64]; N]) -> Vec<f64>,
) {
    let values = inputs.map(wide_of);
    let formula = |values: &[Vec<f64>; N]| formula(values.each_ref().map(Vec::as_slice));
    let factors = noise(formula(&values).len(), 99);
    let f = |values: &[Vec<f64>; N]| -> f64 {
        formula(values).iter().zip(wide(&factors)).map(|(y, c)| y * c).sum()
    };
    for device in devices() {
        let found = of_inputs(name, inputs, &device, &factors, &op);
        for (which, got) in found.iter().enumerate() {
            for (i, got) in got.to_vec().unwrap().into_iter().enumerate() {
                let moved = |step: f64| {
                    let mut values = values.clone();
                    values[which][i] += step;
                    f(&values)
                };
                let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let close = (f64::from(got) - want).abs() <= TOLERANCE * want.abs().max(1.0);
                assert!(close, "{name} on {device}: argument {which}[{i}] is {got}, by differences {want}");
            }
        }
    }
}

/// The gradients of Σᵢ cᵢ·yᵢ by the tape, for every argument of the operation.
pub fn of_inputs<const N: usize>(
    name: &str,
    inputs: [&Tensor; N],
    device: &Device,
    factors: &[f32],
    op: impl FnOnce([&Tensor; N]) -> Result<Tensor>,
) -> [Tensor; N] {
    let tape = Tape::new();
    let tracked = inputs.map(|x| tape.track(&x.to_device(device).unwrap()));
    let y = op(tracked.each_ref()).unwrap_or_else(|error| panic!("{name} on {device}: {error}"));
    let found = gradients(&weighted_sum(&y, factors, device)).unwrap();
    std::array::from_fn(|which| {
        let x = &tracked[which];
        let got = found.of(x).unwrap_or_else(|| panic!("{name}: argument {which} has no gradient"));
        assert_eq!(got.shape(), x.shape(), "{name}: argument {which}");
        got.clone()
    })
}

/// Σᵢ cᵢ·yᵢ.
pub fn weighted_sum(y: &Tensor, factors: &[f32], device: &Device) -> Tensor {
    let factors = Tensor::new(y.shape().axes(), factors.to_vec()).unwrap().to_device(device).unwrap();
    let products = ops::multiply(y, &factors).unwrap();
    let column = [(Axis::Row, factors.shape().len()), (Axis::Column, 1)];
    ops::sum_rows(&products.reshape(column).unwrap()).unwrap().reshape([]).unwrap()
}

/// Σₖ a[m, k] · b[n, k] for any layout: a and b are functions of the indices.
fn product(
    [batch, group, m, n, k]: [usize; 5],
    a: impl Fn(usize, usize, usize) -> f64,
    b: impl Fn(usize, usize, usize) -> f64,
) -> Vec<f64> {
    let mut c = Vec::new();
    for i in 0..batch {
        for row in 0..m {
            for column in 0..n {
                c.push((0..k).map(|x| a(i, row, x) * b(i / group, column, x)).sum());
            }
        }
    }
    c
}

fn positive(axes: &[(Axis, usize)], seed: u64) -> Tensor {
    let values = random(axes, seed).to_vec().unwrap().into_iter().map(|x| x + 1.2).collect();
    Tensor::new(axes, values).unwrap()
}

#[test]
fn sums_products_and_factors() {
    let (x, y, bias) = (random(&[(T, 3), (C, 5)], 1), random(&[(T, 3), (C, 5)], 2), random(&[(C, 5)], 3));
    let pairs = |[x, y]: [&[f64]; 2], f: fn(f64, f64) -> f64| -> Vec<f64> {
        x.iter().zip(y.iter().cycle()).map(|(&a, &b)| f(a, b)).collect()
    };
    check("add", [&x, &y], |[x, y]| ops::add(x, y), |both| pairs(both, |a, b| a + b));
    check("multiply", [&x, &y], |[x, y]| ops::multiply(x, y), |both| pairs(both, |a, b| a * b));
    check("add_bias", [&x, &bias], |[x, b]| ops::add_bias(x, b), |both| pairs(both, |a, b| a + b));
    check("scale", [&x], |[x]| ops::scale(x, -1.5), |[x]| x.iter().map(|x| -1.5 * x).collect());
    // A tensor that is used twice gets the sum of both gradients.
    let op = |[x]: [&Tensor; 1]| ops::add(&ops::multiply(x, x)?, x);
    check("x·x + x", [&x], op, |[x]| x.iter().map(|x| x * x + x).collect());
}

#[test]
fn functions_of_one_number() {
    let x = random(&[(T, 5), (C, 13)], 4).to_vec().unwrap();
    let x = Tensor::new([(T, 5), (C, 13)], x.into_iter().map(|x| 4.0 * x).collect()).unwrap();
    for &f in Pointwise::ALL {
        let formula: fn(f64) -> f64 = match f {
            Pointwise::GeluExact => oracle::gelu,
            Pointwise::GeluTanh => oracle::gelu_tanh,
            Pointwise::Silu => oracle::silu,
            Pointwise::Sigmoid => oracle::sigmoid,
            Pointwise::Tanh => oracle::tanh,
            Pointwise::Relu => oracle::relu,
            Pointwise::EluPlusOne => oracle::elu_plus_one,
        };
        let op = |[x]: [&Tensor; 1]| ops::pointwise(x, f);
        check(f.name(), [&x], op, |[x]| x.iter().map(|&x| formula(x)).collect());
    }
}

#[test]
fn products_in_every_layout() {
    let (m, n, k) = (3, 5, 4);
    for (a_axes, b_axes) in [
        ([(T, m), (D, k)], [(S, n), (D, k)]),
        ([(T, m), (D, k)], [(D, k), (S, n)]),
        ([(D, k), (T, m)], [(S, n), (D, k)]),
        ([(D, k), (T, m)], [(D, k), (S, n)]),
    ] {
        let at = |axes: [(Axis, usize); 2], free: usize, x: usize, y: usize| {
            if axes[1].0 == D { x * k + y } else { y * free + x }
        };
        let with_batch = |axes: [(Axis, usize); 2]| [&[(B, 2)], &axes[..]].concat();
        let (a, b) = (random(&with_batch(a_axes), 5), random(&with_batch(b_axes), 6));
        let op = |[a, b]: [&Tensor; 2]| ops::matmul(a, b, D, 0.5);
        check("matmul", [&a, &b], op, |[a, b]| {
            let a = |i: usize, row: usize, y: usize| 0.5 * a[i * m * k + at(a_axes, m, row, y)];
            product([2, 1, m, n, k], a, |i, column, y| b[i * n * k + at(b_axes, n, column, y)])
        });
    }
    // Six query heads share two key/value heads, in scores and in contexts.
    let scores = |[q, k]: [&Tensor; 2]| ops::matmul(q, k, D, 1.0);
    let (q, of_groups) =
        (random(&[(B, 2), (H, 6), (T, m), (D, k)], 7), random(&[(B, 2), (G, 2), (S, n), (D, k)], 8));
    check("scores of groups", [&q, &of_groups], scores, |[x, y]| {
        product([12, 3, m, n, k], |i, t, d| x[(i * m + t) * k + d], |i, s, d| y[(i * n + s) * k + d])
    });
    let (q, k_heads) =
        (random(&[(B, 2), (H, 3), (T, m), (D, k)], 7), random(&[(B, 2), (G, 3), (S, n), (D, k)], 8));
    check("scores of heads that are called G in keys", [&q, &k_heads], scores, |[x, y]| {
        product([6, 1, m, n, k], |i, t, d| x[(i * m + t) * k + d], |i, s, d| y[(i * n + s) * k + d])
    });
    let weights = random(&[(B, 2), (H, 6), (T, m), (S, n)], 9);
    let contexts = |[weights, v]: [&Tensor; 2]| ops::matmul(weights, v, S, 1.0);
    check("contexts of groups", [&weights, &of_groups], contexts, |[x, y]| {
        product([12, 3, m, k, n], |i, t, s| x[(i * m + t) * n + s], |i, d, s| y[(i * n + s) * k + d])
    });
    // One row, few rows and many, and a square layer, whose axes have the same name.
    for (rows, out) in [(1, (Axis::FeedForward, 6)), (5, (C, 4)), (70, (Axis::FeedForward, 3))] {
        let (x, w) = (random(&[(B, 1), (T, rows), (C, 4)], 10), random(&[out, (C, 4)], 11));
        let op = |[x, w]: [&Tensor; 2]| ops::linear(x, &Weight::from_tensor("w", w.clone()));
        check("linear", [&x, &w], op, |[x, w]| {
            product([1, 1, rows, out.1, 4], |_, row, i| x[row * 4 + i], |_, o, i| w[o * 4 + i])
        });
    }
}

#[test]
fn a_frozen_weight_in_half_precision_passes_the_gradient_on() {
    let w =
        Weight::new("w", [(Axis::FeedForward, 3), (C, 4)], rankscope::Dtype::F16, &noise(12, 12)).unwrap();
    let wide = wide(&w.to_f32().unwrap());
    let op = |[x]: [&Tensor; 1]| ops::linear(x, &w.to_device(&x.device())?);
    check("linear", [&random(&[(T, 5), (C, 4)], 13)], op, |[x]| {
        product([1, 1, 5, 3, 4], |_, row, i| x[row * 4 + i], |_, o, i| wide[o * 4 + i])
    });
}

#[test]
fn weights_of_attention() {
    let (queries, keys) = (4, 37);
    let axes = [(B, 2), (H, 3), (T, queries), (S, keys)];
    // The queries are in the middle; the last heads see nothing from some position on.
    let allowed =
        Allowed::new(&Mask::causal(), 3, queries, keys, Positions { first_query: 5 }, None).unwrap();
    let sees = |row: usize, key: usize| key <= 5 + row % queries;
    let op = |[x]: [&Tensor; 1]| ops::masked_softmax(x, &allowed);
    check("masked_softmax", [&random(&axes, 14)], op, |[x]| {
        oracle::softmax(x, keys, sees, |_| f64::NEG_INFINITY)
    });
    let op = |[x, sinks]: [&Tensor; 2]| ops::masked_softmax_with_sinks(x, &allowed, sinks);
    check("masked_softmax_with_sinks", [&random(&axes, 32), &random(&[(H, 3)], 31)], op, |[x, sinks]| {
        oracle::softmax(x, keys, sees, |row| sinks[row / queries % 3])
    });
    let op = |[x]: [&Tensor; 1]| ops::masked_sigmoid(x, &allowed, -0.5);
    check("masked_sigmoid", [&random(&axes, 33)], op, |[x]| oracle::masked_sigmoid(x, keys, -0.5, sees));
    let (x, y, factors) = (random(&axes, 34), random(&axes, 35), random(&[(H, 3)], 36));
    let op = |[x, y, factors]: [&Tensor; 3]| ops::weighted_difference(x, y, factors);
    check("weighted_difference", [&x, &y, &factors], op, |[x, y, factors]| {
        let head = |i: usize| i / (queries * keys) % 3;
        (0..x.len()).map(|i| x[i] - factors[head(i)] * y[i]).collect()
    });
    let op = |[x]: [&Tensor; 1]| ops::masked_normalise(x, &allowed);
    check("masked_normalise", [&positive(&axes, 15)], op, |[x]| oracle::normalised(x, keys, sees));
}

#[test]
fn norms() {
    let epsilon = f64::from(1e-3f32);
    for (rows, width) in [(3, 5), (2, 70)] {
        let (x, gain, bias) =
            (random(&[(T, rows), (C, width)], 16), random(&[(C, width)], 17), random(&[(C, width)], 18));
        let op = |[x, gain, bias]: [&Tensor; 3]| ops::layer_norm(x, gain, bias, 1e-3);
        check("layer_norm", [&x, &gain, &bias], op, |[x, gain, bias]| {
            oracle::layer_norm(x, gain, bias, epsilon)
        });
        let op = |[x, gain]: [&Tensor; 2]| ops::rms_norm(x, gain, 1e-3);
        check("rms_norm", [&x, &gain], op, |[x, gain]| oracle::rms_norm(x, gain, epsilon));
        let op = |[x]: [&Tensor; 1]| ops::unit_rms_norm(x, 1e-3);
        check("unit_rms_norm", [&x], op, |[x]| oracle::rms_norm(x, &vec![1.0; width], epsilon));
    }
}

#[test]
fn moves_of_numbers() {
    let x = random(&[(B, 2), (H, 3), (T, 5), (D, 4)], 19);
    let op = |[x]: [&Tensor; 1]| ops::rotary(x, &RotaryTable::new(7, 5, 4, 100.0, &x.device())?);
    check("rotary", [&x], op, |[x]| oracle::rotary(x, 4, 100.0, |row| 7 + row % 5));
    let swapped = |x: &[f64], [outer, j, k, inner]: [usize; 4]| -> Vec<f64> {
        let mut y = Vec::new();
        for (i, k_at, j_at) in
            (0..outer).flat_map(|i| (0..k).flat_map(move |a| (0..j).map(move |b| (i, a, b))))
        {
            y.extend_from_slice(&x[((i * j + j_at) * k + k_at) * inner..][..inner]);
        }
        y
    };
    check("merge_heads", [&x], |[x]| ops::merge_heads(x), |[x]| swapped(x, [2, 3, 5, 4]));
    let wide = random(&[(B, 2), (T, 5), (Axis::HeadWidth, 12)], 20);
    check("split_heads", [&wide], |[x]| ops::split_heads(x, 3), |[x]| swapped(x, [2, 5, 3, 4]));
    let matrix = random(&[(T, 5), (S, 3)], 21);
    check("transpose", [&matrix], |[x]| ops::transpose(x), |[x]| swapped(x, [1, 5, 3, 1]));
    let cut = |x: &[f64], size: usize, inner: usize, range: std::ops::Range<usize>| -> Vec<f64> {
        x.chunks(size * inner).flat_map(|x| x[range.start * inner..range.end * inner].to_vec()).collect()
    };
    check("slice", [&x], |[x]| ops::slice(x, T, 1..4), |[x]| cut(x, 5, 4, 1..4));
    check("slice to the end", [&x], |[x]| ops::slice(x, D, 3..4), |[x]| cut(x, 4, 1, 3..4));
    let other = random(&[(B, 2), (H, 3), (T, 2), (D, 4)], 22);
    let op = |[a, b]: [&Tensor; 2]| ops::concat(a, b, T);
    check("concat", [&x, &other], op, |[a, b]| {
        a.chunks(20).zip(b.chunks(8)).flat_map(|(a, b)| [a, b].concat()).collect()
    });
    let op = |[x]: [&Tensor; 1]| x.rename(T, S)?.reshape([(Axis::Row, 24), (C, 5)]);
    check("rename and reshape", [&x], op, |[x]| x.to_vec());
}

#[test]
fn rows_of_tables() {
    // One entry occurs three times, one never.
    let (ids, width) = ([4u32, 1, 4, 0, 4, 2], 3);
    let rows = |[x]: [&[f64]; 1]| -> Vec<f64> {
        ids.iter().flat_map(|&id| x[id as usize * width..][..width].to_vec()).collect()
    };
    let op = |[x]: [&Tensor; 1]| ops::gather(&Weight::from_tensor("w", x.clone()), &ids, 2);
    check("gather", [&random(&[(Axis::Vocab, 5), (C, width)], 23)], op, rows);
    let x = random(&[(B, 1), (T, 5), (C, width)], 24);
    check("gather_rows", [&x], |[x]| ops::gather_rows(x, &ids), rows);
}

#[test]
fn biases_of_positions() {
    let (heads, queries, keys) = (3, 4, 6);
    let bias = random(&[(H, heads), (Axis::Position, queries + keys - 1)], 25);
    let op = |[bias]: [&Tensor; 1]| ops::spread_by_distance(bias, queries, keys);
    check("spread_by_distance", [&bias], op, |[x]| {
        let at = |h: usize, t: usize, s: usize| x[h * (queries + keys - 1) + s + queries - 1 - t];
        let mut y = Vec::new();
        for h in 0..heads {
            for t in 0..queries {
                y.extend((0..keys).map(|s| at(h, t, s)));
            }
        }
        y
    });
    let pairs = [(H, heads), (T, queries), (S, keys)];
    let (scores, bias) = (random(&[&[(B, 2)], &pairs[..]].concat(), 26), random(&pairs, 27));
    let op = |[scores, bias]: [&Tensor; 2]| ops::add_position_bias(scores, bias);
    check("add_position_bias", [&scores, &bias], op, |[scores, bias]| {
        scores.iter().zip(bias.iter().cycle()).map(|(a, b)| a + b).collect()
    });
}

#[test]
fn cross_entropies() {
    let (vocab, targets) = (67, [Some(3), None, Some(66), Some(3), Some(0)]);
    for smoothing in [0.0f32, 0.25] {
        let logits = random(&[(T, 5), (Axis::Vocab, vocab)], 28);
        let q = |v: usize, target: u32| {
            let hit = if v == target as usize { 1.0 - f64::from(smoothing) } else { 0.0 };
            hit + f64::from(smoothing) / vocab as f64
        };
        let op = |[x]: [&Tensor; 1]| ops::cross_entropy(x, &targets, smoothing);
        check("cross_entropy", [&logits], op, |[x]| {
            let row = |(x, target): (&[f64], &Option<u32>)| -> f64 {
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                target.map_or(0.0, |target| (0..vocab).map(|v| -q(v, target) * (x[v].exp() / sum).ln()).sum())
            };
            vec![x.chunks(vocab).zip(&targets).map(row).sum::<f64>() / 4.0]
        });
    }
}

#[test]
fn no_gradient_is_lost_in_silence() {
    let (tape, axes) = (Tape::new(), [(T, 1), (C, 1)]);
    let x = tape.track(&random(&axes, 29));
    // Numbers that were read, and a tensor that was rebuilt from them.
    let y = ops::scale(&x, 2.0).unwrap();
    let rebuilt = Tensor::new(axes, y.to_vec().unwrap()).unwrap();
    let message = said(gradients(&ops::multiply(&x, &rebuilt).unwrap()));
    assert!(
        message.starts_with("gradient through the result of scale, which is read as plain numbers"),
        "{message}"
    );
    // The same, with `detach`.
    let tape = Tape::new();
    let x = tape.track(&random(&axes, 29));
    let y = ops::scale(&x, 2.0).unwrap();
    let rebuilt = Tensor::new(axes, y.detach().to_vec().unwrap()).unwrap();
    let product = ops::multiply(&x, &rebuilt).unwrap();
    let found = gradients(&product).unwrap().of(&x).unwrap().to_vec().unwrap();
    assert_eq!(found, rebuilt.to_vec().unwrap());
    // A tape that was used before, a number without a tape, and more than one number.
    refused(gradients(&product), "tape is used before, expected one that no gradient has gone through");
    refused(gradients(&rebuilt), "number to differentiate is not tracked, expected one on a tape");
    let two = tape.track(&random(&[(T, 2)], 30));
    refused(gradients(&two), "shape to differentiate is [T=2], expected one number");
    let elsewhere = Tape::new().track(&random(&[(T, 2)], 30));
    let expected = "add: an argument is on another tape, expected on the tape of the others";
    refused(ops::add(&two, &elsewhere), expected);
}
