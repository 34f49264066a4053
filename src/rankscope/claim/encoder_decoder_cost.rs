//! Claim: an encoder-decoder of L + L layers takes the operations of a decoder of L layers, within a quarter.

use serde_json::Value;

use super::Parameter;
use super::prelude::*;
use super::timing::{self, Cost, Task};
use crate::axis::Axis;
use crate::model::count::{Load, ModelSizes, Pairs, non_embedding, total};
use crate::model::preset::PairSizes;
use crate::model::{self, Config, Input, MaskChoice, Model};
use crate::numbers::scaled;
use crate::ops::slice;
use crate::probe::Unobserved;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "encoder-decoder-cost",
        group: Group::Cost,
        statement: "An encoder-decoder of L + L layers takes about the operations of a decoder of L layers: within a \
                    quarter.",
        source: "Raffel et al. 2020 (T5), as commonly cited; the shapes are those of RedLLM and DecLLM, arXiv \
                 2510.26622",
        exact: "Every token crosses L layers in either. Without cross-attention the weights' operations are equal at \
                twice the parameters; cross-attention adds half of its weights to every decoder token and half to \
                every prompt token, so with F = 4C, H·D = C and as many key/value heads as query heads every token takes \
                18/16 of the decoder-only model's. The cache is equal: self-attention over what is decoded and \
                cross-attention over the prompt hold as much as self-attention over both.",
        reconsider: "Sizes at which cross-attention weighs more, such as a narrow feed-forward network, or a device on \
                     which two passes one after the other cost more than one.",
    },
    parameters: &[
        size("layers", "L of the decoder-only model; the encoder-decoder has L + L", 64, "9"),
        size("width", "C", 1024, "96"),
        size("heads", "H; query, key and value heads", 32, "3"),
        size("head_size", "D", 256, "32"),
        size("feed_forward", "F", 4096, "384"),
        size("vocab", "V", 32768, "512"),
        set("tokens", "tokens of a sequence, prompt and answer", Integer(2, 2048), ["256", "1024"]),
        set("prompts", "tokens of the prompt, which the encoder reads", Integers(1, 2047), PROMPTS),
        set("repeats", "timed passes", Integer(1, 1000), ["5", "21"]),
    ],
    decide,
};

const PROMPTS: [&str; 2] = ["32,128,224", "64,256,512,768,960"];

const fn size(name: &'static str, summary: &'static str, most: u64, value: &'static str) -> Parameter {
    set(name, summary, Integer(1, most), [value, value])
}

/// The largest difference of a ratio from 1 for which two costs count as equal.
const TOLERANCE: f64 = 0.25;

fn is_near(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= TOLERANCE
}

/// The names of the models in measurements: a DecLLM, and RedLLMs of its sizes with L + L layers and of equal
/// parameters.
const NAMES: [&str; 3] = ["decoder", "twice_the_layers", "equal_parameters"];

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (tokens, prompts) = (settings.integer("tokens")?, settings.integers("prompts")?);
    if let Some(long) = prompts.iter().find(|&&prompt| prompt >= tokens) {
        return Err(Error::invalid("prompts", long, format!("less than tokens = {tokens}")));
    }
    let models = Models::new(settings)?;
    let mut evidence = Evidence::new(settings);
    parameters(&mut evidence, &models);
    let bytes = |which: usize| models.cache_bytes(which, tokens, prompts[0], run);
    let (one, two) = (bytes(0)?, bytes(1)?);
    evidence.measure("cache_bytes_decoder", one, "bytes");
    evidence.measure("cache_bytes_twice_the_layers", two, "bytes");
    let theory = "theory: 2·L·G·D for each token, wherever it is read";
    evidence.measure("cache_ratio", two / one, "times").expect(1.0, 0.0, theory);
    let points = prompts.iter().map(|&prompt| point(&models, settings, prompt, run));
    let points = points.collect::<Result<Vec<_>>>()?;
    points.iter().for_each(|point| record(&mut evidence, &models, tokens, point));
    weigh(&mut evidence, &models, two / one, &points);
    plot(&mut evidence, settings, &points);
    Ok((evidence, Verdict::of(Some(exact(&models, tokens, two / one)), None, None)))
}

/// Counts operations for every length of the prompt.
fn exact(models: &Models, tokens: usize, cache: f64) -> (Exact, String) {
    let ratio = |prompt: usize| models.flops(1, prompt, tokens) / models.flops(0, prompt, tokens);
    let ratios: Vec<_> = (1..tokens).map(|prompt| (prompt, ratio(prompt))).collect();
    let furthest = ratios.iter().max_by(|a, b| (a.1 - 1.0).abs().total_cmp(&(b.1 - 1.0).abs()));
    let &(prompt, ratio) = furthest.expect("a sequence has two tokens or more");
    let others = format!(
        "its cache is {}, its parameters are {}",
        times(cache, "as large", "the same size"),
        times(models.parameter_ratio(1), "as many", "as many")
    );
    if !is_near(ratio) {
        let ratio = short(ratio);
        let because = format!(
            "With a prompt of {prompt} of {tokens} tokens it takes {ratio} times the operations; {others}."
        );
        return (Exact::Refuted, because);
    }
    let (low, high) = Sample::new(ratios.iter().map(|(_, ratio)| *ratio)).extremes();
    let because = format!(
        "Counted at every prompt of a sequence of {tokens} tokens: {} to {} times the operations; {others}.",
        short(low),
        short(high)
    );
    (Exact::Proved, because)
}

/// The three models of [`NAMES`].
struct Models([(Box<dyn Model>, ModelSizes); 3]);

impl Models {
    fn new(settings: &Settings) -> Result<Self> {
        let of = |name: &str| settings.integer(name);
        let sizes = PairSizes {
            width: of("width")?,
            heads: of("heads")?,
            kv_heads: of("heads")?,
            head_size: of("head_size")?,
            feed_forward: of("feed_forward")?,
            vocab: of("vocab")?,
            context: of("tokens")?,
        };
        if !sizes.head_size.is_multiple_of(2) {
            let expected = "an even number for rotary positions";
            return Err(Error::invalid("head_size", sizes.head_size, expected));
        }
        let layers = of("layers")?;
        let read = |config: Value| Config::from_value("a model of this claim", config);
        let parameters = |config: Value| Ok::<_, Error>(total(&ModelSizes::of(&read(config)?)?.parts()));
        let goal = parameters(sizes.decllm(layers))?;
        let mut equal = (u128::MAX, 1);
        for each in 1..=layers {
            equal = equal.min((parameters(sizes.redllm([each; 2]))?.abs_diff(goal), each));
        }
        let build = |config: Value| {
            let config = read(config)?;
            let model = model::seeded(&config, settings.seed()?, settings.device())?;
            Ok::<_, Error>((model, ModelSizes::of(&config)?))
        };
        let pair = |layers: usize| build(sizes.redllm([layers; 2]));
        Ok(Models([build(sizes.decllm(layers))?, pair(layers)?, pair(equal.1)?]))
    }

    fn outside_embedding(&self, which: usize) -> f64 {
        non_embedding(&self.0[which].1.parts()) as f64
    }

    /// The ratio of parameters outside the embedding to those of the decoder-only model.
    fn parameter_ratio(&self, which: usize) -> f64 {
        self.outside_embedding(which) / self.outside_embedding(0)
    }

    /// Operations of a pass by formula.
    fn flops(&self, which: usize, prompt: usize, tokens: usize) -> f64 {
        let source = if which == 0 { 0 } else { prompt };
        self.0[which].1.pass(Load { batch: 1, tokens, source }, tokens - prompt, Pairs::All).total() as f64
    }

    /// Bytes of keys and values after a whole sequence.
    fn cache_bytes(&self, which: usize, tokens: usize, prompt: usize, run: &Run) -> Result<f64> {
        let (model, input) = (&self.0[which].0, self.input(which, tokens, prompt));
        let mut cache = model.cache(1)?;
        model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, run)?;
        Ok(cache.bytes() as f64)
    }

    /// Prompt and answer: as one text for a decoder, or as two sides for an encoder-decoder.
    fn input(&self, which: usize, tokens: usize, prompt: usize) -> Input {
        let vocab = self.0[0].1.vocab as u32;
        let mut ids: Vec<u32> = (0..tokens).map(|i| (i * 37 + 11) as u32 % vocab).collect();
        if which == 0 {
            return Input::new(ids);
        }
        let answer = ids.split_off(prompt);
        Input::new(ids).with_decoder(answer)
    }

    /// One pass, to the logits of the answer, which are read so that a GPU has done its work.
    fn pass(&self, which: usize, tokens: usize, prompt: usize, run: &Run) -> Result<()> {
        let (model, input) = (&self.0[which].0, self.input(which, tokens, prompt));
        let mut hidden = model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &run.quiet())?;
        if which == 0 {
            hidden = slice(&hidden, Axis::Query, prompt..tokens)?;
        }
        model.logits(&hidden, &mut Unobserved)?.map_or(Ok(()), |logits| logits.to_vec().map(drop))
    }
}

/// One length of the prompt: operations and seconds of a pass of each model.
struct Point {
    prompt: usize,
    costs: [Cost; 3],
}

impl Point {
    /// The ratio of an encoder-decoder's operations to those of the decoder-only model.
    fn flops_ratio(&self, which: usize) -> f64 {
        self.costs[which].flops() / self.costs[0].flops()
    }

    /// The ratio of the times, round by round.
    fn seconds_ratio(&self, which: usize) -> Sample {
        let [one, other] = [which, 0].map(|which| self.costs[which].seconds.values());
        one.iter().zip(other).map(|(one, other)| one / other).collect()
    }
}

fn point(models: &Models, settings: &Settings, prompt: usize, run: &Run) -> Result<Point> {
    let (tokens, repeats) = (settings.integer("tokens")?, settings.integer("repeats")?);
    let task = |which: usize| -> Task<'_> { Box::new(move || models.pass(which, tokens, prompt, run)) };
    let stage = format!("timing, prompt of {prompt}");
    Ok(Point { prompt, costs: timing::costs([task(0), task(1), task(2)], repeats, &stage, run)? })
}

fn parameters(evidence: &mut Evidence, models: &Models) {
    for (which, name) in NAMES.iter().enumerate() {
        let (model, sizes) = &models.0[which];
        let built = model.description().parameters as f64;
        let measured = evidence.measure(format!("parameters_{name}"), built, "");
        measured.expect(total(&sizes.parts()) as f64, 0.0, "the formulas of the shapes");
        let outside = models.outside_embedding(which);
        evidence.measure(format!("parameters_outside_embedding_{name}"), outside, "");
    }
    evidence.measure("parameter_ratio", models.parameter_ratio(1), "times");
    evidence.measure("parameter_ratio_equal", models.parameter_ratio(2), "times");
}

fn record(evidence: &mut Evidence, models: &Models, tokens: usize, point: &Point) {
    let prompt = point.prompt;
    for (which, name) in NAMES.iter().enumerate() {
        let (known, place) = (models.flops(which, prompt, tokens), format!("{name}_prompt{prompt}"));
        let source = "2 per weight and token that visits it, 4·H·D per pair and layer";
        point.costs[which].report(evidence, &place, known, source);
        if which > 0 {
            let ratio = point.seconds_ratio(which);
            evidence.measure(format!("flops_ratio_{place}"), point.flops_ratio(which), "times");
            evidence.measure(format!("median_seconds_ratio_{place}"), ratio.median(), "times");
            evidence.measure_sample(format!("seconds_ratio_{place}"), ratio, "times");
        }
    }
}

fn weigh(evidence: &mut Evidence, models: &Models, cache: f64, points: &[Point]) {
    let range = |of: &dyn Fn(&Point) -> f64| Sample::new(points.iter().map(of)).extremes();
    let are_near = |(low, high): (f64, f64)| is_near(low) && is_near(high);
    let words = |(low, high): (f64, f64)| format!("{} to {}", short(low), short(high));
    let flops = range(&|point| point.flops_ratio(1));
    evidence.measure("smallest_flops_ratio", flops.0, "times");
    evidence.measure("largest_flops_ratio", flops.1, "times");
    let text =
        format!("L + L layers take {} times the operations of L layers, over the prompts", words(flops));
    evidence.weigh(are_near(flops), text);
    let time = range(&|point| point.seconds_ratio(1).median());
    let text = format!("L + L layers take {} times as long (medians; not part of the verdict)", words(time));
    evidence.weigh(are_near(time), text);
    let text = format!("the caches after a whole sequence are {}", times(cache, "as large", "the same size"));
    evidence.weigh(is_near(cache), text);
    let [one, two] = [0, 1].map(|which| scaled(models.outside_embedding(which), ""));
    let ratio = models.parameter_ratio(1);
    let text =
        format!("outside the embedding it has {} times the parameters ({two} against {one})", short(ratio));
    evidence.weigh(is_near(ratio), text);
    let equal = range(&|point| point.flops_ratio(2));
    let text = format!(
        "at {} an encoder-decoder takes {} of the operations: what counts is how many layers a token crosses, \
         not how many there are",
        times(models.parameter_ratio(2), "the parameters", "equal parameters"),
        words(equal)
    );
    evidence.weigh(equal.1 < 1.0 - TOLERANCE, text);
}

fn plot(evidence: &mut Evidence, settings: &Settings, points: &[Point]) {
    let curve = |name: &str, of: &dyn Fn(&Point) -> f64| {
        Curve::new(name, Kind::Plain, points.iter().map(|point| (point.prompt as f64, of(point))))
    };
    let timed = |name: &str, which: usize| {
        let spread: Vec<f64> = points.iter().map(|point| point.seconds_ratio(which).sd()).collect();
        curve(name, &|point| point.seconds_ratio(which).median()).with_spread(spread)
    };
    let curves = vec![
        curve("operations, 2L layers", &|point| point.flops_ratio(1)),
        timed("time, 2L layers", 1),
        curve("operations, equal parameters", &|point| point.flops_ratio(2)),
        timed("time, equal parameters", 2),
    ];
    let axes =
        [PlotAxis::linear("prompt / tokens"), PlotAxis::linear("cost / cost of the decoder-only model")];
    let references = vec![Reference::level("equal cost", 1.0)];
    let caption = format!(
        "One pass over prompt and answer, as a multiple of the decoder-only model's: operations counted from the shapes \
         of the products, time on {} as the median over rounds with its standard deviation.",
        settings.device()
    );
    let title = "Cost of an encoder-decoder against a decoder";
    evidence.plot("cost-ratio", caption, lines(title, axes, curves, references));
}
