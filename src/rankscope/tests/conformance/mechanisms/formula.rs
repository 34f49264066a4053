//! Against the formula in f64.

use rankscope::attention::{AttentionLayer, MECHANISMS, MechanismKind, slopes};
use rankscope::prelude::*;

use super::{BATCH, QUERIES, SIZES, forward, hidden, layer};
use crate::support::{assert_close, devices, wide_of};

/// x / √(mean(x²) + ε).
fn unit(row: &[f64]) -> Vec<f64> {
    let mean_square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
    row.iter().map(|x| x / (mean_square + 1e-6).sqrt()).collect()
}

/// The weights and the context by the formula, from traced queries, keys and values.
fn by_formula(kind: &MechanismKind, layer: &AttentionLayer, trace: &Trace) -> (Vec<f64>, Vec<f64>) {
    let of = |name: &str| trace.get(name).map(wide_of);
    let size = trace.get("query").unwrap().shape().size(Axis::HeadSize).unwrap();
    let (heads, groups) = (layer.attention.heads, layer.attention.kv_heads);
    let (q, k, v) = (of("query").unwrap(), of("key").unwrap(), of("value").unwrap());
    let keys = k.len() / BATCH / groups / size;
    let bias = of("position_bias");
    let normed = |row: &[f64], is_normed: bool| if is_normed { unit(row) } else { row.to_vec() };
    let (are_normed, is_linear) = (kind.name.ends_with("-norm"), kind.name.ends_with("linear"));
    let are_values_normed = ["query-key-value-norm", "output-norm"].contains(&kind.name);
    let feature = |x: &f64| match (kind.name, *x > 0.0) {
        ("relu-linear", _) => x.max(0.0),
        (_, true) => x + 1.0,
        (_, false) => x.exp(),
    };
    let (mut all_weights, mut context) = (Vec::new(), Vec::new());
    for row in 0..BATCH * heads * QUERIES {
        let (b, h, t) = (row / QUERIES / heads, row / QUERIES % heads, row % QUERIES);
        let group = b * groups + h * groups / heads;
        let at = |values: &[f64], s: usize| values[(group * keys + s) * size..][..size].to_vec();
        let query = normed(&q[row * size..][..size], are_normed);
        let mask = layer.mask.for_head(h, heads);
        let weight = |s: usize| {
            let key = normed(&at(&k, s), are_normed);
            let dot: f64 = match is_linear {
                true => query.iter().zip(&key).map(|(q, k)| feature(q) * feature(k)).sum(),
                false => query.iter().zip(&key).map(|(q, k)| q * k).sum(),
            };
            let factor = if kind.name.contains("t5") { 1.0 } else { 1.0 / (size as f64).sqrt() };
            let bias = bias.as_ref().map_or(0.0, |bias| bias[(h * QUERIES + t) * keys + s]);
            let weight = if is_linear { dot } else { (factor * dot + bias).exp() };
            if mask.may_attend(t, s) { weight } else { 0.0 }
        };
        let weights: Vec<f64> = (0..keys).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let weights = weights.into_iter().map(|weight| if sum > 0.0 { weight / sum } else { 0.0 });
        let weights: Vec<f64> = weights.collect();
        let mut mixed = vec![0.0; size];
        for (s, weight) in weights.iter().enumerate() {
            let value = normed(&at(&v, s), are_values_normed);
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
        }
        all_weights.extend(weights);
        context.extend(normed(&mixed, kind.name == "output-norm"));
    }
    (all_weights, context)
}

/// The heads side by side times the output projection.
fn projected(layer: &AttentionLayer, context: &[f64]) -> Vec<f64> {
    let weight: Vec<f64> =
        layer.attention.output.weight.to_f32().unwrap().into_iter().map(f64::from).collect();
    let (heads, inner) = (layer.attention.heads, weight.len() / SIZES.width);
    let size = inner / heads;
    let mut out = Vec::new();
    for row in 0..BATCH * QUERIES {
        let (b, t) = (row / QUERIES, row % QUERIES);
        let value = |i: usize| context[((b * heads + i / size) * QUERIES + t) * size + i % size];
        out.extend(
            (0..SIZES.width).map(|c| (0..inner).map(|i| weight[c * inner + i] * value(i)).sum::<f64>()),
        );
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
            let want = projected(&layer, &context);
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
        let mut trace = Trace::all();
        forward(&layer(MechanismKind::of(name).unwrap()), &hidden(QUERIES, 1), &Device::Cpu, &mut trace);
        let bias = wide_of(trace.get("position_bias").unwrap());
        for (i, got) in bias.into_iter().enumerate() {
            let (head, t, s) = (i / QUERIES / QUERIES, (i / QUERIES % QUERIES) as f64, (i % QUERIES) as f64);
            let distance = if is_symmetric { -(t - s).abs() } else { s - t };
            assert!(
                (got - slopes(SIZES.heads).unwrap()[head] * distance).abs() < 1e-6,
                "{name} {head} {t} {s}"
            );
        }
    }
}
