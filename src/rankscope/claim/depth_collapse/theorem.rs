//! The theorem's bound beside the measured residual, the third power on one head, and the sum over paths.

use ndarray::{Axis, s};

use super::*;

/// The bound's base 4γβH/√D with γ = 1, where β is the largest ‖W_QK‖₁ · ‖W_V‖₁,∞ of any head.
///
/// W_QK = W_qᵀ·W_k and W_V = W_vᵀ·W_oᵀ for each head. γ depends on the entries of the attention weights.
///
/// **Source**: Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), theorem 2.3.
fn base(stack: &Stack) -> f64 {
    let Architecture { heads, head_size: size, .. } = *stack.architecture();
    let of_head = |head: usize| {
        let at = s![head * size..(head + 1) * size, ..];
        stack.layers().iter().map(move |w| {
            let query_key = w.query.slice(at).t().dot(&w.key.slice(at));
            let output = w.output.slice(s![.., head * size..(head + 1) * size]);
            let value = w.value.slice(at).t().dot(&output.t());
            largest_column_sum(query_key.view()) * one_infinity_norm(value.view())
        })
    };
    let beta = (0..heads).flat_map(of_head).fold(0.0, f64::max);
    4.0 * beta * heads as f64 / (size as f64).sqrt()
}

/// ‖W‖₁.
fn largest_column_sum(w: ArrayView2<f64>) -> f64 {
    w.map_axis(Axis(0), |column| column.iter().map(|x| x.abs()).sum::<f64>()).into_iter().fold(0.0, f64::max)
}

/// log₁₀ of the bound base^((3ᴸ − 1)/2) · ‖res(X)‖^(3ᴸ) after L = `layers`.
fn bound_log10(base: f64, residual: f64, layers: usize) -> f64 {
    let power = 3f64.powi(layers as i32);
    (power - 1.0) / 2.0 * base.log10() + power * residual.log10()
}

/// The bound beside the measurement, for tokens as drawn and for nearly equal tokens, whose residual falls below
/// rounding in the second layer.
pub(super) fn bounds(evidence: &mut Evidence, sizes: &NetSizes, seeds: &[u64], run: &Run) -> Result<()> {
    compare(evidence, &sizes.deep(3), false, seeds, run)?;
    compare(evidence, &sizes.deep(1), true, seeds, run)
}

/// Compares pure attention with its bound: log₁₀ ‖res‖ of each.
///
/// `near` scales the input, after its mean is subtracted, so that base · ‖res(X)‖² = 1/2, where the bound falls with
/// depth; otherwise the input is used as drawn.
fn compare(evidence: &mut Evidence, sizes: &NetSizes, near: bool, seeds: &[u64], run: &Run) -> Result<()> {
    // The values for the input, for the bound and for the measurement after each of up to three layers.
    let found: [Sample; 7] = draws(seeds, "bound", run, |seed| {
        let stack = Stack::new(sizes.pure(), seed)?;
        let (base, mut x) = (base(&stack), sizes.input(seed));
        if near {
            x = residual(x.view());
            x *= (0.5 / base).sqrt() / one_infinity_norm(x.view());
        }
        let (start, mut numbers) = (norm(&x), [f64::NAN; 7]);
        let states = stack.hidden_states(&x, &Mask::bidirectional(), run)?;
        numbers[0] = start.log10();
        for layer in 1..=sizes.layers {
            numbers[layer] = bound_log10(base, start, layer);
            numbers[3 + layer] = norm(&states[layer]).log10();
        }
        Ok(numbers)
    })?;
    let name = if near { "near" } else { "as_drawn" };
    let (bounds, measured) = (&found[1..=sizes.layers], &found[4..4 + sizes.layers]);
    for (what, samples) in [("bound", bounds), ("res", measured)] {
        for (layer, sample) in (1..).zip(samples) {
            evidence.record(format!("{name}_log10_{what}_layer{layer}"), sample);
        }
    }
    let both = || bounds.iter().zip(measured);
    let power = |sample: &Sample| format!("10^{}", short(sample.mean()));
    let shown = both().map(|(bound, res)| format!("{} against {}", power(bound), power(res)));
    let holds = both().all(|(bound, res)| res.minus(bound).extremes().1 <= 0.0);
    let falls = bounds.last().is_some_and(|last| last.mean() < found[0].mean());
    let text = format!(
        "the theorem's bound with γ = 1 (γ is not established here) against ‖res‖ as measured after each layer, from \
         {} {}: {}. The bound {} and is {} in every draw",
        power(&found[0]),
        if near { "for near equal tokens (base · ‖res(X)‖² = 1/2)" } else { "for tokens as drawn" },
        shown.collect::<Vec<_>>().join(", then "),
        if falls { "falls" } else { "rises with depth, which says nothing," },
        if holds { "kept" } else { "not kept" }
    );
    evidence.weigh(falls && holds, text);
    Ok(())
}

/// log₁₀ ‖res‖ of one head of full width from a small input, before and after each layer: the check of the third power.
pub(super) fn single_head(evidence: &mut Evidence, seeds: &[u64], run: &Run) -> Result<()> {
    let sizes = NetSizes { n: 16, width: 16, heads: 1, layers: 2 };
    for (name, mask) in [("bidirectional", Mask::bidirectional()), ("causal", Mask::causal())] {
        let layers: [Sample; 3] = draws(seeds, "single head", run, |seed| {
            let stack = Stack::new(sizes.pure(), seed)?;
            let states = stack.hidden_states(&(sizes.input(seed) * 0.3), &mask, run)?;
            Ok([0, 1, 2].map(|layer| norm(&states[layer]).log10()))
        })?;
        let norms = layers.each_ref().map(|sample| short(10f64.powf(sample.mean())));
        let drops = [0, 1].map(|layer| layers[layer].mean() - layers[layer + 1].mean());
        let text = format!(
            "one head of n = D = 16, {name}, from 0.3 times a normal input: ‖res‖ is {}, before and after one layer and \
             two",
            norms.join(", ")
        );
        let finding = evidence.weigh(drops[0] > 0.0 && drops[1] > 2.0 * drops[0], text);
        finding.at("n", 16).at("width", 16).at("heads", 1).at("layers", 2).at("mask", name);
        for (layer, sample) in layers.iter().enumerate() {
            evidence.record(format!("single_head_log10_res_{name}_layer{layer}"), sample);
        }
    }
    Ok(())
}

/// The number of layers of the network that is split into paths.
const PATH_LAYERS: usize = 6;

/// Attention with a skip, split by the length of paths: the number of paths of each length, C(L, k)·Hᵏ, log₁₀ of the
/// residual ratio of their sum, and its ‖res‖ relative to the output's. The path of length 0 keeps the input.
pub(super) fn paths(evidence: &mut Evidence, sizes: &NetSizes, seeds: &[u64], run: &Run) -> Result<()> {
    let sizes = sizes.deep(PATH_LAYERS);
    for (name, mask) in [("bidirectional", Mask::bidirectional()), ("causal", Mask::causal())] {
        let draws = rank::many(seeds, "paths", run, |&seed| {
            Stack::new(sizes.pure().with_skip(), seed)?.paths(&sizes.input(seed), &mask, run)
        })?;
        let (mut counts, mut ratios, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for length in 0..=PATH_LAYERS {
            let count = draws[0].by_length[length].0;
            let of = |draw: &crate::model::stack::Paths| draw.by_length[length].1.clone();
            let ratio: Sample = draws.iter().map(|draw| residual_ratio(of(draw).view()).log10()).collect();
            let share: Sample = draws.iter().map(|draw| norm(&of(draw)) / norm(&draw.output)).collect();
            evidence.measure(format!("paths_{name}_count_length{length}"), count, "paths");
            evidence.record(format!("paths_{name}_log10_ratio_length{length}"), &ratio);
            evidence.record(format!("paths_{name}_share_length{length}"), &share);
            counts.push(count);
            ratios.push(short(10f64.powf(ratio.mean())));
            shares.push(share.to_string());
        }
        let text = format!(
            "{PATH_LAYERS} layers of {name} attention with a skip are a sum of {} paths; of lengths 0 to {PATH_LAYERS} \
             there are {}, and their residual ratios are {}. The one path of length 0, which no layer touches, has a \
             residual of {} times the output's",
            counts.iter().sum::<f64>(),
            counts.iter().map(f64::to_string).collect::<Vec<_>>().join(", "),
            ratios.join(", "),
            shares[0]
        );
        evidence.weigh(false, text).at("layers", PATH_LAYERS).at("mask", name).at("skip", true);
        let errors = draws.iter().map(|draw| {
            let zero = Array2::<f64>::zeros(draw.output.dim());
            let sum = draw.by_length.iter().fold(zero, |sum, (_, z)| sum + z);
            (sum - &draw.output).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
        });
        let error = evidence.measure(format!("paths_{name}_error"), errors.fold(0.0, f64::max), "");
        error.expect(0.0, 1e-9, "the paths add up to the output");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_by_hand() {
        // base 100, ‖res‖ 0.01: 100^((3 − 1)/2) · 0.01³ = 10⁻⁴, then 100⁴ · 0.01⁹ = 10⁻¹⁰.
        assert!((bound_log10(100.0, 0.01, 1) + 4.0).abs() < 1e-12);
        assert!((bound_log10(100.0, 0.01, 2) + 10.0).abs() < 1e-12);
        let w = ndarray::array![[1.0, -2.0], [3.0, 0.5]];
        assert_eq!(largest_column_sum(w.view()), 4.0);
    }

    #[test]
    fn the_base_by_hand() {
        // D = 4, H = 2: the second head's matrices are rows 4 to 7, columns 4 to 7 of the output.
        let stack = Stack::new(Architecture::attention_only(1, 2, 4, 3), 1).unwrap();
        let w = &stack.layers()[0];
        let beta = [0..4usize, 4..8].map(|at| {
            let at: Vec<usize> = at.collect();
            let rows = |w: &Array2<f64>| w.select(Axis(0), &at);
            let query_key = rows(&w.query).t().dot(&rows(&w.key));
            let value = rows(&w.value).t().dot(&w.output.select(Axis(1), &at).t());
            largest_column_sum(query_key.view()) * one_infinity_norm(value.view())
        });
        let expected = 4.0 * beta[0].max(beta[1]) * 2.0 / 2.0;
        assert!((base(&stack) / expected - 1.0).abs() < 1e-12);
    }
}
