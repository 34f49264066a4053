//! What one decoding step costs with the cache and without: counted, and timed.

use super::dialogue::Dialogue;
use crate::axis::Axis;
use crate::claim::timing::{self, Task};
use crate::claim::{Evidence, Sample, Settings};
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::model::{Description, Input, KvCache, MaskChoice, Model};
use crate::numbers::{scaled, short};
use crate::ops::slice;
use crate::ops::work::{self, Work};
use crate::probe::Unobserved;
use crate::run::Run;

/// One step at one context.
struct Step {
    tokens: usize,
    counted: [Work; 2],
    seconds: [Sample; 2],
}

const WAYS: [&str; 2] = ["with_cache", "without_cache"];

/// What steps cost at every context, and what the cache holds.
pub(super) struct Cost {
    steps: Vec<Step>,
    bytes_per_token: f64,
}

pub(super) fn measure(settings: &Settings, dialogue: &Dialogue, run: &Run) -> Result<Cost> {
    let contexts = contexts(settings, dialogue)?;
    let repeats = settings.integer("repeats")?;
    let steps = contexts.iter().map(|&tokens| step(dialogue, tokens, repeats, run));
    Ok(Cost { steps: steps.collect::<Result<_>>()?, bytes_per_token: bytes_per_token(dialogue, run)? })
}

impl Cost {
    pub fn report(&self, evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue) {
        let d = dialogue.model.description();
        for step in &self.steps {
            record(evidence, d, step);
        }
        self.growth(evidence);
        self.weigh(evidence);
        let theory = (2 * d.layers * d.kv_heads * d.head_size * size_of::<f32>()) as f64;
        evidence.measure("cache_bytes_per_token", self.bytes_per_token, "bytes").expect(
            theory,
            0.5,
            "2·L·G·D numbers of 4 bytes",
        );
        evidence.measure("saved_by_grouped_queries", d.heads as f64 / d.kv_heads as f64, "times");
        pictures(evidence, settings, dialogue, &self.steps);
    }

    /// The exponent of T by which `of` grows.
    fn power(&self, of: impl Fn(&Step) -> f64) -> f64 {
        let points: Vec<_> = self.steps.iter().map(|step| (step.tokens as f64, of(step))).collect();
        timing::growth(&points)
    }

    fn flops_power(&self, way: usize) -> f64 {
        self.power(|step| step.counted[way].total() as f64)
    }

    fn growth(&self, evidence: &mut Evidence) {
        for (way, (name, theory)) in WAYS.iter().zip([1.0, 2.0]).enumerate() {
            let attention = self.power(|step| step.counted[way].activations as f64);
            evidence.measure(format!("growth_attention_flops_{name}"), attention, "power of T").expect(
                theory,
                1e-9,
                "theory: a row or the square of scores",
            );
            evidence.measure(format!("growth_flops_{name}"), self.flops_power(way), "power of T");
            let seconds = self.power(|step| timing::median(&step.seconds[way]));
            evidence.measure(format!("growth_seconds_{name}"), seconds, "power of T");
        }
    }

    /// The longest context in words.
    fn weigh(&self, evidence: &mut Evidence) {
        let Some(last) = self.steps.last() else { return };
        let [cached, full] = [0, 1].map(|way| last.counted[way].total() as f64);
        let [fast, slow] = [0, 1].map(|way| timing::median(&last.seconds[way]));
        let text = format!(
            "a step at T = {} takes {} with the cache and {} without, {} times as much; in time {} times (medians, \
             not part of the verdict); between the contexts measured, operations grow as T^{} and T^{}",
            last.tokens,
            scaled(cached, "FLOP"),
            scaled(full, "FLOP"),
            short(full / cached),
            short(slow / fast),
            short(self.flops_power(0)),
            short(self.flops_power(1)),
        );
        evidence.weigh(full > cached, text);
    }
}

fn contexts(settings: &Settings, dialogue: &Dialogue) -> Result<Vec<usize>> {
    let mut contexts = settings.integers("contexts")?;
    let most = dialogue.model.description().context;
    if let Some(long) = contexts.iter().find(|&&tokens| tokens > most) {
        let expected = format!("at most {most}, the context of {}", dialogue.name);
        return Err(Error::invalid("contexts", long, expected));
    }
    contexts.sort_unstable();
    contexts.dedup();
    if contexts.len() < 2 {
        return Err(Error::invalid("contexts", format!("{contexts:?}"), "two different ones or more"));
    }
    Ok(contexts)
}

fn step(dialogue: &Dialogue, tokens: usize, repeats: usize, run: &Run) -> Result<Step> {
    let model = dialogue.model.as_ref();
    let ids: Vec<u32> = dialogue.ids.iter().copied().cycle().take(tokens).collect();
    let (past, last) = ids.split_at(tokens - 1);
    let mut cache = model.cache(1)?;
    model.hidden_after(
        &mut cache,
        &Input::new(past.to_vec()),
        &MaskChoice::AsTrained,
        &mut Unobserved,
        run,
    )?;
    let (last, all) = (Input::new(last.to_vec()), Input::new(ids));
    let (first, with_cache) = work::count(|| with_cache(model, &cache, &last, run));
    first?;
    let (first, without_cache) = work::count(|| without_cache(model, &all, run));
    first?;
    let mut tasks: [Task<'_>; 2] = [
        Box::new(|| self::with_cache(model, &cache, &last, run)),
        Box::new(|| self::without_cache(model, &all, run)),
    ];
    let seconds = timing::in_turn(&mut tasks, repeats, &format!("timing T = {tokens}"), run)?;
    let [cached, full] = <[Sample; 2]>::try_from(seconds).expect("one sample a task");
    Ok(Step { tokens, counted: [with_cache, without_cache], seconds: [cached, full] })
}

/// One token on the cache of all before it, to its logits.
fn with_cache(model: &dyn Model, cache: &KvCache, token: &Input, run: &Run) -> Result<()> {
    let mut cache = cache.clone();
    let quiet = run.quiet(); // a progress bar is not what is timed
    let hidden = model.hidden_after(&mut cache, token, &MaskChoice::AsTrained, &mut Unobserved, &quiet)?;
    finish(model, &hidden)
}

/// All tokens again, to the logits of the last.
fn without_cache(model: &dyn Model, all: &Input, run: &Run) -> Result<()> {
    let hidden = model.hidden(all, &MaskChoice::AsTrained, &mut Unobserved, &run.quiet())?;
    finish(model, &slice(&hidden, Axis::Query, all.len() - 1..all.len())?)
}

/// Reads the logits, so that a GPU has done its work.
fn finish(model: &dyn Model, hidden: &crate::Tensor) -> Result<()> {
    if let Some(logits) = model.logits(hidden, &mut Unobserved)? {
        logits.to_vec()?;
    }
    Ok(())
}

/// Numbers in the matrices of all layers: 2·C·HD + 2·C·GD + 3·C·F each.
fn in_layers(d: &Description) -> f64 {
    let attention = 2 * d.width * d.head_size * (d.heads + d.kv_heads);
    (d.layers * (attention + 3 * d.width * d.feed_forward)) as f64
}

fn record(evidence: &mut Evidence, d: &Description, step: &Step) {
    let Step { tokens, counted, seconds } = step;
    let t = *tokens as f64;
    let per_pair = (4 * d.layers * d.heads * d.head_size) as f64;
    let logits = (2 * d.vocab * d.width) as f64;
    let theory =
        [2.0 * in_layers(d) + per_pair * t + logits, 2.0 * in_layers(d) * t + per_pair * t * t + logits];
    for (way, name) in WAYS.iter().enumerate() {
        let source = "2 per weight and token, 4·L·H·D per query and key, 2·V·C once";
        let total = counted[way].total() as f64;
        evidence.measure(format!("flops_{name}_t{tokens}"), total, "FLOP").expect(theory[way], 0.5, source);
        evidence.measure(format!("median_seconds_{name}_t{tokens}"), timing::median(&seconds[way]), "s");
        evidence.measure_sample(format!("seconds_{name}_t{tokens}"), seconds[way].clone(), "s");
    }
}

fn bytes_per_token(dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let mut cache = dialogue.model.cache(1)?;
    let input = dialogue.both_turns();
    dialogue.model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, run)?;
    Ok(cache.bytes() as f64 / cache.len() as f64)
}

fn pictures(evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue, steps: &[Step]) {
    let curve = |way: usize, y: &dyn Fn(&Step) -> f64| {
        let name = ["with cache", "without cache"][way];
        let kind = [Kind::Causal, Kind::Plain][way];
        Curve::new(name, kind, steps.iter().map(|step| (step.tokens as f64, y(step))))
    };
    let lines = |title: &str, y: &str, curves: Vec<Curve>| Lines {
        title: title.into(),
        x: PlotAxis::log("context T / tokens"),
        y: PlotAxis::log(y),
        curves,
        references: Vec::new(),
        settings: settings.record(),
    };
    let counted = [0, 1].map(|way| curve(way, &|step| step.counted[way].total() as f64 / 1e6));
    let caption = format!(
        "{}: operations of one decoding step, counted from the shapes of its products.",
        dialogue.name
    );
    evidence.show("step-flops", caption, lines("Operations of a step", "operations / MFLOP", counted.into()));
    let timed = [0, 1].map(|way| {
        let spread: Vec<f64> = steps.iter().map(|step| step.seconds[way].sd() * 1e3).collect();
        curve(way, &|step| timing::median(&step.seconds[way]) * 1e3).with_spread(spread)
    });
    let caption = format!(
        "{}: time of one decoding step on {}, medians with the standard deviation over the repeats, without a \
         lower end where that is below a tenth of the median.",
        dialogue.name,
        settings.device()
    );
    evidence.show("step-time", caption, lines("Time of a step", "time / ms", timed.into()));
}
