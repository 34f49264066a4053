//! The effect of pure attention with a sink on tokens: they become equal, or zero.

use super::super::depth_collapse::log_ratio;
use super::*;
use crate::model::stack::Stack;
use crate::rank::{one_infinity_norm, residual_ratio};

/// The names of the columns of [`Depth::layers`] in measurements.
const NAMES: [&str; 3] = ["log10_ratio", "log10_norm", "log10_second"];

/// The measurements of stacks with one sink, or without, under one mask.
pub(super) struct Depth {
    mask: Mask,
    sink: Option<f64>,
    /// Over the draws, for the input and after every layer, log₁₀ of ‖res(X)‖ / ‖X‖, of ‖X‖ and of σ₂ / σ₁ of X.
    layers: Vec<[Sample; 3]>,
}

/// Measures under the causal and then the bidirectional mask, without a sink and with each of `sinks`.
pub(super) fn measure(sizes: &NetSizes, sinks: &[f64], seeds: &[u64], run: &Run) -> Result<Vec<Depth>> {
    let sinks = [None].into_iter().chain(sinks.iter().copied().map(Some));
    let both = [Mask::causal(), Mask::bidirectional()];
    let kinds: Vec<(Mask, Option<f64>)> =
        both.iter().flat_map(|mask| sinks.clone().map(move |sink| (mask.clone(), sink))).collect();
    let items: Vec<_> = kinds.iter().flat_map(|kind| seeds.iter().map(move |&seed| (kind, seed))).collect();
    let draws = rank::many(&items, "stacks", run, |&((mask, sink), seed)| {
        let stack = Stack::new(sizes.pure(), seed)?.with_sink(*sink);
        let states = stack.hidden_states(&sizes.input(seed), mask, run)?;
        states.iter().map(look).collect::<Result<Vec<_>>>()
    })?;
    let of_kinds = kinds.into_iter().zip(draws.chunks(seeds.len())).map(|((mask, sink), draws)| {
        let at = |layer: usize| columns(&draws.iter().map(|draw| draw[layer]).collect::<Vec<_>>());
        Depth { mask, sink, layers: (0..=sizes.layers).map(at).collect() }
    });
    Ok(of_kinds.collect())
}

/// See [`Depth::layers`]; a ratio below ε counts as ε.
fn look(x: &Array2<f64>) -> Result<[f64; 3]> {
    let second = Spectrum::of(x.view())?.relative().get(1).copied().unwrap_or(0.0);
    let norm = one_infinity_norm(x.view()).max(f64::MIN_POSITIVE);
    Ok([log_ratio(residual_ratio(x.view())), norm.log10(), log_ratio(second)])
}

impl Depth {
    /// Its name: "sink2", or "without".
    fn name(&self) -> String {
        self.sink.map_or("without".to_owned(), |sink| format!("sink{sink}"))
    }

    /// The numbers after the last layer.
    fn last(&self) -> &[Sample; 3] {
        self.layers.last().expect("the input at least")
    }

    /// The geometric mean of a column after the last layer; for the norm, divided by that of the input.
    fn left(&self, column: usize) -> f64 {
        let before = if column == 1 { self.layers[0][1].mean() } else { 0.0 };
        10f64.powf(self.last()[column].mean() - before)
    }

    /// The ratio after the last layer, if it is more than rounding.
    fn ratio(&self, sizes: &NetSizes) -> Option<f64> {
        Some(self.left(0)).filter(|&left| left > sizes.floor())
    }
}

/// The depths under this mask, without a sink first.
fn under(depths: &[Depth], mask: Mask) -> Vec<&Depth> {
    depths.iter().filter(|depth| depth.mask == mask).collect()
}

/// The increase by each sink of log₁₀ of ‖res(X)‖ / ‖X‖ after the last layer under the causal mask, draw by draw.
pub(super) fn gains(depths: &[Depth]) -> Vec<Sample> {
    let causal = under(depths, Mask::causal());
    causal[1..].iter().map(|depth| depth.last()[0].minus(&causal[0].last()[0])).collect()
}

/// ‖res(X)‖ / ‖X‖ and ‖X‖ after the last layer, without a sink and with each sink, in words.
pub(super) fn in_words(sizes: &NetSizes, depths: &[Depth]) -> String {
    let of = |mask: Mask| {
        let depths = under(depths, mask.clone());
        let list = |words: Vec<String>| format!("{}, with the sinks {}", words[0], words[1..].join(", "));
        let ratios: Vec<Option<f64>> = depths.iter().map(|depth| depth.ratio(sizes)).collect();
        let words = |ratio: &Option<f64>| ratio.map_or("rounding".to_owned(), short);
        let ratios = match ratios.iter().all(Option::is_none) {
            true => "tokens equal up to rounding".to_owned(),
            false => format!("‖res(X)‖ / ‖X‖ = {}", list(ratios.iter().map(words).collect())),
        };
        let norms = list(depths.iter().map(|depth| short(depth.left(1))).collect());
        format!("{mask} attention leaves {ratios}, and of ‖X‖ {norms}")
    };
    format!("After {} layers, pure {}; {}.", sizes.layers, of(Mask::causal()), of(Mask::bidirectional()))
}

/// The layers that are recorded, besides the last one.
const RECORDED: [usize; 5] = [1, 2, 4, 8, 12];

pub(super) fn report(evidence: &mut Evidence, sizes: &NetSizes, depths: &[Depth]) {
    for depth in depths {
        for layer in RECORDED.into_iter().filter(|&layer| layer <= sizes.layers) {
            for (name, sample) in NAMES.iter().zip(&depth.layers[layer]) {
                evidence.record(format!("{name}_{}_{}_layer{layer}", depth.mask, depth.name()), sample);
            }
        }
    }
    for mask in [Mask::causal(), Mask::bidirectional()] {
        let depths = under(depths, mask.clone());
        for depth in &depths[1..] {
            let sink = depth.sink.unwrap_or_default();
            let gain = depth.last()[0].minus(&depths[0].last()[0]);
            let ratios = match (depth.ratio(sizes), depths[0].ratio(sizes)) {
                (None, None) => "leave tokens equal up to rounding, as without it".to_owned(),
                (with, without) => {
                    let [with, without] = [with, without].map(|ratio| short(ratio.unwrap_or(0.0)));
                    let second = short(depth.left(2));
                    format!("leave ‖res(X)‖ / ‖X‖ = {with} instead of {without}, with σ₂ / σ₁ = {second}")
                }
            };
            let left = [depth.left(1), depths[0].left(1)];
            let [with, without] = left.map(short);
            let norms = format!("take ‖X‖ to {with} of that of the input, and to {without} without a sink");
            for (supports, what) in [(is_clear(&gain) == Some(false), ratios), (left[0] < left[1], norms)] {
                let text = format!("sink {sink}, {mask}: {} layers {what}", sizes.layers);
                let finding = evidence.weigh(supports, text);
                finding.at("layers", sizes.layers).at("sink", sink).at("mask", mask.to_string());
            }
        }
    }
    for sink in depths.iter().filter(|depth| depth.mask == Mask::causal()).filter_map(|depth| depth.sink) {
        let limit = residual_ratio(limit(sizes.n, sink).view());
        evidence.measure(format!("limit_ratio_causal_sink{sink}"), limit, "");
    }
}

/// The tokens to which causal attention with a sink converges, up to a factor and a direction that all tokens share,
/// `[n, 1]`.
///
/// Once tokens are small their scores are near 0, and token t gives each of t keys 1/(t + e^b). The largest eigenvalue of
/// that matrix is 1/(1 + e^b), and xₜ₊₁/xₜ = (t + e^b)/t in its eigenvector.
fn limit(n: usize, sink: f64) -> Array2<f64> {
    let mut x = Array2::ones((n, 1));
    for t in (1..n).rev() {
        x[[t - 1, 0]] = x[[t, 0]] * t as f64 / (t as f64 + sink.exp());
    }
    x
}

pub(super) fn plot(evidence: &mut Evidence, sizes: &NetSizes, depths: &[Depth]) {
    let over = |column: usize| {
        let curve = |depth: &Depth| {
            let sink = depth.sink.map_or("no sink".to_owned(), |sink| format!("b = {sink}"));
            let layers = depth.layers.iter().enumerate();
            let points = layers.map(|(layer, samples)| (layer as f64, 10f64.powf(samples[column].mean())));
            Curve::new(format!("{}, {sink}", depth.mask), Kind::of(&depth.mask), points)
        };
        // With more than a few sinks the legend would fill the figure.
        let both = [Mask::causal(), Mask::bidirectional()].into_iter();
        let shown = both.flat_map(|mask| under(depths, mask).into_iter().take(4));
        shown.map(curve).collect::<Vec<_>>()
    };
    let sizes_in_words = format!("n = {}, C = {}, H = {}", sizes.n, sizes.width, sizes.heads);
    let caption = format!(
        "‖res(X)‖ / ‖X‖ after every layer of pure attention with a learned sink b, geometric means over the draws; \
         {sizes_in_words}. Near 0, all tokens are equal."
    );
    let axes = [PlotAxis::linear("layer"), PlotAxis::log("residual ratio ‖res(X)‖ / ‖X‖")];
    let references = vec![Reference::floor("rounding floor, f64", sizes.floor())];
    let figure = lines("Residual of pure attention with a sink", axes, over(0), references);
    evidence.plot("residual-over-depth", caption, figure);
    let caption = format!(
        "‖X‖ of the same stacks, geometric means over the draws; {sizes_in_words}. A sink takes its part of every row in \
         every layer, and pure attention has nothing that would give it back."
    );
    let axes = [PlotAxis::linear("layer"), PlotAxis::log("‖X‖")];
    let figure = lines("Length of the tokens in pure attention with a sink", axes, over(1), Vec::new());
    evidence.plot("norm-over-depth", caption, figure);
}

/// Depths of one layer whose log₁₀ of the ratio is `left`: without a sink, and with one.
#[cfg(test)]
pub(super) fn by_hand(sinks: &[f64], left: [f64; 2]) -> Vec<Depth> {
    let depth = |mask: &Mask, sink: Option<f64>| {
        let ratios = Sample::new([left[usize::from(sink.is_some())]; 2]);
        let layer = [ratios, Sample::new([0.0; 2]), Sample::new([0.0; 2])];
        Depth { mask: mask.clone(), sink, layers: vec![layer.clone(), layer] }
    };
    let mut all = Vec::new();
    for mask in [Mask::causal(), Mask::bidirectional()] {
        all.push(depth(&mask, None));
        all.extend(sinks.iter().map(|&sink| depth(&mask, Some(sink))));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a sink that weighs as much as one key, each layer leaves 2/3 of the distance to the limit; the limit itself
    /// is 1, 2, 3, ….
    #[test]
    fn causal_tokens_tend_to_one_direction_and_not_to_equal_ones() {
        let line = limit(5, 0.0);
        assert!((0..5).all(|t| (line[[t, 0]] * 5.0 - (t + 1) as f64).abs() < 1e-14));
        assert!(limit(7, 2.0).iter().all(|x| *x > 0.0));
        let sizes = NetSizes { n: 12, width: 24, heads: 2, layers: 48 };
        let depths = measure(&sizes, &[0.0], &[1, 2, 3], &Run::default()).unwrap();
        let [causal, both] = [&depths[1], &depths[3]];
        let wanted = residual_ratio(limit(12, 0.0).view());
        assert!((causal.left(0) / wanted - 1.0).abs() < 0.01, "{} {wanted}", causal.left(0));
        assert!(causal.left(2) < 1e-3 && causal.left(1) < 1e-6, "{} {}", causal.left(2), causal.left(1));
        assert!(both.left(0) < sizes.floor() && both.left(1) < 1.0);
        let words = in_words(&sizes, &depths);
        assert!(words.contains("bidirectional attention leaves tokens equal up to rounding"), "{words}");
    }

    #[test]
    fn numbers_of_a_state_by_hand() {
        // Singular values 4 and 3; after subtracting the mean (2, 1.5) the rows are ±(2, −1.5); their column sums are 4
        // and 3.
        let [ratio, norm, second] = look(&ndarray::array![[4.0, 0.0], [0.0, 3.0]]).unwrap();
        assert!((norm - 4f64.log10()).abs() < 1e-14 && (second - 0.75f64.log10()).abs() < 1e-14);
        assert!((ratio - (14f64.sqrt() / 4.0).log10()).abs() < 1e-14);
        assert_eq!(look(&Array2::zeros((2, 2))).unwrap()[2], f64::EPSILON.log10());
    }
}
