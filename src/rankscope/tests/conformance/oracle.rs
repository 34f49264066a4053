//! The formulas of the operations, written a second time in f64: plain loops that share no code with the library and,
//! where a formula has another form, use that form.
#![allow(clippy::needless_range_loop)] // indices as in the formulas

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Σᵢ aᵢ bᵢ.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// x Φ(x) = ½ x erfc(−x/√2).
pub fn gelu(x: f64) -> f64 {
    0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
pub fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::tanh((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))))
}

/// σ(x) = ½ (1 + tanh(x/2)).
pub fn sigmoid(x: f64) -> f64 {
    0.5 * (1.0 + libm::tanh(0.5 * x))
}

/// x σ(x).
pub fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

/// 1 − 2/(e²ˣ + 1).
pub fn tanh(x: f64) -> f64 {
    1.0 - 2.0 / ((2.0 * x).exp() + 1.0)
}

/// max(x, 0) + e^min(x, 0).
pub fn elu_plus_one(x: f64) -> f64 {
    x.max(0.0) + x.min(0.0).exp()
}

/// ½ (x + |x|).
pub fn relu(x: f64) -> f64 {
    0.5 * (x + x.abs())
}

/// gᵢ (xᵢ − m)/√(v + ε) + bᵢ with m the mean and v the mean squared deviation, for every row.
pub fn layer_norm(x: &[f64], gain: &[f64], bias: &[f64], epsilon: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for row in x.chunks(gain.len()) {
        let (mean, deviation) = moments(row, epsilon);
        for i in 0..row.len() {
            y.push(gain[i] * (row[i] - mean) / deviation + bias[i]);
        }
    }
    y
}

/// m and √(v + ε) of a row.
pub fn moments(row: &[f64], epsilon: f64) -> (f64, f64) {
    let count = row.len() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    for x in row {
        sum += x;
    }
    let mean = sum / count;
    for x in row {
        squares += (x - mean).powi(2);
    }
    (mean, (squares / count + epsilon).sqrt())
}

/// gᵢ xᵢ/√(mean(x²) + ε), for every row.
pub fn rms_norm(x: &[f64], gain: &[f64], epsilon: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for row in x.chunks(gain.len()) {
        let mut squares = 0.0;
        for x in row {
            squares += x * x;
        }
        let root = (squares / row.len() as f64 + epsilon).sqrt();
        for i in 0..row.len() {
            y.push(gain[i] * row[i] / root);
        }
    }
    y
}

/// 1/(e^(b − xₛ) + Σᵤ e^(xᵤ − xₛ)) over the keys u that a row sees, for each such key s; 0 for the others. `sees` tells
/// whether a row sees a key, `sink` gives the b of a row.
pub fn softmax(
    x: &[f64],
    keys: usize,
    sees: impl Fn(usize, usize) -> bool,
    sink: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let mut weights = Vec::new();
    for (row, x) in x.chunks(keys).enumerate() {
        for s in 0..keys {
            let mut sum = (sink(row) - x[s]).exp();
            for u in (0..keys).filter(|&u| sees(row, u)) {
                sum += (x[u] - x[s]).exp();
            }
            weights.push(if sees(row, s) { 1.0 / sum } else { 0.0 });
        }
    }
    weights
}

/// σ(x + bias) = e^(x + bias) / (e^(x + bias) + 1) for the keys that a row sees, 0 for the others.
pub fn masked_sigmoid(x: &[f64], keys: usize, bias: f64, sees: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let odds = |i: usize| if sees(i / keys, i % keys) { (x[i] + bias).exp() } else { 0.0 };
    (0..x.len()).map(|i| odds(i) / (odds(i) + 1.0)).collect()
}

/// Every value divided by the sum of the values that its row sees; 0 if the row does not see it or the sum is 0.
pub fn normalised(x: &[f64], keys: usize, sees: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let mut weights = Vec::new();
    for (row, x) in x.chunks(keys).enumerate() {
        let mut sum = 0.0;
        for s in (0..keys).filter(|&s| sees(row, s)) {
            sum += x[s];
        }
        for s in 0..keys {
            weights.push(if sees(row, s) && sum != 0.0 { x[s] / sum } else { 0.0 });
        }
    }
    weights
}

/// The pairs (xᵢ, xᵢ₊D/₂) of every row as points of the plane, each rotated by t·base^(−2i/D), where t is the row's
/// position.
pub fn rotary(x: &[f64], size: usize, base: f64, position: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for row in 0..x.len() / size {
        for i in 0..size / 2 {
            let (first, second) = (row * size + i, row * size + i + size / 2);
            let angle = position(row) as f64 * base.powf(-2.0 * i as f64 / size as f64);
            let (length, direction) = (x[first].hypot(x[second]), x[second].atan2(x[first]));
            y[first] = length * (direction + angle).cos();
            y[second] = length * (direction + angle).sin();
        }
    }
    y
}
