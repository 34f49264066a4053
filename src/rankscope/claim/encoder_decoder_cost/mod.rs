//! Claim: an encoder-decoder of 2L layers costs what a decoder of L layers costs.

mod models;
#[cfg(test)]
mod tests;

use super::timing;
use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Sample, Settings};
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::model::architecture::Pairs;
use crate::numbers::{scaled, short};
use crate::probe::Unobserved;
use crate::run::Run;

use models::{Models, NAMES, Point, ids, point};

/// See the module.
pub struct EncoderDecoderCost;

static ABOUT: About = About {
    id: "encoder-decoder-cost",
    statement: "An encoder-decoder of 2L layers costs what a decoder of L layers costs.",
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

static PARAMETERS: &[Parameter] = &[
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

impl Untyped for EncoderDecoderCost {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let tokens = settings.integer("tokens")?;
        let prompts = settings.integers("prompts")?;
        if let Some(long) = prompts.iter().find(|&&prompt| prompt >= tokens) {
            return Err(Error::invalid("prompts", long, format!("less than tokens = {tokens}")));
        }
        let models = Models::new(settings)?;
        let mut evidence = Evidence::new();
        parameters(&mut evidence, &models);
        caches(&mut evidence, &models, tokens, prompts[0], run)?;
        let points: Vec<Point> =
            prompts.iter().map(|&prompt| point(&models, settings, prompt, run)).collect::<Result<_>>()?;
        for point in &points {
            record(&mut evidence, &models, tokens, point);
        }
        weigh(&mut evidence, &points)?;
        picture(&mut evidence, settings, &points);
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let is_equal = |name: &str| Ok::<_, Error>((evidence.value(name)? - 1.0).abs() <= TOLERANCE);
        let (low, high) = ("smallest_flops_ratio", "largest_flops_ratio");
        let numbers = format!(
            "{} to {} times the operations, {} times the cache, {} times the parameters",
            short(evidence.value(low)?),
            short(evidence.value(high)?),
            short(evidence.value("cache_ratio")?),
            short(evidence.value("parameter_ratio")?)
        );
        let costs_the_same = is_equal(low)? && is_equal(high)? && is_equal("cache_ratio")?;
        Ok(match (costs_the_same, is_equal("parameter_ratio")?) {
            (true, true) => Opinion::new(Floating::Everywhere, numbers),
            (true, false) => {
                let because = format!("true of operations and cache, not of memory for weights: {numbers}");
                Opinion::new(Floating::InOneRegion, because)
            }
            (false, _) => Opinion::new(Floating::Nowhere, numbers),
        })
    }
}

fn parameters(evidence: &mut Evidence, models: &Models) {
    let [twice, equal] = [0, 1].map(|which| models.both[which].parameters());
    let counted = [models.decoder.parameters(), twice, equal];
    for (which, (name, count)) in NAMES.iter().zip(counted).enumerate() {
        let layers = models.layers_of(which);
        let formula = match which {
            0 => models.sizes.decoder_only(layers),
            _ => models.sizes.encoder_decoder(layers, layers),
        };
        evidence.measure(format!("parameters_{name}"), count.total as f64, "");
        evidence.measure(format!("parameters_outside_embedding_{name}"), count.non_embedding() as f64, "");
        evidence.expect(
            format!("parameters_{name}"),
            formula.total as f64,
            0.0,
            "the formulas of the shapes",
        );
    }
    let ratio = |which: usize| counted[which].non_embedding() as f64 / counted[0].non_embedding() as f64;
    evidence.measure("parameter_ratio", ratio(1), "times");
    evidence.measure("parameter_ratio_equal", ratio(2), "times");
}

/// Bytes of keys and values after a whole sequence.
fn caches(evidence: &mut Evidence, models: &Models, tokens: usize, prompt: usize, run: &Run) -> Result<()> {
    let ids = ids(models, tokens);
    let mut own = models.decoder.cache()?;
    models.decoder.hidden(&ids, Some(&mut own), &mut Unobserved, run)?;
    let memory = models.both[0].encode(&ids[..prompt], &mut Unobserved, run)?;
    let mut answer = models.both[0].cache()?;
    models.both[0].decode(&ids[prompt..], &memory, Some(&mut answer), &mut Unobserved, run)?;
    let (one, two) = (own.bytes() as f64, (memory.bytes() + answer.bytes()) as f64);
    evidence.measure("cache_bytes_decoder", one, "bytes");
    evidence.measure("cache_bytes_twice_the_layers", two, "bytes");
    evidence.measure("cache_ratio", two / one, "times");
    evidence.expect("cache_ratio", 1.0, 0.0, "theory: 2·L·G·D for each token, wherever it is read");
    Ok(())
}

fn record(evidence: &mut Evidence, models: &Models, tokens: usize, point: &Point) {
    let Point { prompt, costs } = point;
    for (which, (name, cost)) in NAMES.iter().zip(costs).enumerate() {
        let layers = models.layers_of(which);
        let theory = match which {
            0 => models.sizes.decoder_only_flops(layers, tokens, tokens - prompt, Pairs::All),
            _ => models.sizes.encoder_decoder_flops([layers, layers], *prompt, tokens, Pairs::All),
        };
        let flops = format!("flops_{name}_prompt{prompt}");
        evidence.measure(flops.clone(), cost.flops, "FLOP");
        evidence.expect(
            flops,
            theory as f64,
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

fn weigh(evidence: &mut Evidence, points: &[Point]) -> Result<()> {
    let range = |of: &dyn Fn(&Point) -> f64| Sample::new(points.iter().map(of)).extremes();
    let is_near = |(low, high): (f64, f64)| (low - 1.0).abs().max((high - 1.0).abs()) <= TOLERANCE;
    let words = |(low, high): (f64, f64)| format!("{} to {}", short(low), short(high));
    let flops = range(&|point| point.flops_ratio(1));
    evidence.measure("smallest_flops_ratio", flops.0, "times");
    evidence.measure("largest_flops_ratio", flops.1, "times");
    let text =
        format!("L + L layers take {} times the operations of L layers, over the prompts", words(flops));
    evidence.weigh(is_near(flops), text);
    let time = range(&|point| timing::median(&point.seconds_ratio(1)));
    let text = format!("L + L layers take {} times as long (medians; not part of the verdict)", words(time));
    evidence.weigh(is_near(time), text);
    let cache = evidence.value("cache_ratio")?;
    let text = format!("the caches after a whole sequence are {} times as large", short(cache));
    evidence.weigh(is_near((cache, cache)), text);
    let parameters = evidence.value("parameter_ratio")?;
    let text = format!(
        "outside the embedding it has {} times the parameters ({} against {})",
        short(parameters),
        scaled(evidence.value("parameters_outside_embedding_twice_the_layers")?, ""),
        scaled(evidence.value("parameters_outside_embedding_decoder")?, ""),
    );
    evidence.weigh(is_near((parameters, parameters)), text);
    let equal = range(&|point| point.flops_ratio(2));
    let text = format!(
        "at {} times the parameters an encoder-decoder takes {} of the operations: what counts is how many \
         layers a token crosses, not how many there are",
        short(evidence.value("parameter_ratio_equal")?),
        words(equal)
    );
    evidence.weigh(equal.1 < 1.0 - TOLERANCE, text);
    Ok(())
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
