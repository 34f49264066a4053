//! Claim: sinks are waste.

mod depth;
mod heads;

use super::depth_collapse::NetSizes;
use super::draw::{rounding, sink_weights};
use super::prelude::*;
use super::rank_is_information::is_clear;
use depth::Depth;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "learned-sink",
        group: Group::Mechanisms,
        statement: "Sinks are waste: attention that goes to a sink carries nothing and costs rank.",
        source: "The popular account, as commonly put; learned sinks as in gpt-oss (OpenAI 2025, arXiv 2508.10925); sinks \
                 act as biases on keys (Gu et al. 2024, arXiv 2410.10781)",
        exact: "A learned sink b adds e^b to the sum of every row of the softmax. What is left is diag(s)·A, with s = Z / \
                (Z + e^b) between 0 and 1 for a row whose exponentials sum to Z: under every mask the rank is that of A, \
                and causal weights keep full rank and a positive determinant. In pure attention every layer takes token t \
                times its s, and nothing gives that back: tokens shrink beside those without a sink. Where they have \
                become small, scores are near 0, and tokens tend to one direction: under the bidirectional mask to \
                equal ones; under the causal mask early tokens see fewer keys and lose more, and the length of token t \
                tends to grow with t as t^(e^b).",
        reconsider: "Stacks with norms, which undo a factor on a token; sinks that are trained, each in its own head; \
                     trained heads with their sink taken away.",
    },
    parameters: &[
        set("n", "positions", Integer(2, 1024), ["128"; 2]),
        set("head_size", "head size D", Integer(1, 1024), ["16"; 2]),
        set("scales", LOGIT_SCALES, Numbers(0.0, 16.0), ["1,4", "0.5,1,2,4,8"]),
        set("sinks", SINKS, Numbers(-30.0, 30.0), ["0,2,8", "-4,-2,0,1,2,3,4,6,8,12"]),
        set("width", "width C of the stacks", Integer(8, 256), ["64"; 2]),
        set("heads", "heads H of the stacks, a divisor of the width", Integer(1, 32), ["4"; 2]),
        set("layers", "layers L of the stacks", Integer(1, 48), ["12", "24"]),
        set("seeds", "draws", Integer(2, 1000), ["5", "40"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const SINKS: &str = "learned sinks b, beside which attention without a sink is always measured";

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str = "the stacks, whose lengths fall below what f32 can hold, and all spectra; the device computes the \
                      attention weights";

/// Effective rank, smallest and mean sum of a row, and the largest difference of the weights from those without a sink
/// after each row is multiplied by its factor s.
type Point = (f64, [Sample; 4]);

/// Causal attention at one logit scale, over the sinks.
struct Ranks {
    scale: f64,
    without: Sample,
    /// The points, in ascending order of the sink.
    points: Vec<Point>,
}

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let mut evidence = Evidence::new(settings);
    let models = heads::measure(&mut evidence, settings, run)?;
    let (sinks, scales) = (ascending(settings, "sinks")?, ascending(settings, "scales")?);
    let (sizes, seeds) = (NetSizes::read(settings)?, settings.seeds("seeds")?);
    let ranks = scales.iter().map(|&scale| ranks(scale, &sinks, &seeds, settings, run));
    let ranks: Vec<Ranks> = ranks.collect::<Result<_>>()?;
    let depths = depth::measure(&sizes, &sinks, &seeds, run)?;
    let exact = exact(&ranks, rounding(sizes.n, settings.integer("head_size")?, settings.device()));
    evidence.weigh(false, exact.1.trim_end_matches('.'));
    ranks.iter().for_each(|ranks| report(&mut evidence, ranks, &sinks));
    depth::report(&mut evidence, &sizes, &depths);
    plot(&mut evidence, &ranks);
    depth::plot(&mut evidence, &sizes, &depths);
    let floating = floating(&ranks, &sinks, &sizes, &depths);
    let trained = heads::report(&mut evidence, &models);
    evidence.note_cpu(settings, ON_CPU);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), Some(trained))))
}

/// The numbers of a setting, each once.
fn ascending(settings: &Settings, name: &str) -> Result<Vec<f64>> {
    // −0 becomes 0.
    let mut values: Vec<f64> = settings.numbers(name)?.into_iter().map(|value| value + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    Ok(values)
}

/// The ranks for these sinks and, for the figures, for the whole numbers between them.
fn ranks(scale: f64, sinks: &[f64], seeds: &[u64], settings: &Settings, run: &Run) -> Result<Ranks> {
    let (n, head_size) = (settings.integer("n")?, settings.integer("head_size")?);
    let (device, mask) = (settings.device(), Mask::causal());
    let effective = |weights: &Array2<f64>| Ok::<f64, Error>(Spectrum::of(weights.view())?.effective_rank());
    let [without] = draws(seeds, "without a sink", run, |seed| {
        Ok([effective(&Draw::independent(n, head_size, seed).weights(scale, &mask, device)?)?])
    })?;
    let whole = sinks.windows(2).flat_map(|pair| {
        let whole = (1..).map(move |step| (pair[0] + f64::from(step)).floor());
        whole.take_while(move |sink| *sink < pair[1])
    });
    let mut places: Vec<f64> = sinks.iter().copied().chain(whole).collect();
    places.sort_by(f64::total_cmp);
    let points = sweep(places, seeds, "sinks", run, |&sink, seed| {
        let draw = Draw::independent(n, head_size, seed);
        let weights = sink_weights(&draw, scale, sink, device)?;
        let sums: Sample = weights.rows().into_iter().map(|row| row.sum()).collect();
        let off = off_scaled(&draw, scale, sink, &weights, device)?;
        Ok([effective(&weights)?, sums.extremes().0, sums.mean(), off])
    })?;
    Ok(Ranks { scale, without, points })
}

/// The largest difference of `weights` from those without a sink, after each row is multiplied by Z / (Z + e^b).
fn off_scaled(draw: &Draw, scale: f64, sink: f64, weights: &Array2<f64>, device: &Device) -> Result<f64> {
    let mut scaled = draw.weights(scale, &Mask::causal(), device)?;
    let scores = draw.scores(scale);
    for (query, mut row) in scaled.rows_mut().into_iter().enumerate() {
        // e^b / Z, which is finite for all allowed scores and sinks.
        let sum: f64 = scores.row(query).iter().take(query + 1).map(|score| (score - sink).exp()).sum();
        row /= 1.0 + 1.0 / sum;
    }
    Ok((&scaled - weights).iter().fold(0.0, |most: f64, difference| most.max(difference.abs())))
}

/// Refuted if every row with a sink is found to be a positive multiple of the row without a sink.
fn exact(ranks: &[Ranks], rounding: f64) -> (Exact, String) {
    let points = ranks.iter().flat_map(|ranks| &ranks.points);
    let all = |column: usize| points.clone().flat_map(move |(_, samples)| samples[column].values());
    let (off, least) = (all(3).copied().fold(0.0, f64::max), all(1).copied().fold(1.0, f64::min));
    let [off, least] = [off, least].map(short);
    // Written so that NaN is not within rounding, and not above 0.
    if !(all(3).all(|&off| off <= rounding) && all(1).all(|&least| least > 0.0)) {
        let because = format!(
            "Rows with a sink differ by {off} from multiples of the rows without, and the smallest keeps {least}."
        );
        return (Exact::Open, because);
    }
    let because = format!(
        "A sink takes every row times s = Z/(Z + e^b), here {least} or more, and leaves its zeros: the rank is that of the \
         weights without a sink, full under the causal mask. The rows of every draw are these multiples up to {off}."
    );
    (Exact::Refuted, because)
}

/// The gain in effective rank by a sink, draw by draw.
fn gain(ranks: &Ranks, (_, samples): &Point) -> Sample {
    samples[0].minus(&ranks.without)
}

impl Ranks {
    /// The name of a measurement, with the scale if it is not 1.
    fn name(&self, what: &str, sink: &str) -> String {
        let scale = if self.scale == 1.0 { String::new() } else { format!("_scale{}", self.scale) };
        format!("{what}_{sink}{scale}")
    }

    /// The points at these sinks.
    fn at<'a>(&'a self, sinks: &'a [f64]) -> impl Iterator<Item = &'a Point> {
        self.points.iter().filter(|(sink, _)| sinks.contains(sink))
    }

    /// "from 55.8 to 58.8, 62.4 at logits of scale 1, where rows keep 0.973, 0.876 of their weight".
    fn in_words(&self, sinks: &[f64]) -> String {
        let list = |column: usize| {
            let means = self.at(sinks).map(|(_, samples)| short(samples[column].mean()));
            means.collect::<Vec<_>>().join(", ")
        };
        let [ranks, kept] = [0, 2].map(list);
        format!(
            "from {} to {ranks} at logits of scale {}, where rows keep {kept} of their weight",
            short(self.without.mean()),
            self.scale
        )
    }
}

fn report(evidence: &mut Evidence, ranks: &Ranks, sinks: &[f64]) {
    let Ranks { scale, without, .. } = ranks;
    evidence.record(ranks.name("effective_rank", "without"), without);
    for point in ranks.at(sinks) {
        let ((sink, [effective, smallest, mean, off]), gain) = (point, gain(ranks, point));
        let name = |what: &str| ranks.name(what, &format!("sink{sink}"));
        evidence.record(name("effective_rank"), effective);
        evidence.record(name("smallest_row_sum"), smallest);
        evidence.record(name("mean_row_sum"), mean);
        evidence.record(name("difference_from_scaled_rows"), off);
        let text = format!(
            "sink {sink}, scale {scale}: effective rank {effective} instead of {without}, paired difference {gain}; rows \
             keep {mean} of their weight, the one that keeps least {smallest}"
        );
        evidence.weigh(is_clear(&gain) == Some(false), text).at("sink", *sink).at("scale", *scale);
    }
}

/// The claim holds where a sink lowers the rank; its opposite holds where a sink raises it.
fn outcome(gain: &Sample) -> Outcome {
    Outcome::compared(is_clear(gain).map(|is_raised| !is_raised))
}

/// The ruling from the effective rank at every scale and sink, and from the differences between tokens that remain
/// after all layers at every sink.
fn floating(ranks: &[Ranks], sinks: &[f64], sizes: &NetSizes, depths: &[Depth]) -> (Floating, String) {
    let of_ranks = ranks.iter().flat_map(|ranks| ranks.at(sinks).map(|point| outcome(&gain(ranks, point))));
    let of_depths = depth::gains(depths).into_iter().map(|gain| outcome(&gain));
    let names: Vec<_> = sinks.iter().map(f64::to_string).collect();
    let words: Vec<_> = ranks.iter().map(|ranks| ranks.in_words(sinks)).collect();
    let because = format!(
        "Sinks b = {} take the effective rank of causal weights {}. {}",
        names.join(", "),
        words.join("; "),
        depth::in_words(sizes, depths)
    );
    (Floating::over(of_ranks.chain(of_depths)), because)
}

/// Draws the effective rank, and the mean sum of a row, over the sink.
fn plot(evidence: &mut Evidence, ranks: &[Ranks]) {
    let over = |name: String, kind: Kind, ranks: &Ranks, column: usize| {
        curve(name, kind, ranks.points.iter().map(|(sink, samples)| (*sink, samples[column].clone())))
    };
    // With more than a few scales the legend would fill the figure.
    let shown = || ranks.iter().take(4);
    let curves = shown().map(|ranks| over(format!("scale {}", ranks.scale), Kind::Causal, ranks, 0));
    let references = shown()
        .map(|ranks| Reference::level(format!("no sink, scale {}", ranks.scale), ranks.without.mean()));
    let caption = "Effective rank of causal attention weights over the learned sink b at several scales of the logits, mean \
                   and standard deviation over the draws. Dashed: without a sink.";
    let axes = [PlotAxis::linear("sink b"), PlotAxis::linear("effective rank")];
    let figure = lines("Effective rank over the sink", axes, curves.collect(), references.collect());
    evidence.plot("rank-over-sink", caption, figure);
    let curves = shown().flat_map(|ranks| {
        let sums = [("mean", 2, Kind::Causal), ("smallest", 1, Kind::Plain)];
        sums.map(|(what, column, kind)| over(format!("{what}, scale {}", ranks.scale), kind, ranks, column))
    });
    let caption = "What a row of causal attention weights keeps when a sink of b takes its part: the mean over the rows, and \
                   the row that keeps least, which is an early one with few keys; means and standard deviations over the \
                   draws.";
    let axes = [PlotAxis::linear("sink b"), PlotAxis::log("sum of a row")];
    let references = vec![Reference::level("no sink", 1.0)];
    let figure = lines("Row sums over the sink", axes, curves.collect(), references);
    evidence.plot("row-sums-over-sink", caption, figure);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::tests::settings;

    fn some_ranks(scale: f64, sinks: &[f64]) -> Ranks {
        let settings = settings("learned-sink", &[("seeds", "4")]);
        ranks(scale, sinks, &settings.seeds("seeds").unwrap(), &settings, &Run::default()).unwrap()
    }

    /// With scores of 0 and a sink that weighs as much as one key, token t keeps t/(t + 1).
    #[test]
    fn rows_by_hand() {
        let draw = Draw { q: Array2::zeros((3, 2)), k: gaussian(3, 2, 1, 0) };
        let weights = sink_weights(&draw, 1.0, 0.0, &Device::Cpu).unwrap();
        let wanted = ndarray::array![[0.5, 0.0, 0.0], [1.0 / 3.0, 1.0 / 3.0, 0.0], [0.25, 0.25, 0.25]];
        assert!((&weights - &wanted).iter().all(|difference| difference.abs() < 1e-15));
        let off = |weights| off_scaled(&draw, 1.0, 0.0, weights, &Device::Cpu).unwrap();
        assert!(off(&weights) < 1e-15);
        assert!((off(&(wanted * 1.5)) - 0.25).abs() < 1e-15);
    }

    /// Rows that are no multiples, a row of zeros, and NaN.
    #[test]
    fn both_words_in_exact_arithmetic_are_reached() {
        let found = some_ranks(1.0, &[0.0, 30.0]);
        assert_eq!(exact(&[some_ranks(3.0, &[-1.0]), some_ranks(1.0, &[30.0])], 1e-12).0, Exact::Refuted);
        let with = |column: usize, value: f64| {
            let mut points = found.points.clone();
            points[0].1[column] = Sample::new([value, 0.5]);
            exact(&[Ranks { scale: 1.0, without: found.without.clone(), points }], 1e-12).0
        };
        assert_eq!([with(3, 1e-3), with(1, 0.0), with(1, f64::NAN)], [Exact::Open; 3]);
    }

    /// Sinks at small and large logits, and stacks whose residuals are set by hand.
    #[test]
    fn every_word_in_floating_point_is_reached() {
        let sizes = NetSizes { n: 20, width: 12, heads: 2, layers: 1 };
        let word = |scale: f64, sink: f64, left: [f64; 2]| {
            let depths = depth::by_hand(&[sink], left);
            floating(&[some_ranks(scale, &[sink])], &[sink], &sizes, &depths).0
        };
        let (less, more, same) = ([-1.0, -2.0], [-2.0, -1.0], [-1.0, -1.0]);
        assert_eq!(word(4.0, 8.0, less), Floating::Everywhere);
        assert_eq!(word(4.0, 8.0, same), Floating::InOneRegion);
        assert_eq!(word(4.0, 8.0, more), Floating::Reverses);
        assert_eq!(word(1.0, 0.0, more), Floating::Nowhere);
        assert_eq!(word(1.0, -30.0, same), Floating::NotResolved);
    }
}
