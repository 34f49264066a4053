//! Gradients of every operation, on every device, against central differences of its formula in f64.

use rankscope::gradient::gradients;
use rankscope::mask::{Allowed, Mask, Positions};
use rankscope::ops::{self, Pointwise, RotaryTable};
use rankscope::tape::Tape;
use rankscope::{Axis, Device, Result, Tensor, Weight};

use crate::oracle;
use crate::support::{devices, noise, random, wide, wide_of};

const B: Axis = Axis::Batch;
const H: Axis = Axis::Head;
const G: Axis = Axis::KvHead;
const T: Axis = Axis::Query;
const S: Axis = Axis::Key;
const D: Axis = Axis::HeadSize;
const C: Axis = Axis::Width;

/// The tolerance for gradients in f32 of numbers of about 1; the differences in f64, with a step of 10⁻⁵, have an error
/// of only 10⁻¹⁰.
const TOLERANCE: f64 = 2e-5;

/// ∂/∂x Σᵢ cᵢ·yᵢ(x) for random c, by the tape and by (f(x + h) − f(x − h)) / 2h.
pub fn check(
    name: &str,
    inputs: &[Tensor],
    op: impl Fn(&[Tensor]) -> Result<Tensor>,
    formula: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let values: Vec<Vec<f64>> = inputs.iter().map(wide_of).collect();
    let count = formula(&values).len();
    let factors = noise(count, 99);
    let f =
        |values: &[Vec<f64>]| -> f64 { formula(values).iter().zip(wide(&factors)).map(|(y, c)| y * c).sum() };
    for device in devices() {
        let tape = Tape::new();
        let tracked: Vec<Tensor> =
            inputs.iter().map(|x| tape.track(&x.to_device(&device).unwrap())).collect();
        let y = op(&tracked).unwrap_or_else(|error| panic!("{name} on {device}: {error}"));
        let found = gradients(&weighted_sum(&y, &factors, &device)).unwrap();
        for (which, x) in tracked.iter().enumerate() {
            let got = found.of(x).unwrap_or_else(|| panic!("{name}: argument {which} has no gradient"));
            assert_eq!(got.shape(), x.shape(), "{name}: argument {which}");
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
    let pairs = |x: &[Vec<f64>], f: fn(f64, f64) -> f64| -> Vec<f64> {
        x[0].iter().zip(x[1].iter().cycle()).map(|(&a, &b)| f(a, b)).collect()
    };
    let both = [x.clone(), y];
    check("add", &both, |x| ops::add(&x[0], &x[1]), |x| pairs(x, |a, b| a + b));
    check("multiply", &both, |x| ops::multiply(&x[0], &x[1]), |x| pairs(x, |a, b| a * b));
    check("add_bias", &[x.clone(), bias], |x| ops::add_bias(&x[0], &x[1]), |x| pairs(x, |a, b| a + b));
    check(
        "scale",
        std::slice::from_ref(&x),
        |x| ops::scale(&x[0], -1.5),
        |x| x[0].iter().map(|x| -1.5 * x).collect(),
    );
    // A tensor that is used twice gets the sum of both gradients.
    check(
        "x·x + x",
        &[x],
        |x| ops::add(&ops::multiply(&x[0], &x[0])?, &x[0]),
        |x| x[0].iter().map(|x| x * x + x).collect(),
    );
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
        check(
            f.name(),
            std::slice::from_ref(&x),
            |x| ops::pointwise(&x[0], f),
            |x| x[0].iter().map(|&x| formula(x)).collect(),
        );
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
        let inputs = [random(&with_batch(a_axes), 5), random(&with_batch(b_axes), 6)];
        check(
            "matmul",
            &inputs,
            |x| ops::matmul(&x[0], &x[1], D, 0.5),
            |x| {
                let a = |i: usize, row: usize, y: usize| 0.5 * x[0][i * m * k + at(a_axes, m, row, y)];
                product([2, 1, m, n, k], a, |i, column, y| x[1][i * n * k + at(b_axes, n, column, y)])
            },
        );
    }
    // Six query heads share two key/value heads, in scores and in contexts.
    let (q, of_groups) =
        (random(&[(B, 2), (H, 6), (T, m), (D, k)], 7), random(&[(B, 2), (G, 2), (S, n), (D, k)], 8));
    check(
        "scores of groups",
        &[q, of_groups.clone()],
        |x| ops::matmul(&x[0], &x[1], D, 1.0),
        |x| {
            product(
                [12, 3, m, n, k],
                |i, t, d| x[0][(i * m + t) * k + d],
                |i, s, d| x[1][(i * n + s) * k + d],
            )
        },
    );
    let (q, k_heads) =
        (random(&[(B, 2), (H, 3), (T, m), (D, k)], 7), random(&[(B, 2), (G, 3), (S, n), (D, k)], 8));
    let rows = |x: &[f64], i: usize, at: usize, d: usize, length: usize| x[(i * length + at) * k + d];
    check(
        "scores of heads that are called G in keys",
        &[q, k_heads],
        |x| ops::matmul(&x[0], &x[1], D, 1.0),
        |x| product([6, 1, m, n, k], |i, t, d| rows(&x[0], i, t, d, m), |i, s, d| rows(&x[1], i, s, d, n)),
    );
    let weights = random(&[(B, 2), (H, 6), (T, m), (S, n)], 9);
    check(
        "contexts of groups",
        &[weights, of_groups],
        |x| ops::matmul(&x[0], &x[1], S, 1.0),
        |x| {
            product(
                [12, 3, m, k, n],
                |i, t, s| x[0][(i * m + t) * n + s],
                |i, d, s| x[1][(i * n + s) * k + d],
            )
        },
    );
    // One row, few rows and many, and a square layer, whose axes have the same name.
    for (rows, out) in [(1, (Axis::FeedForward, 6)), (5, (C, 4)), (70, (Axis::FeedForward, 3))] {
        let inputs = [random(&[(B, 1), (T, rows), (C, 4)], 10), random(&[out, (C, 4)], 11)];
        check(
            "linear",
            &inputs,
            |x| ops::linear(&x[0], &Weight::from_tensor("w", x[1].clone())),
            |x| product([1, 1, rows, out.1, 4], |_, row, i| x[0][row * 4 + i], |_, o, i| x[1][o * 4 + i]),
        );
    }
}

#[test]
fn a_frozen_weight_in_half_precision_passes_the_gradient_on() {
    let w =
        Weight::new("w", [(Axis::FeedForward, 3), (C, 4)], rankscope::Dtype::F16, &noise(12, 12)).unwrap();
    let wide = wide(&w.to_f32().unwrap());
    check(
        "linear",
        &[random(&[(T, 5), (C, 4)], 13)],
        |x| ops::linear(&x[0], &w.to_device(&x[0].device())?),
        |x| product([1, 1, 5, 3, 4], |_, row, i| x[0][row * 4 + i], |_, o, i| wide[o * 4 + i]),
    );
}

#[test]
fn weights_of_attention() {
    let (queries, keys) = (4, 37);
    let axes = [(B, 2), (H, 3), (T, queries), (S, keys)];
    // The queries are in the middle; the last heads see nothing from some position on.
    let allowed =
        Allowed::new(&Mask::causal(), 3, queries, keys, Positions { first_query: 5 }, None).unwrap();
    let sees = |row: usize, key: usize| key <= 5 + row % queries;
    check(
        "masked_softmax",
        &[random(&axes, 14)],
        |x| ops::masked_softmax(&x[0], &allowed),
        |x| oracle::softmax(&x[0], keys, sees, |_| f64::NEG_INFINITY),
    );
    let sinks = random(&[(H, 3)], 31);
    let op = |x: &[Tensor]| ops::masked_softmax_with_sinks(&x[0], &allowed, &x[1]);
    check("masked_softmax_with_sinks", &[random(&axes, 32), sinks], op, |x| {
        oracle::softmax(&x[0], keys, sees, |row| x[1][row / queries % 3])
    });
    check(
        "masked_sigmoid",
        &[random(&axes, 33)],
        |x| ops::masked_sigmoid(&x[0], &allowed, -0.5),
        |x| oracle::masked_sigmoid(&x[0], keys, -0.5, sees),
    );
    let inputs = [random(&axes, 34), random(&axes, 35), random(&[(H, 3)], 36)];
    check(
        "weighted_difference",
        &inputs,
        |x| ops::weighted_difference(&x[0], &x[1], &x[2]),
        |x| {
            let head = |i: usize| i / (queries * keys) % 3;
            (0..x[0].len()).map(|i| x[0][i] - x[2][head(i)] * x[1][i]).collect()
        },
    );
    check(
        "masked_normalise",
        &[positive(&axes, 15)],
        |x| ops::masked_normalise(&x[0], &allowed),
        |x| oracle::normalised(&x[0], keys, sees),
    );
}

#[test]
fn norms() {
    for (rows, width) in [(3, 5), (2, 70)] {
        let (x, gain, bias) =
            (random(&[(T, rows), (C, width)], 16), random(&[(C, width)], 17), random(&[(C, width)], 18));
        check(
            "layer_norm",
            &[x.clone(), gain.clone(), bias],
            |x| ops::layer_norm(&x[0], &x[1], &x[2], 1e-3),
            |x| oracle::layer_norm(&x[0], &x[1], &x[2], f64::from(1e-3f32)),
        );
        check(
            "rms_norm",
            &[x.clone(), gain],
            |x| ops::rms_norm(&x[0], &x[1], 1e-3),
            |x| oracle::rms_norm(&x[0], &x[1], f64::from(1e-3f32)),
        );
        check(
            "unit_rms_norm",
            &[x],
            |x| ops::unit_rms_norm(&x[0], 1e-3),
            |x| oracle::rms_norm(&x[0], &vec![1.0; width], f64::from(1e-3f32)),
        );
    }
}

#[test]
fn moves_of_numbers() {
    let x = random(&[(B, 2), (H, 3), (T, 5), (D, 4)], 19);
    check(
        "rotary",
        std::slice::from_ref(&x),
        |x| ops::rotary(&x[0], &RotaryTable::new(7, 5, 4, 100.0, &x[0].device())?),
        |x| oracle::rotary(&x[0], 4, 100.0, |row| 7 + row % 5),
    );
    let swapped = |x: &[f64], [outer, j, k, inner]: [usize; 4]| -> Vec<f64> {
        let mut y = Vec::new();
        for (i, k_at, j_at) in
            (0..outer).flat_map(|i| (0..k).flat_map(move |a| (0..j).map(move |b| (i, a, b))))
        {
            y.extend_from_slice(&x[((i * j + j_at) * k + k_at) * inner..][..inner]);
        }
        y
    };
    check(
        "merge_heads",
        std::slice::from_ref(&x),
        |x| ops::merge_heads(&x[0]),
        |x| swapped(&x[0], [2, 3, 5, 4]),
    );
    let wide = random(&[(B, 2), (T, 5), (Axis::HeadWidth, 12)], 20);
    check("split_heads", &[wide], |x| ops::split_heads(&x[0], 3), |x| swapped(&x[0], [2, 5, 3, 4]));
    let matrix = random(&[(T, 5), (S, 3)], 21);
    check("transpose", &[matrix], |x| ops::transpose(&x[0]), |x| swapped(&x[0], [1, 5, 3, 1]));
    let cut = |x: &[f64], size: usize, inner: usize, range: std::ops::Range<usize>| -> Vec<f64> {
        x.chunks(size * inner).flat_map(|x| x[range.start * inner..range.end * inner].to_vec()).collect()
    };
    check("slice", std::slice::from_ref(&x), |x| ops::slice(&x[0], T, 1..4), |x| cut(&x[0], 5, 4, 1..4));
    check(
        "slice to the end",
        std::slice::from_ref(&x),
        |x| ops::slice(&x[0], D, 3..4),
        |x| cut(&x[0], 4, 1, 3..4),
    );
    let other = random(&[(B, 2), (H, 3), (T, 2), (D, 4)], 22);
    check(
        "concat",
        &[x.clone(), other],
        |x| ops::concat(&x[0], &x[1], T),
        |x| x[0].chunks(20).zip(x[1].chunks(8)).flat_map(|(a, b)| [a, b].concat()).collect(),
    );
    check(
        "rename and reshape",
        &[x],
        |x| x[0].rename(T, S)?.reshape([(Axis::Row, 24), (C, 5)]),
        |x| x[0].clone(),
    );
}

#[test]
fn rows_of_tables() {
    // One entry occurs three times, one never.
    let (ids, width) = ([4u32, 1, 4, 0, 4, 2], 3);
    let rows = |x: &[f64]| -> Vec<f64> {
        ids.iter().flat_map(|&id| x[id as usize * width..][..width].to_vec()).collect()
    };
    let table = random(&[(Axis::Vocab, 5), (C, width)], 23);
    check(
        "gather",
        &[table],
        |x| ops::gather(&Weight::from_tensor("w", x[0].clone()), &ids, 2),
        |x| rows(&x[0]),
    );
    let x = random(&[(B, 1), (T, 5), (C, width)], 24);
    check("gather_rows", &[x], |x| ops::gather_rows(&x[0], &ids), |x| rows(&x[0]));
}

#[test]
fn biases_of_positions() {
    let (heads, queries, keys) = (3, 4, 6);
    let spread = |x: &[f64]| -> Vec<f64> {
        let at = |h: usize, t: usize, s: usize| x[h * (queries + keys - 1) + s + queries - 1 - t];
        let mut y = Vec::new();
        for h in 0..heads {
            for t in 0..queries {
                y.extend((0..keys).map(|s| at(h, t, s)));
            }
        }
        y
    };
    let bias = random(&[(H, heads), (Axis::Position, queries + keys - 1)], 25);
    check(
        "spread_by_distance",
        &[bias],
        |x| ops::spread_by_distance(&x[0], queries, keys),
        |x| spread(&x[0]),
    );
    let pairs = [(H, heads), (T, queries), (S, keys)];
    let inputs = [random(&[&[(B, 2)], &pairs[..]].concat(), 26), random(&pairs, 27)];
    check(
        "add_position_bias",
        &inputs,
        |x| ops::add_position_bias(&x[0], &x[1]),
        |x| x[0].iter().zip(x[1].iter().cycle()).map(|(a, b)| a + b).collect(),
    );
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
        check(
            "cross_entropy",
            &[logits],
            |x| ops::cross_entropy(&x[0], &targets, smoothing),
            |x| {
                let row = |(x, target): (&[f64], &Option<u32>)| -> f64 {
                    let sum: f64 = x.iter().map(|x| x.exp()).sum();
                    target.map_or(0.0, |target| {
                        (0..vocab).map(|v| -q(v, target) * (x[v].exp() / sum).ln()).sum()
                    })
                };
                vec![x[0].chunks(vocab).zip(&targets).map(row).sum::<f64>() / 4.0]
            },
        );
    }
}

#[test]
fn no_gradient_is_lost_in_silence() {
    let said = |y: Result<Tensor>| gradients(&y.unwrap()).map(|_| ()).unwrap_err().to_string();
    let (tape, axes) = (Tape::new(), [(T, 1), (C, 1)]);
    let x = tape.track(&random(&axes, 29));
    // Numbers that were read, and a tensor that was rebuilt from them.
    let y = ops::scale(&x, 2.0).unwrap();
    let rebuilt = Tensor::new(axes, y.to_vec().unwrap()).unwrap();
    let message = said(ops::multiply(&x, &rebuilt));
    assert!(
        message.starts_with("gradient through the result of scale, which is read as plain numbers"),
        "{message}"
    );
    // The same, with `detach`.
    let (tape, axes) = (Tape::new(), [(T, 1), (C, 1)]);
    let x = tape.track(&random(&axes, 29));
    let y = ops::scale(&x, 2.0).unwrap();
    let rebuilt = Tensor::new(axes, y.detach().to_vec().unwrap()).unwrap();
    let product = ops::multiply(&x, &rebuilt).unwrap();
    let found = gradients(&product).unwrap().of(&x).unwrap().to_vec().unwrap();
    assert_eq!(found, rebuilt.to_vec().unwrap());
    // A tape that was used before, a number without a tape, and more than one number.
    assert_eq!(said(Ok(product)), "tape is used before, expected one that no gradient has gone through");
    assert_eq!(said(Ok(rebuilt)), "number to differentiate is not tracked, expected one on a tape");
    let two = tape.track(&random(&[(T, 2)], 30));
    assert_eq!(said(Ok(two.clone())), "shape to differentiate is [T=2], expected one number");
    let elsewhere = Tape::new().track(&random(&[(T, 2)], 30));
    let error = ops::add(&two, &elsewhere).unwrap_err().to_string();
    assert_eq!(error, "add: an argument is on another tape, expected on the tape of the others");
}
