//! Compares every mechanism with its formula in f64.

use rankscope::attention::{AttentionLayer, Linear, MECHANISMS, Mechanism, MechanismKind, slopes};
use rankscope::prelude::*;

use super::{BATCH, QUERIES, SIZES, forward, hidden, layer, named, traced};
use crate::oracle::{dot, rms_norm, sigmoid};
use crate::support::{assert_close, devices, wide, wide_of};

/// x / √(mean(x²) + ε).
fn unit(row: &[f64], epsilon: f64) -> Vec<f64> {
    rms_norm(row, &vec![1.0; row.len()], epsilon)
}

/// The parameters of a mechanism for each head: a sink or a λ.
fn by_head(layer: &AttentionLayer) -> Vec<f64> {
    match &layer.attention.mechanism {
        Mechanism::ScaledDotProduct(mechanism) => mechanism.sinks().map(wide_of).unwrap_or_default(),
        Mechanism::Differential(mechanism) => wide_of(mechanism.lambdas()),
        _ => Vec::new(),
    }
}

/// The decay of every key of key/value head `head`: 1 / (1 + eˣ), where softplus(x) is −log a.
fn decays(layer: &AttentionLayer, head: usize, keys: &[Vec<f64>]) -> Vec<f64> {
    let Mechanism::StateSpace(mechanism) = &layer.attention.mechanism else { return vec![1.0; keys.len()] };
    let (weight, bias) = (wide_of(mechanism.weight()), wide_of(mechanism.bias()));
    let decay = |key: &Vec<f64>| 1.0 / (1.0 + (dot(&weight[head * key.len()..], key) + bias[head]).exp());
    keys.iter().map(decay).collect()
}

/// The weights of one query for all keys; `may` says which keys it may attend to, `learned` is its head's sink or λ.
fn weights(name: &str, q: &[f64], keys: &[Vec<f64>], bias: &[f64], may: &[bool], learned: f64) -> Vec<f64> {
    let size = q.len();
    let masked = |weight: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..keys.len()).map(|s| if may[s] { weight(s) } else { 0.0 }).collect()
    };
    let over = |weights: Vec<f64>, sum: f64| -> Vec<f64> {
        weights.into_iter().map(|weight| if sum > 0.0 { weight / sum } else { 0.0 }).collect()
    };
    let softmax = |from: usize, to: usize, beside: f64| {
        let factor = if name.contains("t5") { 1.0 } else { 1.0 / ((to - from) as f64).sqrt() };
        let powers = masked(&|s| (factor * dot(&q[from..to], &keys[s][from..to]) + bias[s]).exp());
        let sum = powers.iter().sum::<f64>() + beside;
        over(powers, sum)
    };
    let feature = |x: &f64| match (name, *x > 0.0) {
        ("relu-linear", _) => x.max(0.0),
        (_, true) => x + 1.0,
        (_, false) => x.exp(),
    };
    match name {
        "differential" => {
            let (first, second) = (softmax(0, size / 2, 0.0), softmax(size / 2, size, 0.0));
            first.iter().zip(&second).map(|(first, second)| first - learned * second).collect()
        }
        "learned-sink" => softmax(0, size, learned.exp()),
        // 1 / (1 + n e^(−x)), with n the context.
        "sigmoid" => masked(&|s| 1.0 / (1.0 + 13.0 * (-dot(q, &keys[s]) / (size as f64).sqrt()).exp())),
        "state-space" => masked(&|s| dot(q, &keys[s]) / (size as f64).sqrt()),
        name if name.ends_with("linear") => {
            let products = masked(&|s| q.iter().zip(&keys[s]).map(|(q, k)| feature(q) * feature(k)).sum());
            let sum = products.iter().sum();
            over(products, sum)
        }
        _ => softmax(0, size, 0.0),
    }
}

/// The weights and the context by the formula, from traced queries, keys and values.
fn by_formula(kind: &MechanismKind, layer: &AttentionLayer, trace: &Trace) -> (Vec<f64>, Vec<f64>) {
    let of = |name: &str| trace.get(name).map(wide_of);
    let size = trace.get("query").unwrap().shape().size(Axis::HeadSize).unwrap();
    let (heads, groups) = (layer.attention.heads, layer.attention.kv_heads);
    let (q, k, v) = (of("query").unwrap(), of("key").unwrap(), of("value").unwrap());
    let keys = k.len() / BATCH / groups / size;
    let (all_biases, learned) = (of("position_bias"), by_head(layer));
    let normed = |row: &[f64], is_normed: bool| if is_normed { unit(row, 1e-6) } else { row.to_vec() };
    let are_normed = kind.name.ends_with("-norm");
    let are_values_normed = ["query-key-value-norm", "output-norm"].contains(&kind.name);
    let (mut all_weights, mut context) = (Vec::new(), Vec::new());
    for row in 0..BATCH * heads * QUERIES {
        let (b, h, t) = (row / QUERIES / heads, row / QUERIES % heads, row % QUERIES);
        let group = b * groups + h * groups / heads;
        let rows = |values: &[f64], is_normed: bool| -> Vec<Vec<f64>> {
            values[group * keys * size..][..keys * size]
                .chunks(size)
                .map(|row| normed(row, is_normed))
                .collect()
        };
        let query = normed(&q[row * size..][..size], are_normed);
        let bias = match &all_biases {
            Some(bias) => bias[(h * QUERIES + t) * keys..][..keys].to_vec(),
            None => vec![0.0; keys],
        };
        let mask = layer.mask.for_head(h, heads);
        let may: Vec<bool> = (0..keys).map(|s| mask.may_attend(t, s)).collect();
        let learned = learned.get(h).copied().unwrap_or(f64::NAN);
        let key_rows = rows(&k, are_normed);
        let mut weights = weights(kind.name, &query, &key_rows, &bias, &may, learned);
        let decays = decays(layer, group % groups, &key_rows);
        for (s, weight) in weights.iter_mut().enumerate() {
            *weight *= decays.iter().take(s.max(t) + 1).skip(s.min(t) + 1).product::<f64>();
        }
        let mut mixed = vec![0.0; size];
        for (weight, value) in weights.iter().zip(rows(&v, are_values_normed)) {
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
        }
        all_weights.extend(weights);
        context.extend(match kind.name {
            "differential" => unit(&mixed, 1e-5).into_iter().map(|x| 0.8 * x).collect(), // λ_init = 0.2
            name => normed(&mixed, name == "output-norm"),
        });
    }
    (all_weights, context)
}

fn in_f64(linear: &Linear) -> Vec<f64> {
    wide(&linear.weight.to_f32().unwrap())
}

/// The heads side by side, times the gate of x where there is one, times the output projection.
fn projected(layer: &AttentionLayer, x: &[f64], context: &[f64]) -> Vec<f64> {
    let weight = in_f64(&layer.attention.output);
    let gate = layer.attention.gate.as_ref().map(in_f64);
    let (heads, inner) = (layer.attention.heads, weight.len() / SIZES.width);
    let size = inner / heads;
    let mut out = Vec::new();
    for row in 0..BATCH * QUERIES {
        let (b, t) = (row / QUERIES, row % QUERIES);
        let hidden = &x[row * SIZES.width..][..SIZES.width];
        let gated = |i: usize| match &gate {
            Some(gate) => sigmoid(dot(&gate[i * SIZES.width..][..SIZES.width], hidden)),
            None => 1.0,
        };
        let value = |i: usize| gated(i) * context[((b * heads + i / size) * QUERIES + t) * size + i % size];
        let values: Vec<f64> = (0..inner).map(value).collect();
        out.extend((0..SIZES.width).map(|c| dot(&weight[c * inner..][..inner], &values)));
    }
    out
}

#[test]
fn every_mechanism_is_its_formula_watched_and_unwatched() {
    let x = hidden(QUERIES, 1);
    for device in devices() {
        for kind in MECHANISMS {
            let layer = layer(kind);
            let mut trace = Trace::all();
            forward(&layer, &x, &Device::Cpu, &mut trace);
            let (weights, context) = by_formula(kind, &layer, &trace);
            let want = projected(&layer, &wide_of(&x), &context);
            let mut seen = Trace::all();
            let watched = forward(&layer, &x, &device, &mut seen);
            let unwatched = forward(&layer, &x, &device, &mut Unobserved);
            assert_close(&format!("{}, watched", kind.name), &device, &watched, &want, 1e-5);
            assert_close(&format!("{}, unwatched", kind.name), &device, &unwatched, &want, 1e-5);
            match seen.get("weights") {
                Some(got) => assert_close(&format!("{}'s weights", kind.name), &device, got, &weights, 1e-5),
                None => assert_eq!(kind.name, "online-softmax", "the only one without weights"),
            }
        }
    }
}

#[test]
fn the_bias_of_alibi_is_the_papers() {
    for (name, is_symmetric) in [("alibi", false), ("symmetric-alibi", true)] {
        let bias = wide_of(&traced(&named(name), &Device::Cpu, "position_bias"));
        for (i, got) in bias.into_iter().enumerate() {
            let (head, t, s) = (i / QUERIES / QUERIES, (i / QUERIES % QUERIES) as f64, (i % QUERIES) as f64);
            let distance = if is_symmetric { -(t - s).abs() } else { s - t };
            let want = slopes(SIZES.heads).unwrap()[head] * distance;
            assert!((got - want).abs() < 1e-6, "{name} {head} {t} {s}");
        }
    }
}
