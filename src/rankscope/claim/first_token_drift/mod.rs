//! Claim: the causal mask is neutral between positions.

mod rollout;

use ndarray::Array1;

use super::draw::rounding;
use super::mask_carries_position::{EXAMPLE, after_layers, shares, swap_that_changes};
use super::prelude::*;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "first-token-drift",
        group: Group::Mechanisms,
        statement: "The causal mask is neutral between positions.",
        source: "The popular account, in which the causal mask does no more than hide the future; against it Wu et al. \
                 2025 (arXiv 2502.01951)",
        exact: "The last row of a product of k causal weight matrices says where a walk of k steps ends that starts at \
                the last token and never goes to a later one. The first token is the only one that the walk cannot leave: \
                where every weight on it is a or more, with a > 0, at most (1 − a)^k of the row is on other tokens, and \
                at most (1 − a/2)^k with skips, layers (I + A)/2. That takes neither content nor training.",
        reconsider: "Positions that are encoded so that near tokens get more weight the deeper the layer, or weights a on \
                     the first token that fall with depth so fast that the product of all 1 − a stays above 0.",
    },
    parameters: &[
        set("n", "tokens", Integer(2, 2048), ["64"; 2]),
        set("head_size", "head size D", Integer(1, 1024), ["16"; 2]),
        set("scale", "factor on the logits after 1/√D", Number(0.0, 16.0), ["1"; 2]),
        set("depths", "numbers k of layers", Integers(1, 256), ["1,2,4,16,32", "1,2,4,8,16,32,64"]),
        set("seeds", "draws", Integer(2, 1000), ["40", "400"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide: |settings, run| decide(&Mask::causal(), settings, run),
};

/// The weight of the first token in the last row of A_k…A_1, for every k from 1 on: for layers A alone, and for layers
/// (I + A)/2, by which attention rollout takes a skip into account.
///
/// **Shapes**: every A `[n, n]`.
///
/// # Errors
/// The first error among `layers`.
///
/// **Source**: Abnar & Zuidema 2020 (arXiv 2005.00928), section 3.
pub fn weights_of_first(
    n: usize,
    layers: impl Iterator<Item = Result<Array2<f64>>>,
) -> Result<Vec<[f64; 2]>> {
    // The first columns of both products.
    let mut alone = Array1::from_shape_fn(n, |token| f64::from(u8::from(token == 0)));
    let mut with_skips = alone.clone();
    let weights = layers.map(|layer| {
        let layer = layer?;
        alone = layer.dot(&alone);
        with_skips = (layer.dot(&with_skips) + &with_skips) / 2.0;
        Ok([alone[n - 1], with_skips[n - 1]])
    });
    weights.collect()
}

/// A number of layers k, and the weight of the first token in the last row of their product: under the mask on trial
/// without skips and with them, and under the bidirectional mask.
type Point = (usize, [Sample; 4]);

/// The names of the columns of a [`Point`] in measurements.
const NAMES: [&str; 4] = [
    "first_token_weight",
    "first_token_weight_skip",
    "first_token_weight_bidirectional",
    "first_token_weight_bidirectional_skip",
];

/// The kinds of layers of a product, in words.
const IN_WORDS: [&str; 2] = ["layers alone", "layers with skips"];

/// The settings that all draws share.
struct Tokens {
    n: usize,
    head_size: usize,
    scale: f64,
}

impl Tokens {
    /// The points for every number of layers up to `deepest`; every layer of a draw has its own queries and keys.
    fn points(&self, mask: &Mask, deepest: usize, settings: &Settings, run: &Run) -> Result<Vec<Point>> {
        let under = |mask: &Mask, seed: u64| {
            let layers = (0..deepest as u64).map(|layer| {
                run.check()?;
                let draw = Draw::of_layer(self.n, self.head_size, seed, layer);
                draw.weights(self.scale, mask, settings.device())
            });
            weights_of_first(self.n, layers)
        };
        let draws = rank::many(&settings.seeds("seeds")?, "layers", run, |&seed| {
            Ok([under(mask, seed)?, under(&Mask::bidirectional(), seed)?])
        })?;
        let at = |layer: usize| {
            let rows = draws.iter().map(|[on_trial, both]| {
                let ([alone, skip], [both, both_skip]) = (on_trial[layer], both[layer]);
                [alone, skip, both, both_skip]
            });
            (layer + 1, columns(&rows.collect::<Vec<_>>()))
        };
        Ok((0..deepest).map(at).collect())
    }
}

/// [`weights_of_first`] for attention that does not depend on content: equal scores for all pairs that `mask` allows.
///
/// # Errors
/// [`Error::Invalid`] where the mask does not fit n.
pub fn weights_of_first_by_equal_scores(n: usize, mask: &Mask, layers: usize) -> Result<Vec<[f64; 2]>> {
    let zeros = Array2::zeros((n, 1));
    let weights = attention_weights(&zeros, &zeros, 1.0, mask, &Device::Cpu)?;
    weights_of_first(n, (0..layers).map(|_| Ok(weights.clone())))
}

/// The experiment with this mask in place of the causal one.
fn decide(mask: &Mask, settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let mut evidence = Evidence::new(settings);
    let rollouts = rollout::measure(&mut evidence, settings, run)?;
    let depths = settings.ascending("depths")?;
    let deepest = depths.last().copied().unwrap_or(1);
    let (n, head_size) = (settings.integer("n")?, settings.integer("head_size")?);
    let tokens = Tokens { n, head_size, scale: settings.number("scale")? };
    let points = tokens.points(mask, deepest, settings, run)?;
    let equal = weights_of_first_by_equal_scores(n, mask, deepest)?;
    let exact = exact(mask, n);
    evidence.weigh(exact.0 == Exact::Proved, exact.1.trim_end_matches('.'));
    let chosen: Vec<&Point> = points.iter().filter(|(depth, _)| depths.contains(depth)).collect();
    let floating = judge(&mut evidence, &tokens, &chosen, settings.device());
    for (which, name) in ["layers_to_half", "layers_to_half_skip"].into_iter().enumerate() {
        if let Some((depth, _)) = points.iter().find(|(_, samples)| samples[which].median() >= 0.5) {
            evidence.measure(name, *depth as f64, "layers");
        }
    }
    for depth in depths {
        evidence.measure(format!("first_token_weight_equal_scores_k{depth}"), equal[depth - 1][0], "");
    }
    plot(&mut evidence, mask, n, &points, &equal);
    let trained = rollout::report(&mut evidence, &rollouts);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), Some(trained))))
}

/// Refuted if equal scores, which favour no content, do not give equal shares; proved if no position is special.
fn exact(mask: &Mask, n: usize) -> (Exact, String) {
    let [two, many] = [2, 16].map(|depth| shares(mask, depth));
    if two.iter().any(|share| *share != two[0]) {
        let list: Vec<_> = two.iter().map(u128::to_string).collect();
        let first = many[0] as f64 / many.iter().sum::<u128>() as f64;
        let because = format!(
            "With equal scores, where no content decides, two layers give {EXAMPLE} tokens the shares {} in the last one, \
             and 16 layers give the first {} of it.",
            list.join(" : "),
            share(first)
        );
        return (Exact::Refuted, because);
    }
    let Some(first) = swap_that_changes(&mask.pattern(n), n) else {
        let because = format!("No permutation of {n} tokens changes the mask, so no position is special.");
        return (Exact::Proved, because);
    };
    let swapped = format!("Swapping tokens {} and {} changes the mask", first + 1, first + 2);
    (Exact::Open, format!("{swapped}, and equal scores give equal shares."))
}

/// A share as text; near 1 it is written as the difference from 1.
fn share(weight: f64) -> String {
    match 1.0 - weight {
        missing if missing < 1e-14 => "1".to_owned(),
        missing if missing < 0.01 => format!("1 − {}", short(missing)),
        _ => short(weight),
    }
}

/// Whether the mask treats the first token like the bidirectional mask does in the same draws.
fn outcome(on_trial: &Sample, bidirectional: &Sample, rounding: f64) -> Outcome {
    let difference = on_trial.minus(bidirectional);
    if difference.values().iter().all(|difference| difference.abs() <= rounding) {
        return Outcome::Holds;
    }
    if Ahead::of(&difference) == Ahead::Neither { Outcome::Unclear } else { Outcome::Fails }
}

fn judge(evidence: &mut Evidence, tokens: &Tokens, points: &[&Point], device: &Device) -> (Floating, String) {
    let Tokens { n, head_size, .. } = *tokens;
    let (equal, rounding) = (short(1.0 / n as f64), rounding(n, head_size, device));
    let (mut outcomes, mut same) = (Vec::new(), Vec::new());
    for (depth, samples) in points {
        for (name, sample) in NAMES.iter().zip(samples) {
            evidence.record_median(format!("{name}_k{depth}"), sample);
        }
        let both = [0, 1].map(|which| outcome(&samples[which], &samples[2 + which], rounding));
        for (which, outcome) in both.into_iter().enumerate() {
            let [weight, control] = [which, 2 + which].map(|column| share(samples[column].median()));
            let text = format!(
                "{}, {}: of {n} tokens the first has {weight} of the last row, {control} under the bidirectional mask \
                 (medians); an equal share is {equal}",
                after_layers([*depth]),
                IN_WORDS[which]
            );
            evidence.weigh(outcome == Outcome::Holds, text).at("depth", *depth).at("skip", which == 1);
        }
        if both == [Outcome::Holds; 2] {
            same.push(*depth);
        }
        outcomes.extend(both);
    }
    let list = |column: usize| {
        points.iter().map(|(_, samples)| share(samples[column].median())).collect::<Vec<_>>().join(", ")
    };
    let [alone, skip, both] = [0, 1, 2].map(list);
    let mut because = format!(
        "Of {n} tokens the first has {alone} of the last row {} ({skip} with skips), and {both} under the bidirectional \
         mask, where an equal share is {equal}; medians of {} draws.",
        after_layers(points.iter().map(|(depth, _)| *depth)),
        points.first().map_or(0, |(_, samples)| samples[0].count())
    );
    if !same.is_empty() {
        because += &format!(" The two masks give it the same {}.", after_layers(same));
    }
    (Floating::over(outcomes), because)
}

/// The reference curves: equal scores without skips and with them, and an equal share.
fn references(n: usize, equal: &[[f64; 2]]) -> Vec<Reference> {
    let curve = |name: &str, which: usize| {
        Reference::curve(name, (1..).map(f64::from).zip(equal.iter().map(|weights| weights[which])))
    };
    let level = Reference::level("equal share", 1.0 / n as f64);
    vec![curve("equal scores", 0), curve("equal scores, with skips", 1), level]
}

fn plot(evidence: &mut Evidence, mask: &Mask, n: usize, points: &[Point], equal: &[[f64; 2]]) {
    let both = Mask::bidirectional();
    let curves = [mask, mask, &both, &both].into_iter().enumerate().map(|(which, mask)| {
        let medians = points.iter().map(|(depth, samples)| (*depth as f64, samples[which].median()));
        let name = if which % 2 == 0 { mask.to_string() } else { format!("{mask}, with skips") };
        Curve::new(name, Kind::of(mask), medians)
    });
    let caption = format!(
        "The weight of the first of {n} tokens in the last row of the product of k independent layers of attention, \
         medians over the draws; with skips a layer is (I + A)/2. Dashed: the {mask} mask with equal scores, where no \
         content decides, and an equal share."
    );
    let axes = [PlotAxis::linear("layers k"), PlotAxis::linear("weight of the first token")];
    let figure = lines("Weight of the first token over depth", axes, curves.collect(), references(n, equal));
    evidence.plot("first-token-over-depth", caption, figure);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::claim::tests::settings;

    /// A₂·A₁ and (I + A₂)(I + A₁)/4 for two layers whose order matters.
    #[test]
    fn the_weight_of_the_first_token_by_hand() {
        let first = array![[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]];
        let second = array![[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 1.0, 0.0]];
        let found = weights_of_first(3, [first, second].into_iter().map(Ok)).unwrap();
        // After one layer: 1/4, with skips half of it. After two layers: the weight 1/2 from token 2; with skips (1/8 +
        // 1/4)/2.
        assert_eq!(found, [[0.25, 0.125], [0.5, 0.1875]]);
        // (1 + 1/2 + 1/3 + 1/4 + 1/5)/5: the mean of the tokens' weights on the first one.
        let equal = weights_of_first_by_equal_scores(5, &Mask::causal(), 2).unwrap();
        assert!((equal[1][0] - 137.0 / 300.0).abs() < 1e-15);
        assert_eq!(["1", "1 − 0.00100", "0.500"].map(str::to_owned), [1.0, 0.999, 0.5].map(share));
    }

    /// When a layer is added at the end of the product, the weight of the first token never falls, and is bounded from
    /// below by the smallest weights on it.
    #[test]
    fn the_first_token_is_the_only_one_that_keeps_its_weight() {
        let n = 9;
        let layers: Vec<_> = (0..12)
            .map(|layer| Draw::of_layer(n, 3, 5, layer).weights(2.0, &Mask::causal(), &Device::Cpu).unwrap())
            .collect();
        let (mut row, mut missing) = (Array1::zeros(n), 1.0);
        row[n - 1] = 1.0;
        for (done, layer) in layers.iter().enumerate() {
            let next: Array1<f64> = row.dot(layer);
            assert!(next[0] > row[0]);
            missing *= 1.0 - layer.column(0).iter().skip(1).copied().fold(1.0, f64::min);
            assert!(1.0 - next[0] <= missing);
            row = next;
            let found = weights_of_first(n, layers[..=done].iter().rev().map(|a| Ok(a.clone()))).unwrap();
            assert!((found[done][0] - row[0]).abs() < 1e-14);
        }
    }

    #[test]
    fn every_layer_of_a_draw_is_another() {
        let (tokens, settings) =
            (Tokens { n: 7, head_size: 3, scale: 1.5 }, settings("first-token-drift", &[]));
        let points = tokens.points(&Mask::causal(), 3, &settings, &Run::default()).unwrap();
        let layers =
            (0..3).map(|layer| Draw::of_layer(7, 3, 0, layer).weights(1.5, &Mask::causal(), &Device::Cpu));
        let found = weights_of_first(7, layers).unwrap();
        assert_ne!(Draw::of_layer(7, 3, 0, 1).q, Draw::independent(7, 3, 0).k);
        assert!((0..3).all(|layer| points[layer].1[1].values()[0] == found[layer][1]));
    }

    /// Other masks and depths replace those of the claim.
    #[test]
    fn every_word_about_drawn_layers_is_reached() {
        // Queries see tokens 1 and 2, or 3 and 4, in turn: after two layers every token has the same weight on every
        // token.
        let shuffle = Array2::from_shape_fn((4, 4), |(query, key)| key / 2 == query % 2);
        let words = |mask: &Mask, changes: &[(&str, &str)]| {
            let settings = settings("first-token-drift", changes);
            let verdict = decide(mask, &settings, &Run::default()).unwrap().1;
            (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
        };
        let (causal, both) = (Mask::causal(), Mask::bidirectional());
        assert_eq!(words(&causal, &[("depths", "1")]), (Exact::Refuted, Floating::Everywhere));
        assert_eq!(words(&causal, &[("depths", "1,2")]), (Exact::Refuted, Floating::InOneRegion));
        assert_eq!(words(&causal, &[("depths", "2,6")]), (Exact::Refuted, Floating::Nowhere));
        assert_eq!(words(&both, &[("depths", "1,2")]), (Exact::Proved, Floating::Everywhere));
        // Two draws are too few to distinguish it from the bidirectional mask.
        let few = [("n", "4"), ("seeds", "2"), ("depths", "2"), ("scale", "4")];
        assert_eq!(words(&Mask::custom(shuffle), &few), (Exact::Open, Floating::NotResolved));
    }
}
