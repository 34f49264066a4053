//! Claim: an encoder-decoder of L + L layers takes the operations of a decoder of L layers, within a quarter.

mod models;
#[cfg(test)]
mod tests;

use super::timing;
use super::{About, Allowed, Evidence, Exact, Experiment, Parameter, Sample, Settings, Verdict};
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::model::count::{non_embedding, total};
use crate::numbers::{scaled, short};
use crate::run::Run;

use models::{Models, NAMES, Point, point};

/// See the module.
pub struct EncoderDecoderCost;

const ABOUT: About = About {
    id: "encoder-decoder-cost",
    statement: "An encoder-decoder of L + L layers takes about the operations of a decoder of L layers: within a \
                quarter.",
    source: "Raffel et al. 2020 (T5), as commonly cited; the shapes are those of RedLLM and DecLLM, arXiv \
             2510.26622",
    exact: "Every token crosses L layers in either. Without cross-attention the weights' operations are equal at \
            twice the parameters; cross-attention adds half of its weights to every decoder token and half to \
            every prompt token, so with F = 4C, H·D = C and as many key/value heads as query heads every token takes \
            18/16 of the decoder-only model's. The cache is equal: \
            self-attention over what is decoded and cross-attention over the prompt hold as much as \
            self-attention over both.",
    reconsider: "Sizes at which cross-attention weighs more, such as a narrow feed-forward network, or a device on \
                 which two passes one after the other cost more than one.",
};

const fn size(name: &'static str, summary: &'static str, most: u64, default: &'static str) -> Parameter {
    Parameter { name, summary, allowed: Allowed::Integer(1, most), quick: default, full: default }
}

const PARAMETERS: &[Parameter] = &[
    size("layers", "L of the decoder-only model; the encoder-decoder has L + L", 64, "9"),
    size("width", "C", 1024, "96"),
    size("heads", "H; query, key and value heads", 32, "3"),
    size("head_size", "D", 256, "32"),
    size("feed_forward", "F", 4096, "384"),
    size("vocab", "V", 32768, "512"),
    Parameter {
        name: "tokens",
        summary: "tokens of a sequence, prompt and answer",
        allowed: Allowed::Integer(2, 2048),
        quick: "256",
        full: "1024",
    },
    Parameter {
        name: "prompts",
        summary: "tokens of the prompt, which the encoder reads",
        allowed: Allowed::Integers(1, 2047),
        quick: "32,128,224",
        full: "64,256,512,768,960",
    },
    Parameter {
        name: "repeats",
        summary: "timed passes",
        allowed: Allowed::Integer(1, 1000),
        quick: "5",
        full: "21",
    },
];

/// How far a ratio may be from 1 for two costs to be called equal.
const TOLERANCE: f64 = 0.25;

/// What the experiment finds.
pub struct Measured {
    models: Models,
    tokens: usize,
    /// Bytes of keys and values after a whole sequence: of the decoder-only model, of L + L layers.
    caches: [usize; 2],
    points: Vec<Point>,
}

impl Experiment for EncoderDecoderCost {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let tokens = settings.integer("tokens")?;
        let prompts = settings.integers("prompts")?;
        if let Some(long) = prompts.iter().find(|&&prompt| prompt >= tokens) {
            return Err(Error::invalid("prompts", long, format!("less than tokens = {tokens}")));
        }
        let models = Models::new(settings)?;
        let caches = models.caches(tokens, prompts[0], run)?;
        let points = prompts.iter().map(|&prompt| point(&models, settings, prompt, run));
        Ok(Measured { points: points.collect::<Result<_>>()?, models, tokens, caches })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let Measured { models, tokens, .. } = measured;
        let ratios: Vec<_> =
            (1..*tokens).map(|prompt| (prompt, models.flops_ratio(prompt, *tokens))).collect();
        let furthest = ratios.iter().max_by(|a, b| (a.1 - 1.0).abs().total_cmp(&(b.1 - 1.0).abs()));
        let &(prompt, ratio) = furthest.expect("a sequence has two tokens or more");
        let others = format!(
            "its cache is {} times as large, its parameters are {} times as many",
            short(measured.cache_ratio()),
            short(models.parameter_ratio(1))
        );
        if is_near(ratio) {
            let (low, high) = Sample::new(ratios.iter().map(|(_, ratio)| *ratio)).extremes();
            let because = format!(
                "Counted at every prompt of a sequence of {tokens} tokens: {} to {} times the operations; {others}.",
                short(low),
                short(high)
            );
            Verdict::new().exact(Exact::Proved, because)
        } else {
            let because = format!(
                "With a prompt of {prompt} of {tokens} tokens it takes {} times the operations; \
                 {others}.",
                short(ratio)
            );
            Verdict::new().exact(Exact::Refuted, because)
        }
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        parameters(&mut evidence, &measured.models);
        let [one, two] = measured.caches.map(|bytes| bytes as f64);
        evidence.measure("cache_bytes_decoder", one, "bytes");
        evidence.measure("cache_bytes_twice_the_layers", two, "bytes");
        evidence.measure("cache_ratio", measured.cache_ratio(), "times").expect(
            1.0,
            0.0,
            "theory: 2·L·G·D for each token, wherever it is read",
        );
        for point in &measured.points {
            record(&mut evidence, &measured.models, measured.tokens, point);
        }
        weigh(&mut evidence, &measured);
        picture(&mut evidence, settings, &measured.points);
        Ok(evidence)
    }
}

impl Measured {
    /// The cache of L + L layers over that of the decoder-only model.
    fn cache_ratio(&self) -> f64 {
        self.caches[1] as f64 / self.caches[0] as f64
    }
}

/// Whether two costs of this ratio are called equal.
fn is_near(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= TOLERANCE
}

fn parameters(evidence: &mut Evidence, models: &Models) {
    for (which, name) in NAMES.iter().enumerate() {
        let parts = models.sizes(which).parts();
        evidence.measure(format!("parameters_{name}"), models.parameters(which) as f64, "").expect(
            total(&parts) as f64,
            0.0,
            "the formulas of the shapes",
        );
        let outside = non_embedding(&parts) as f64;
        evidence.measure(format!("parameters_outside_embedding_{name}"), outside, "");
    }
    evidence.measure("parameter_ratio", models.parameter_ratio(1), "times");
    evidence.measure("parameter_ratio_equal", models.parameter_ratio(2), "times");
}

fn record(evidence: &mut Evidence, models: &Models, tokens: usize, point: &Point) {
    let Point { prompt, costs } = point;
    for (which, (name, cost)) in NAMES.iter().zip(costs).enumerate() {
        evidence.measure(format!("flops_{name}_prompt{prompt}"), cost.flops, "FLOP").expect(
            models.flops(which, *prompt, tokens) as f64,
            0.5,
            "2 per weight and token that visits it, 4·H·D per pair and layer",
        );
        let seconds = format!("seconds_{name}_prompt{prompt}");
        evidence.measure(format!("median_{seconds}"), timing::median(&cost.seconds), "s");
        evidence.measure_sample(seconds, cost.seconds.clone(), "s");
        if which > 0 {
            evidence.measure(format!("flops_ratio_{name}_prompt{prompt}"), point.flops_ratio(which), "times");
            let ratio = point.seconds_ratio(which);
            evidence.measure(
                format!("median_seconds_ratio_{name}_prompt{prompt}"),
                timing::median(&ratio),
                "times",
            );
            evidence.measure_sample(format!("seconds_ratio_{name}_prompt{prompt}"), ratio, "times");
        }
    }
}

fn weigh(evidence: &mut Evidence, measured: &Measured) {
    let Measured { models, points, .. } = measured;
    let range = |of: &dyn Fn(&Point) -> f64| Sample::new(points.iter().map(of)).extremes();
    let are_near = |(low, high): (f64, f64)| is_near(low) && is_near(high);
    let words = |(low, high): (f64, f64)| format!("{} to {}", short(low), short(high));
    let flops = range(&|point| point.flops_ratio(1));
    evidence.measure("smallest_flops_ratio", flops.0, "times");
    evidence.measure("largest_flops_ratio", flops.1, "times");
    let text =
        format!("L + L layers take {} times the operations of L layers, over the prompts", words(flops));
    evidence.weigh(are_near(flops), text);
    let time = range(&|point| timing::median(&point.seconds_ratio(1)));
    let text = format!("L + L layers take {} times as long (medians; not part of the verdict)", words(time));
    evidence.weigh(are_near(time), text);
    let cache = measured.cache_ratio();
    let text = format!("the caches after a whole sequence are {} times as large", short(cache));
    evidence.weigh(is_near(cache), text);
    let outside = |which: usize| scaled(non_embedding(&models.sizes(which).parts()) as f64, "");
    let text = format!(
        "outside the embedding it has {} times the parameters ({} against {})",
        short(models.parameter_ratio(1)),
        outside(1),
        outside(0),
    );
    evidence.weigh(is_near(models.parameter_ratio(1)), text);
    let equal = range(&|point| point.flops_ratio(2));
    let text = format!(
        "at {} times the parameters an encoder-decoder takes {} of the operations: what counts is how many \
         layers a token crosses, not how many there are",
        short(models.parameter_ratio(2)),
        words(equal)
    );
    evidence.weigh(equal.1 < 1.0 - TOLERANCE, text);
}

fn picture(evidence: &mut Evidence, settings: &Settings, points: &[Point]) {
    let curve = |name: &str, of: &dyn Fn(&Point) -> f64| {
        Curve::new(name, Kind::Plain, points.iter().map(|point| (point.prompt as f64, of(point))))
    };
    let timed = |name: &str, which: usize| {
        let spread: Vec<f64> = points.iter().map(|point| point.seconds_ratio(which).sd()).collect();
        curve(name, &|point| timing::median(&point.seconds_ratio(which))).with_spread(spread)
    };
    let figure = Lines {
        title: "Cost of an encoder-decoder against a decoder".into(),
        x: PlotAxis::linear("prompt / tokens"),
        y: PlotAxis::linear("cost / cost of the decoder-only model"),
        curves: vec![
            curve("operations, 2L layers", &|point| point.flops_ratio(1)),
            timed("time, 2L layers", 1),
            curve("operations, equal parameters", &|point| point.flops_ratio(2)),
            timed("time, equal parameters", 2),
        ],
        references: vec![Reference::level("equal cost", 1.0)],
        settings: settings.record(),
    };
    let caption = format!(
        "One pass over prompt and answer, as a multiple of the decoder-only model's: operations counted from the \
         shapes of the products, time on {} as the median over rounds with its standard deviation.",
        settings.device()
    );
    evidence.show("cost-ratio", caption, figure);
}
