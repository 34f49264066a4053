//! Claim: softmax raises the rank of the scores.
//!
//! exp is a series of Hadamard powers of the scores, each of a rank of its own. Very sharp softmax is the other
//! end: each row picks one key, and the rank is how many keys are picked.

mod powers;
#[cfg(test)]
mod tests;

use super::chart::curve;
use super::softmax_rank::{Heads, exact_ranks, report_heads, tokens, trained_heads};
use super::{
    About, Allowed, Draw, Evidence, Exact, Experiment, Floating, Outcome, Parameter, Sample, Settings,
    Trained, Verdict, trained,
};
use crate::blas;
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;
use powers::Power;

/// See the module.
pub struct SoftmaxRaisesRank;

const ABOUT: About = About {
    id: "softmax-raises-rank",
    statement: "Softmax raises the rank of the scores.",
    source: "Su Jianlin, kexue.fm 9529 (2023), on bidirectional attention",
    exact: "For almost all queries and keys of head size D below n the scores have rank D and their softmax rank n. \
            The term Sᵏ/k! of exp, entry by entry, adds up to C(D+k−1, k) dimensions. Not so for all inputs: equal \
            tokens have equal rows, and scores with the rows (1, 0) and (2, 1) fall from rank 2 to rank 1, since \
            softmax does not see a constant on a row.",
    reconsider: "Scores of full rank, which nothing can raise, or logits so sharp that each row picks one key.",
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions",
        allowed: Allowed::Integer(2, 512),
        quick: "128",
        full: "256",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 1024),
        quick: "1,4,16,64,112",
        full: "1,2,4,8,16,32,64,128,192,240",
    },
    Parameter {
        name: "scales",
        summary: "factors on the logits after 1/√D",
        allowed: Allowed::Numbers(0.001, 1e6),
        quick: "0.1,1,10,1000",
        full: "0.1,1,10,100,1000",
    },
    Parameter {
        name: "distinct",
        summary: "tokens that differ in the matrices of head size 1, whose rank is exact; the others repeat them",
        allowed: Allowed::Integer(1, 512),
        quick: "512",
        full: "512",
    },
    Parameter {
        name: "powers_n",
        summary: "positions of the Hadamard powers",
        allowed: Allowed::Integer(8, 512),
        quick: "256",
        full: "256",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 100), quick: "3", full: "10" },
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str =
    "in f64 scores, weights and ranks of the draws; the device computes those of trained models";

/// What the experiment finds.
pub struct Measured {
    n: usize,
    /// Draw by draw for D = 1: the exact ranks of the scores and of their softmax.
    exactly: Vec<[usize; 2]>,
    map: Vec<Point>,
    powers: Vec<Power>,
    models: Vec<Heads>,
    notes: Vec<String>,
}

/// The ranks that f64 sees at one head size and scale.
struct Point {
    head_size: usize,
    scale: f64,
    scores: Sample,
    weights: Sample,
    /// Keys that are the largest of some row.
    picked: Sample,
}

impl Point {
    fn outcome(&self) -> Outcome {
        let (least, most) = self.weights.minus(&self.scores).extremes();
        match (least > 0.0, most < 0.0) {
            (true, _) => Outcome::Holds,
            (_, true) => Outcome::Opposite,
            _ if least == 0.0 && most == 0.0 => Outcome::Fails,
            _ => Outcome::Unclear,
        }
    }

    fn in_words(&self) -> String {
        let Point { head_size, scale, scores, weights, .. } = self;
        format!("from {} to {} at D = {head_size}, scale {scale}", scores.mean(), short(weights.mean()))
    }
}

impl Experiment for SoftmaxRaisesRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let (n, distinct) = (settings.integer("n")?, settings.integer("distinct")?);
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let (models, notes) = trained_heads(settings, run)?;
            let seeds = settings.seeds("seeds")?.into_iter();
            Ok(Measured {
                n,
                exactly: seeds.map(|seed| exact_ranks(&tokens(n, distinct, seed))).collect(),
                map: map(settings, run)?,
                powers: powers::measure(settings, run)?,
                models,
                notes,
            })
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(measured.n, &measured.exactly);
        let heads = measured.models.iter();
        let heads = heads.flat_map(|model| model.ranks.iter().map(|ranks| is_raised(model, ranks)));
        Verdict::new()
            .exact(exact, because)
            .floating(Floating::over(measured.map.iter().map(Point::outcome)), in_floating_point(measured))
            .trained(Trained::over(heads), in_trained_models(&measured.models))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        powers::report(&mut evidence, settings, &measured.powers)?;
        for point in &measured.map {
            let (n, place) = (measured.n, format!("d{}_scale_{}", point.head_size, point.scale));
            let text = format!(
                "n = {n}: softmax takes the rank {}; {} keys are the largest of some row",
                point.in_words(),
                point.picked
            );
            evidence.weigh(point.outcome() == Outcome::Holds, text);
            let scores = evidence.measure_sample(format!("rank_scores_{place}"), point.scores.clone(), "");
            scores.expect(point.head_size.min(n) as f64, 0.0, "rank Q·Kᵀ = min(D, n) for almost all draws");
            evidence.measure_sample(format!("rank_weights_{place}"), point.weights.clone(), "");
            evidence.measure_sample(format!("keys_picked_{place}"), point.picked.clone(), "keys");
        }
        picture(&mut evidence, settings, &measured);
        let is_above = |model: &Heads, ranks: &Sample| is_raised(model, ranks) == Some(true);
        report_heads(&mut evidence, &measured.models, ("above_head_size", is_above));
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        evidence.note_cpu(settings, ON_CPU);
        Ok(evidence)
    }
}

fn map(settings: &Settings, run: &Run) -> Result<Vec<Point>> {
    let (n, seeds) = (settings.integer("n")?, settings.seeds("seeds")?);
    let mut points = Vec::new();
    for head_size in settings.integers("head_sizes")? {
        for scale in settings.numbers("scales")? {
            let stage = format!("softmax, D = {head_size}, scale {scale}");
            let draws =
                rank::many(&seeds, &stage, run, |&seed| look(&Draw::independent(n, head_size, seed), scale))?;
            let [scores, weights, picked] =
                [0, 1, 2].map(|column| draws.iter().map(|draw| draw[column]).collect());
            points.push(Point { head_size, scale, scores, weights, picked });
        }
    }
    Ok(points)
}

/// The ranks of scores and weights, and how many keys are the largest of some row.
fn look(draw: &Draw, scale: f64) -> Result<[f64; 3]> {
    let (scores, weights) = (draw.scores(scale), draw.weights(scale, &Mask::bidirectional(), &Device::Cpu)?);
    let mut picked: Vec<usize> = scores
        .outer_iter()
        .filter_map(|row| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])))
        .collect();
    picked.sort_unstable();
    picked.dedup();
    let rank = |matrix: &ndarray::Array2<f64>| -> Result<f64> {
        Ok(Spectrum::of(matrix.view())?.numerical_rank(Tolerance::F64) as f64)
    };
    Ok([rank(&scores)?, rank(&weights)?, picked.len() as f64])
}

fn in_exact_arithmetic(n: usize, draws: &[[usize; 2]]) -> (Exact, String) {
    if let Some([scores, weights]) = draws.iter().find(|[scores, weights]| weights <= scores) {
        let because = format!(
            "Refuted by example: {n} tokens with the same key have scores of rank {scores} and weights of 1/{n}, of \
             rank {weights}."
        );
        return (Exact::Refuted, because);
    }
    let weights = draws.iter().map(|draw| draw[1]).min().unwrap_or(0);
    let because = format!(
        "With D = 1 the scores of {n} tokens have rank 1 and their softmax rank {weights}, the number of distinct \
         queries or keys, as exp(x·y) is strictly totally positive. For larger D below n the rank goes from D to n for \
         almost all inputs."
    );
    (Exact::Proved, because)
}

fn in_floating_point(measured: &Measured) -> String {
    let Measured { n, map, .. } = measured;
    let of = |outcome| map.iter().filter(move |point| point.outcome() == outcome);
    let gain = |point: &Point| point.weights.minus(&point.scores).mean();
    let mut sentences = vec![format!(
        "At n = {n} softmax raises the rank that f64 sees at {} of {} points of head size and logit scale.",
        of(Outcome::Holds).count(),
        map.len()
    )];
    if let Some(most) = of(Outcome::Holds).max_by(|a, b| gain(a).total_cmp(&gain(b))) {
        sentences.push(format!("It raises it most {}.", most.in_words()));
    }
    if let Some(lowest) = of(Outcome::Opposite).min_by(|a, b| gain(a).total_cmp(&gain(b))) {
        sentences.push(format!(
            "It lowers the rank at {}, most {}: there nearly every row picks one key, and the rank is near the number of \
             keys picked, {}.",
            of(Outcome::Opposite).count(),
            lowest.in_words(),
            short(lowest.picked.mean())
        ));
    }
    sentences.join(" ")
}

/// Whether a head has a higher rank than its size on all texts; `None` where they differ.
fn is_raised(model: &Heads, ranks: &Sample) -> Option<bool> {
    match ranks.count_where(|rank| rank > model.head_size as f64) {
        0 => Some(false),
        count if count == ranks.count() => Some(true),
        _ => None,
    }
}

fn in_trained_models(models: &[Heads]) -> String {
    if models.is_empty() {
        return "No model at hand.".to_owned();
    }
    let model = |model: &Heads| {
        let raised = model.ranks.iter().filter(|ranks| is_raised(model, ranks) == Some(true)).count();
        let mean: Sample = model.ranks.iter().map(Sample::mean).collect();
        format!(
            "{raised} of {} heads of {} show more than D directions at f32's tolerance on every text of {} tokens: {mean} \
             over the heads",
            model.ranks.len(),
            model.in_words(),
            model.tokens
        )
    };
    let models: Vec<_> = models.iter().map(model).collect();
    format!("Under the bidirectional mask {}.", models.join("; "))
}

fn picture(evidence: &mut Evidence, settings: &Settings, measured: &Measured) {
    let mut scales: Vec<f64> = measured.map.iter().map(|point| point.scale).collect();
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    let at = |scale: &f64| {
        let points = measured.map.iter().filter(|point| point.scale == *scale);
        let points: Vec<_> = points.map(|point| (point.head_size as f64, point.weights.clone())).collect();
        curve(format!("softmax, scale {scale}"), Kind::Plain, &points)
    };
    let n = measured.n;
    let scores = measured.map.iter().filter(|point| point.scale == scales[0]);
    let scores: Vec<_> = scores.map(|point| (point.head_size as f64, point.scores.mean())).collect();
    let figure = Lines {
        title: "Rank of the softmax over the rank of the scores".into(),
        x: PlotAxis::log("head size D"),
        y: PlotAxis::linear("numerical rank in f64"),
        curves: scales.iter().map(at).collect(),
        references: vec![Reference::curve("scores", scores)],
        settings: settings.record(),
    };
    let caption = format!(
        "Numerical rank in f64 of the bidirectional softmax at n = {n} over the head size, at each logit scale, and that \
         of the scores; mean and standard deviation over draws. At large scales every row picks one key."
    );
    evidence.show("rank-over-head-size", caption, figure);
}
