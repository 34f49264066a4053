//! What was measured, in names and sentences, with what theory and a reference say.

use super::checkpoints::{ABLATIONS, Checkpoint};
use super::curves::{Curve, log_ratio};
use super::nets::{NETS, Sizes};
use super::{is_doubly_exponential, rates, theorem};
use crate::claim::{Evidence, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::numbers::short;
use crate::rank::{EPSILON_F32, residual_ratio};
use crate::run::Run;

/// Who computed the reference's numbers.
const REFERENCE: &str = "five other draws, computed with numpy; their MLP may be another";
/// Draws of the reference.
const DRAWS: f64 = 5.0;

/// Geometric means of ‖res‖ / ‖X‖ at n = 32, C = 64, H = 4: network and mask, layer, ratio.
const TABLE: [(&str, usize, f64); 15] = [
    ("san_bidirectional", 2, 2.5e-2),
    ("san_bidirectional", 3, 3.1e-7),
    ("san_causal", 12, 3.0e-3),
    ("san_prefix", 12, 8.2e-10),
    ("san_window", 12, 0.62),
    ("san_post_ln_bidirectional", 4, 6.3e-8),
    ("san_mlp_bidirectional", 2, 2.2e-2),
    ("san_mlp_bidirectional", 3, 4.1e-8),
    ("san_mlp_causal", 12, 9.3e-3),
    ("san_skip_bidirectional", 12, 0.18),
    ("san_skip_causal", 12, 0.26),
    ("san_skip_mlp_bidirectional", 12, 0.20),
    ("san_skip_mlp_causal", 12, 0.22),
    ("pre_ln_bidirectional", 12, 0.53),
    ("pre_ln_causal", 12, 0.51),
];

/// The table, what is expected of it, and a sentence for each network.
pub fn table(evidence: &mut Evidence, sizes: &Sizes, curves: &[Curve]) -> Result<()> {
    for curve in curves {
        curve.record(evidence, sizes.floor());
    }
    if (sizes.n, sizes.width, sizes.heads) == (32, 64, 4) {
        for (name, layer, ratio) in TABLE.into_iter().filter(|&(_, layer, _)| layer <= sizes.layers) {
            let name = format!("log10_ratio_{name}_layer{layer}");
            let ours = evidence.sample(&name)?;
            let tolerance = 4.0 * ours.sd() * (1.0 / ours.count() as f64 + 1.0 / DRAWS).sqrt();
            evidence.expect(name, ratio.log10(), tolerance, REFERENCE);
        }
    }
    for net in NETS {
        let curves: Vec<_> = curves.iter().filter(|curve| curve.net.name == net.name).collect();
        sentences(evidence, sizes, &curves);
    }
    let with_skips = curves.iter().filter(|curve| curve.net.architecture(sizes).skip);
    let left =
        with_skips.map(|curve| 10f64.powf(curve.at(sizes.layers).mean())).fold(f64::INFINITY, f64::min);
    evidence.measure("ratio_left_with_skips", left, "");
    Ok(())
}

/// One network: the masks under which it collapses doubly exponentially, and the others.
fn sentences(evidence: &mut Evidence, sizes: &Sizes, curves: &[&Curve]) {
    let (mut doubly, mut others) = (Vec::new(), Vec::new());
    for curve in curves {
        let of = |what: &str| evidence.number(&format!("{what}_{}", curve.name()));
        match (of("floor_layer"), of("growth")) {
            (Some(layer), Some(growth)) if is_doubly_exponential(evidence, curve.net.name, curve.mask) => {
                doubly.push(format!(
                    "{} at layer {layer}, the last drop above it {} times the one before",
                    curve.mask,
                    short(growth)
                ));
            }
            (Some(layer), _) => {
                others.push(format!("the floor at layer {layer}, without growing drops ({})", curve.mask));
            }
            (None, _) => {
                others.push(format!("{} ({})", ratio(curve.at(sizes.layers).mean()), curve.mask));
            }
        }
    }
    let label = curves[0].net.label;
    if !doubly.is_empty() {
        let text = format!("{label} reaches the rounding floor of f64: {}", doubly.join("; "));
        evidence.weigh(true, text);
    }
    if !others.is_empty() {
        let text = format!("{label}: residual ratio after {} layers: {}", sizes.layers, others.join(", "));
        evidence.weigh(false, text);
    }
}

/// A ratio from its logarithm.
fn ratio(log10: f64) -> String {
    short(10f64.powf(log10))
}

/// The order of one layer under every mask.
pub fn orders(evidence: &mut Evidence, sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<()> {
    let (mut high, mut low) = (Vec::new(), Vec::new());
    for (name, mask) in sizes.masks()? {
        let order = rates::orders(sizes, &mask, seeds, run)?;
        let side = if order.mean() > 2.0 { &mut high } else { &mut low };
        side.push(format!("{} ({name})", short(order.mean())));
        let expected = if name == "bidirectional" { 3.0 } else { 1.0 };
        evidence.measure_sample(format!("order_{name}"), order, "");
        evidence.expect(format!("order_{name}"), expected, 0.05, "expansion of softmax around equal tokens");
    }
    let layer = "one layer of pure attention takes the residual r of nearly equal tokens to about r^p with p";
    if !high.is_empty() {
        let text = format!("{layer} = {}: over depth, a doubly exponential", high.join(", "));
        evidence.weigh(true, text);
    }
    if !low.is_empty() {
        let text = format!("{layer} = {}: over depth, at most a plain exponential", low.join(", "));
        evidence.weigh(false, text);
    }
    Ok(())
}

/// The rate under the causal mask.
pub fn causal_rate(evidence: &mut Evidence, slope: Sample) {
    let text = format!(
        "pure causal attention falls by {slope} decades a layer over layers {} to {}, the same at every depth \
         (log₁₀ ½ = -0.301): plain exponential, towards the first token, although every attention matrix is \
         of full rank",
        rates::CAUSAL.0,
        rates::CAUSAL.1
    );
    evidence.weigh(false, text);
    let tolerance = 4.0 * slope.standard_error();
    evidence.measure_sample("causal_slope_log10_per_layer", slope, "per layer");
    let source = "the second eigenvalue, 1/2, of uniform causal attention";
    evidence.expect("causal_slope_log10_per_layer", 0.5f64.log10(), tolerance, source);
}

/// The rate under the window.
pub fn window_rate(evidence: &mut Evidence, slope: Sample) {
    let (from, to) = rates::WINDOW;
    let text = format!(
        "pure attention in a causal window of 4 falls by {slope} decades a layer over layers {from} to {to}"
    );
    evidence.weigh(false, text);
    let tolerance = 4.0 * slope.sd() * (1.0 / slope.count() as f64 + 1.0 / DRAWS).sqrt();
    evidence.measure_sample("window_slope_log10_per_layer", slope, "per layer");
    evidence.expect("window_slope_log10_per_layer", -0.29, tolerance, REFERENCE);
}

/// The third power on one head: log₁₀ ‖res‖ of the input and after each layer.
pub fn third_power(evidence: &mut Evidence, seeds: &[u64], run: &Run) -> Result<()> {
    for (name, mask) in [("bidirectional", Mask::bidirectional()), ("causal", Mask::causal())] {
        let layers = theorem::single_head(&mask, 2, seeds, run)?;
        let norms: Vec<_> = layers.iter().map(|sample| ratio(sample.mean())).collect();
        let drops = [0, 1].map(|layer| layers[layer].mean() - layers[layer + 1].mean());
        let text = format!(
            "one head of n = D = 16, {name}, from 0.3 times a normal input: ‖res‖ is {}, before and after one \
             layer and two",
            norms.join(", ")
        );
        evidence.weigh(drops[0] > 0.0 && drops[1] > 2.0 * drops[0], text);
        for (layer, sample) in layers.into_iter().enumerate() {
            evidence.measure_sample(format!("single_head_log10_res_{name}_layer{layer}"), sample, "");
        }
    }
    // One draw of the reference.
    for (layer, res) in [(0, 4.7), (1, 0.225), (2, 8.7e-6f64)] {
        let name = format!("single_head_log10_res_bidirectional_layer{layer}");
        let ours = evidence.sample(&name)?;
        let tolerance = 4.0 * ours.sd() * (1.0 / ours.count() as f64 + 1.0).sqrt();
        evidence.expect(name, res.log10(), tolerance, "one other draw, computed with numpy");
    }
    Ok(())
}

/// The bound beside the measurement, with γ = 1.
pub fn bound(evidence: &mut Evidence, sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<()> {
    // Near inputs fall below rounding in the second layer.
    for (name, near, layers) in [("as_drawn", false, 3), ("near", true, 1)] {
        let compared = theorem::compare(sizes, layers, near, seeds, run)?;
        let pairs = || compared.bound.iter().zip(&compared.measured);
        let shown = pairs().map(|(bound, measured)| {
            format!("10^{} against 10^{}", short(bound.mean()), short(measured.mean()))
        });
        let shown = shown.collect::<Vec<_>>().join(", then ");
        let holds = pairs().all(|(bound, measured)| {
            bound.values().iter().zip(measured.values()).all(|(bound, measured)| measured <= bound)
        });
        let falls = compared.bound[layers - 1].mean() < compared.start.mean();
        let text = format!(
            "the theorem's bound with γ = 1 (γ is not established here) against ‖res‖ as measured after each \
             layer, from 10^{} {}: {shown}. The bound {} and is {} in every draw",
            short(compared.start.mean()),
            if near { "for near equal tokens (base · ‖res(X)‖² = 1/2)" } else { "for tokens as drawn" },
            if falls { "falls" } else { "rises with depth, which says nothing," },
            if holds { "kept" } else { "not kept" }
        );
        evidence.weigh(falls && holds, text);
        for (what, samples) in [("bound", compared.bound), ("res", compared.measured)] {
            for (layer, sample) in (1..).zip(samples) {
                evidence.measure_sample(format!("{name}_log10_{what}_layer{layer}"), sample, "");
            }
        }
    }
    Ok(())
}

/// The sum over paths by their length.
pub fn paths(evidence: &mut Evidence, sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<()> {
    for (name, mask) in [("bidirectional", Mask::bidirectional()), ("causal", Mask::causal())] {
        let (lengths, error) = theorem::paths(sizes, &mask, seeds, run)?;
        let counts: Vec<_> = lengths.iter().map(|length| length.count.to_string()).collect();
        let ratios: Vec<_> = lengths.iter().map(|length| ratio(length.log_ratio.mean())).collect();
        let share = &lengths[0].share;
        let text = format!(
            "{} layers of {name} attention with a skip are a sum of {} paths; of lengths 0 to {} there are {}, \
             and their residual ratios are {}. The one path of length 0, which no layer touches, has a \
             residual of {share} times the output's",
            theorem::PATH_LAYERS,
            lengths.iter().map(|length| length.count).sum::<f64>(),
            theorem::PATH_LAYERS,
            counts.join(", "),
            ratios.join(", ")
        );
        evidence.weigh(false, text);
        for (k, length) in lengths.into_iter().enumerate() {
            evidence.measure(format!("paths_{name}_count_length{k}"), length.count, "paths");
            evidence.measure_sample(format!("paths_{name}_log10_ratio_length{k}"), length.log_ratio, "");
            evidence.measure_sample(format!("paths_{name}_share_length{k}"), length.share, "");
        }
        evidence.measure(format!("paths_{name}_error"), error, "");
        evidence.expect(format!("paths_{name}_error"), 0.0, 1e-9, "the paths add up to the output");
    }
    Ok(())
}

/// The trained models, whole and with parts switched off.
pub fn checkpoints(evidence: &mut Evidence, checkpoints: &[Checkpoint]) {
    evidence.measure("checkpoints", checkpoints.len() as f64, "models");
    for checkpoint in checkpoints {
        let Checkpoint { name, mask, tokens, floor, ratios } = checkpoint;
        let ends: Vec<f64> = ratios.iter().map(|ratios| ratios[ratios.len() - 1]).collect();
        let said = |end: f64| if end < *floor { "below the floor".to_owned() } else { short(end) };
        let parts = ABLATIONS.iter().zip(&ends).map(|(part, &end)| format!("{} {}", said(end), part.label));
        let parts: Vec<_> = parts.collect();
        let text = format!(
            "{name} (trained, {mask}, {tokens} tokens, f32 with a floor of {}): residual ratio {} in the \
             embeddings; after layer {}: {}",
            short(*floor),
            short(ratios[0][0]),
            ratios[0].len() - 1,
            parts.join(", ")
        );
        // What the claim says of attention alone, against the model as it is.
        evidence.weigh(ends[3] < ends[0] / 10.0, text);
        let place = checkpoint.place();
        for (ablation, ratios) in ABLATIONS.iter().zip(ratios) {
            for (layer, ratio) in ratios.iter().enumerate() {
                evidence.measure(format!("{place}_ratio_{}_layer{layer}", ablation.name), *ratio, "");
            }
        }
    }
}

/// The same stacks in f32 on the settings' device, as far as f32 goes.
pub fn on_device(evidence: &mut Evidence, sizes: &Sizes, settings: &Settings, run: &Run) -> Result<()> {
    let floor = log_ratio(10.0 * sizes.n.max(sizes.width) as f64 * EPSILON_F32);
    let (seed, device) = (settings.seed()?, settings.device());
    let (mut points, mut largest) = (0, 0.0f64);
    for (done, net) in NETS.iter().enumerate() {
        let stack = Stack::new(net.architecture(sizes), seed)?;
        let on_device = stack.to_device(device)?;
        for (_, mask) in sizes.masks()? {
            let exact = stack.hidden_states(&sizes.input(seed), &mask, run)?;
            let states = on_device.hidden_states(&[sizes.input(seed)], &mask, run)?.remove(0);
            for (exact, state) in exact.iter().zip(&states) {
                let [exact, state] = [exact, state].map(|x| log_ratio(residual_ratio(x.view())));
                if exact > floor {
                    (points, largest) = (points + 1, largest.max((exact - state).abs()));
                }
            }
        }
        run.step("f32 on the device", done + 1, NETS.len())?;
    }
    evidence.measure("f32_points_above_floor", f64::from(points), "");
    evidence.measure("f32_largest_log10_difference", largest, "");
    // The verdict stands on f64 either way.
    evidence.expect("f32_largest_log10_difference", 0.0, 0.05, "the same stacks in f64 on the CPU");
    Ok(())
}
