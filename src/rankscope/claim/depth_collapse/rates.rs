//! The speed of the collapse: the order of one layer, and the fall for each layer when the tokens are close.

use super::*;
use crate::statistics;

/// Above this order, one layer reduces the residual of nearly equal tokens to less than its square.
pub(super) const HIGH: f64 = 2.0;
/// Factors on the input between which the order is measured: small, so that the leading term dominates, but well above
/// rounding.
pub(super) const NEAR: [f64; 2] = [0.03, 0.003];

/// The order of one layer of pure attention: p in ‖res(layer(s·X))‖ ∝ sᵖ as s → 0; its mean for each mask.
///
/// The order is three where all tokens see the same keys: logits are of second order, and the common part of all rows
/// of the weights moves all tokens alike. It is one where they see different keys.
pub(super) fn orders(
    e: &mut Evidence,
    sizes: &NetSizes,
    masks: &[Masked],
    seeds: &[u64],
    run: &Run,
) -> Result<Vec<f64>> {
    let single = sizes.deep(1);
    let orders = sweep(masks.to_vec(), seeds, "orders", run, |(_, mask), seed| {
        let stack = Stack::new(single.pure(), seed)?;
        let left = |factor: f64| {
            let states = stack.hidden_states(&(single.input(seed) * factor), mask, run)?;
            Ok::<f64, Error>(norm(&states[1]))
        };
        Ok([(left(NEAR[0])? / left(NEAR[1])?).log10() / (NEAR[0] / NEAR[1]).log10()])
    })?;
    for ((name, _), [order]) in &orders {
        let expected = if *name == "bidirectional" { 3.0 } else { 1.0 };
        let measured = e.record(format!("order_{name}"), order);
        measured.expect(expected, 0.05, "expansion of softmax around equal tokens");
    }
    for (supports, what) in [(true, "a doubly exponential"), (false, "at most a plain exponential")] {
        let side = orders.iter().filter(|(_, [order])| (order.mean() > HIGH) == supports);
        let words: Vec<_> =
            side.map(|((name, _), [order])| format!("{} ({name})", short(order.mean()))).collect();
        if !words.is_empty() {
            let text = format!(
                "one layer of pure attention takes the residual r of nearly equal tokens to about r^p with p = {}: over \
                 depth, {what}",
                words.join(", ")
            );
            e.weigh(supports, text);
        }
    }
    Ok(orders.iter().map(|(_, [order])| order.mean()).collect())
}

/// The fall for each layer when the tokens are close, in log₁₀ of the residual ratio: under the causal mask, whose mean
/// is returned, and in a window, which takes longer to reach a constant rate.
pub(super) fn rates(e: &mut Evidence, sizes: &NetSizes, settings: &Settings, run: &Run) -> Result<f64> {
    let seeds = settings.seeds("rate_seeds")?;
    let causal = slopes(sizes, &Mask::causal(), (20, 40), &seeds, run)?;
    let text = format!(
        "pure causal attention falls by {causal} decades a layer over layers 20 to 40, the same at every depth (log₁₀ ½ = \
         -0.301): plain exponential, towards the first token, although every attention matrix is of full rank"
    );
    e.weigh(false, text).at("layers", 40).at("mask", "causal");
    e.measure_sample("causal_slope_log10_per_layer", causal.clone(), "per layer");
    if settings.text("window_rate")? == "yes" {
        let window = slopes(sizes, &Mask::window(4)?, (40, 60), &seeds, run)?;
        let text = format!(
            "pure attention in a causal window of 4 falls by {window} decades a layer over layers 40 to 60"
        );
        e.weigh(false, text).at("layers", 60).at("mask", "window(4)");
        e.measure_sample("window_slope_log10_per_layer", window, "per layer");
    }
    Ok(causal.mean())
}

/// The slope of log₁₀ of the residual ratio of pure attention over some layers: per layer, with one value for each
/// draw.
///
/// Points below ten times the rounding floor are left out; NaN where fewer than three points remain.
pub(super) fn slopes(
    sizes: &NetSizes,
    mask: &Mask,
    (from, to): (usize, usize),
    seeds: &[u64],
    run: &Run,
) -> Result<Sample> {
    let deep = sizes.deep(to);
    let [slopes] = draws(seeds, "rates", run, |seed| {
        let states = Stack::new(deep.pure(), seed)?.hidden_states(&deep.input(seed), mask, run)?;
        let points = (from..=to).map(|layer| (layer as f64, log_ratio(residual_ratio(states[layer].view()))));
        let above = (10.0 * sizes.floor()).log10();
        Ok([slope(&points.filter(|&(_, y)| y > above).collect::<Vec<_>>())])
    })?;
    Ok(slopes)
}

/// The slope of the line of least squares; NaN for fewer than three points.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    if points.len() < 3 {
        return f64::NAN;
    }
    statistics::slope(points)
}
