//! The theorem's bound beside what is measured, the third power on one head, and the sum over paths.

use ndarray::{Array2, ArrayView2, Axis, s};

use super::nets::Sizes;
use crate::claim::{Evidence, Known, Sample};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::numbers::short;
use crate::rank::{self, one_infinity_norm, residual, residual_ratio};
use crate::run::Run;

/// The bound's base 4γβH/√D with γ = 1, where β is the largest ‖W_QK‖₁ · ‖W_V‖₁,∞ of any head.
///
/// W_QK = W_qᵀ·W_k and W_V = W_vᵀ·W_oᵀ for each head. γ depends on the entries of the attention weights.
///
/// **Source**: Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), theorem 2.3.
fn base(stack: &Stack) -> f64 {
    let architecture = stack.architecture();
    let (heads, size) = (architecture.heads, architecture.head_size);
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

/// log₁₀ ‖res‖ as bounded and as measured, per draw, after each of some layers.
struct Compared {
    /// Of the input, as measured.
    start: Sample,
    /// Per layer from 1 on.
    bound: Vec<Sample>,
    /// Per layer from 1 on.
    measured: Vec<Sample>,
}

/// Runs pure attention beside its bound.
///
/// `near` scales the input, its mean taken off, so that base · ‖res(X)‖² = 1/2, below which the bound falls
/// with depth at all; otherwise the input is as it is drawn.
fn compare(sizes: &Sizes, layers: usize, near: bool, seeds: &[u64], run: &Run) -> Result<Compared> {
    let sizes = Sizes { layers, ..*sizes };
    let draws = rank::many(seeds, "bound", run, |&seed| {
        let stack = Stack::new(sizes.pure(), seed)?;
        let base = base(&stack);
        let mut x = sizes.input(seed);
        if near {
            x = residual(x.view());
            x *= (0.5 / base).sqrt() / one_infinity_norm(x.view());
        }
        let start = norm(&x);
        let states = stack.hidden_states(&x, &Mask::bidirectional(), run)?;
        let layers = 1..=layers;
        let pairs = layers.map(|l| (bound_log10(base, start, l), norm(&states[l]).log10()));
        Ok((start.log10(), pairs.collect::<Vec<_>>()))
    })?;
    let column = |pick: fn(&(f64, f64)) -> f64| {
        (0..layers).map(|l| draws.iter().map(|(_, pairs)| pick(&pairs[l])).collect()).collect()
    };
    let start = draws.iter().map(|(start, _)| *start).collect();
    Ok(Compared { start, bound: column(|pair| pair.0), measured: column(|pair| pair.1) })
}

/// ‖res(X)‖.
fn norm(x: &Array2<f64>) -> f64 {
    one_infinity_norm(residual(x.view()).view())
}

/// log₁₀ ‖res‖ of one head of full width from a small input, before and after each layer: the check of the
/// third power.
fn single_head(mask: &Mask, layers: usize, seeds: &[u64], run: &Run) -> Result<Vec<Sample>> {
    let sizes = Sizes { n: 16, width: 16, heads: 1, layers };
    let draws = rank::many(seeds, "single head", run, |&seed| {
        let stack = Stack::new(sizes.pure(), seed)?;
        let states = stack.hidden_states(&(sizes.input(seed) * 0.3), mask, run)?;
        Ok(states.iter().map(|x| norm(x).log10()).collect::<Vec<_>>())
    })?;
    Ok((0..=layers).map(|layer| draws.iter().map(|draw| draw[layer]).collect()).collect())
}

/// The bound beside the measurement, for tokens as they are drawn and for near ones.
pub struct Bounds([(&'static str, Compared); 2]);

/// Near tokens fall below rounding in the second layer.
pub fn bounds(sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<Bounds> {
    let (drawn, near) = (compare(sizes, 3, false, seeds, run)?, compare(sizes, 1, true, seeds, run)?);
    Ok(Bounds([("as_drawn", drawn), ("near", near)]))
}

impl Bounds {
    /// Both, and whether the bound says something and is kept.
    pub fn report(&self, evidence: &mut Evidence) {
        for (name, compared) in &self.0 {
            compared.weigh(evidence, *name == "near");
            for (what, samples) in [("bound", &compared.bound), ("res", &compared.measured)] {
                for (layer, sample) in (1..).zip(samples) {
                    evidence.measure_sample(format!("{name}_log10_{what}_layer{layer}"), sample.clone(), "");
                }
            }
        }
    }
}

impl Compared {
    fn weigh(&self, evidence: &mut Evidence, is_near: bool) {
        let pairs = || self.bound.iter().zip(&self.measured);
        let shown = pairs().map(|(bound, measured)| {
            format!("10^{} against 10^{}", short(bound.mean()), short(measured.mean()))
        });
        let shown = shown.collect::<Vec<_>>().join(", then ");
        let holds = pairs().all(|(bound, measured)| {
            bound.values().iter().zip(measured.values()).all(|(bound, measured)| measured <= bound)
        });
        let falls = self.bound.last().is_some_and(|last| last.mean() < self.start.mean());
        let text = format!(
            "the theorem's bound with γ = 1 (γ is not established here) against ‖res‖ as measured after each \
             layer, from 10^{} {}: {shown}. The bound {} and is {} in every draw",
            short(self.start.mean()),
            if is_near {
                "for near equal tokens (base · ‖res(X)‖² = 1/2)"
            } else {
                "for tokens as drawn"
            },
            if falls { "falls" } else { "rises with depth, which says nothing," },
            if holds { "kept" } else { "not kept" }
        );
        evidence.weigh(falls && holds, text);
    }
}

/// log₁₀ ‖res‖ of one head, before and after each layer, by the mask's name.
pub struct SingleHead([(&'static str, Vec<Sample>); 2]);

/// What numpy 2.4 gives for the bidirectional head, layer by layer.
const REFERENCE: [Known; 3] =
    [Known::new(0.7049, 0.0242, 40), Known::new(-0.7115, 0.129, 40), Known::new(-5.024, 0.403, 40)];

/// The third power on one head.
pub fn third_power(seeds: &[u64], run: &Run) -> Result<SingleHead> {
    let under = |mask| single_head(&mask, 2, seeds, run);
    let (both, causal) = (under(Mask::bidirectional())?, under(Mask::causal())?);
    Ok(SingleHead([("bidirectional", both), ("causal", causal)]))
}

impl SingleHead {
    /// Both masks; the bidirectional one is expected to be numpy's.
    pub fn report(&self, evidence: &mut Evidence) {
        for (name, layers) in &self.0 {
            let norms: Vec<_> = layers.iter().map(|sample| short(10f64.powf(sample.mean()))).collect();
            let drops = [0, 1].map(|layer| layers[layer].mean() - layers[layer + 1].mean());
            let text = format!(
                "one head of n = D = 16, {name}, from 0.3 times a normal input: ‖res‖ is {}, before and after one \
                 layer and two",
                norms.join(", ")
            );
            evidence.weigh(drops[0] > 0.0 && drops[1] > 2.0 * drops[0], text);
            for (layer, sample) in layers.iter().enumerate() {
                let name_of = format!("single_head_log10_res_{name}_layer{layer}");
                let measured = evidence.measure_sample(name_of, sample.clone(), "");
                if *name == "bidirectional" {
                    measured.expect_mean(REFERENCE[layer], "numpy, 40 other draws");
                }
            }
        }
    }
}

/// By the mask's name: the paths by their length, and the largest error of their sum.
pub struct Paths([(&'static str, Vec<Length>, f64); 2]);

/// The sums under both masks.
pub fn paths(sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<Paths> {
    let (both, both_error) = under(sizes, &Mask::bidirectional(), seeds, run)?;
    let (causal, causal_error) = under(sizes, &Mask::causal(), seeds, run)?;
    Ok(Paths([("bidirectional", both, both_error), ("causal", causal, causal_error)]))
}

/// The paths of one length: how many, log₁₀ of their sum's residual ratio, and its ‖res‖ as a part of the
/// output's.
struct Length {
    /// C(L, k)·Hᵏ.
    count: f64,
    /// One value a draw.
    log_ratio: Sample,
    /// One value a draw.
    share: Sample,
}

/// Layers of the net that is taken apart.
const PATH_LAYERS: usize = 6;

/// Attention with a skip, taken apart by the length of paths; and the largest error of their sum.
fn under(sizes: &Sizes, mask: &Mask, seeds: &[u64], run: &Run) -> Result<(Vec<Length>, f64)> {
    let sizes = Sizes { layers: PATH_LAYERS, ..*sizes };
    let draws = rank::many(seeds, "paths", run, |&seed| {
        Stack::new(sizes.pure().with_skip(), seed)?.paths(&sizes.input(seed), mask, run)
    })?;
    let lengths = (0..=PATH_LAYERS).map(|k| Length {
        count: draws[0].by_length[k].0,
        log_ratio: draws.iter().map(|draw| residual_ratio(draw.by_length[k].1.view()).log10()).collect(),
        share: draws.iter().map(|draw| norm(&draw.by_length[k].1) / norm(&draw.output)).collect(),
    });
    let errors = draws.iter().map(|draw| {
        let zero = Array2::<f64>::zeros(draw.output.dim());
        let sum = draw.by_length.iter().fold(zero, |sum, (_, z)| sum + z);
        (sum - &draw.output).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
    });
    Ok((lengths.collect(), errors.fold(0.0, f64::max)))
}

impl Paths {
    /// What paths of each length contribute; the one of length 0 keeps the input.
    pub fn report(&self, evidence: &mut Evidence) {
        for (name, lengths, error) in &self.0 {
            let counts: Vec<_> = lengths.iter().map(|length| length.count.to_string()).collect();
            let ratios: Vec<_> =
                lengths.iter().map(|length| short(10f64.powf(length.log_ratio.mean()))).collect();
            let text = format!(
                "{PATH_LAYERS} layers of {name} attention with a skip are a sum of {} paths; of lengths 0 to {PATH_LAYERS} there \
                 are {}, and their residual ratios are {}. The one path of length 0, which no layer touches, has a \
                 residual of {} times the output's",
                lengths.iter().map(|length| length.count).sum::<f64>(),
                counts.join(", "),
                ratios.join(", "),
                lengths[0].share
            );
            evidence.weigh(false, text);
            for (k, length) in lengths.iter().enumerate() {
                evidence.measure(format!("paths_{name}_count_length{k}"), length.count, "paths");
                let ratio = format!("paths_{name}_log10_ratio_length{k}");
                evidence.measure_sample(ratio, length.log_ratio.clone(), "");
                evidence.measure_sample(format!("paths_{name}_share_length{k}"), length.share.clone(), "");
            }
            let error = evidence.measure(format!("paths_{name}_error"), *error, "");
            error.expect(0.0, 1e-9, "the paths add up to the output");
        }
    }
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
        use crate::model::stack::Architecture;
        // D = 4, H = 2: the second head's matrices are rows 4 to 7, columns 4 to 7 of the output.
        let stack = Stack::new(Architecture::attention_only(1, 2, 4, 3), 1).unwrap();
        let w = &stack.layers()[0];
        let beta = [0..4usize, 4..8].map(|at| {
            let rows = |w: &Array2<f64>| w.select(Axis(0), &at.clone().collect::<Vec<_>>());
            let output = w.output.select(Axis(1), &at.clone().collect::<Vec<_>>());
            let (query_key, value) =
                (rows(&w.query).t().dot(&rows(&w.key)), rows(&w.value).t().dot(&output.t()));
            largest_column_sum(query_key.view()) * one_infinity_norm(value.view())
        });
        let expected = 4.0 * beta[0].max(beta[1]) * 2.0 / 2.0;
        assert!((base(&stack) / expected - 1.0).abs() < 1e-12);
    }
}
