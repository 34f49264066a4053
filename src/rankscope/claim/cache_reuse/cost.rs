//! The cost of one decoding step with the cache and without it: counted, and timed.

use super::*;

/// One step at one context, with the cache and without it.
struct Step {
    tokens: usize,
    costs: [Cost; 2],
}

const WAYS: [&str; 2] = ["with_cache", "without_cache"];

/// The cost of one decoding step with the cache and without it: counted, and timed.
pub(super) fn cost(
    evidence: &mut Evidence,
    settings: &Settings,
    dialogue: &Dialogue,
    run: &Run,
) -> Result<()> {
    let (d, repeats) = (dialogue.model.description(), settings.integer("repeats")?);
    let contexts = settings.ascending("contexts")?;
    if let Some(long) = contexts.iter().find(|&&tokens| tokens > d.context) {
        let expected = format!("at most {}, the context of {}", d.context, dialogue.name);
        return Err(Error::invalid("contexts", long, expected));
    }
    if contexts.len() < 2 {
        return Err(Error::invalid("contexts", format!("{contexts:?}"), "two different ones or more"));
    }
    let steps = contexts.into_iter().map(|tokens| step(dialogue, tokens, repeats, run));
    let steps = steps.collect::<Result<Vec<Step>>>()?;
    steps.iter().for_each(|step| record(evidence, d, step));
    // The exponent of T by which `of` grows.
    let power = |of: &dyn Fn(&Step) -> f64| {
        timing::growth(&steps.iter().map(|step| (step.tokens as f64, of(step))).collect::<Vec<_>>())
    };
    let flops_power = [0, 1].map(|way| power(&|step| step.costs[way].flops()));
    for (way, (name, theory)) in WAYS.iter().zip([1.0, 2.0]).enumerate() {
        let attention = power(&|step| step.costs[way].work.activations as f64);
        let measured = evidence.measure(format!("growth_attention_flops_{name}"), attention, "power of T");
        measured.expect(theory, 1e-9, "theory: a row or the square of scores");
        evidence.measure(format!("growth_flops_{name}"), flops_power[way], "power of T");
        let seconds = power(&|step| step.costs[way].seconds.median());
        evidence.measure(format!("growth_seconds_{name}"), seconds, "power of T");
    }
    let last = &steps[steps.len() - 1];
    let [cached, full] = [0, 1].map(|way| last.costs[way].flops());
    let [fast, slow] = [0, 1].map(|way| last.costs[way].seconds.median());
    let [more, longer, power, power_without] =
        [full / cached, slow / fast, flops_power[0], flops_power[1]].map(short);
    let text = format!(
        "a step at T = {} takes {} with the cache and {} without, {more} times as much; in time {longer} times (medians, not \
         part of the verdict); between the contexts measured, operations grow as T^{power} and T^{power_without}",
        last.tokens,
        scaled(cached, "FLOP"),
        scaled(full, "FLOP")
    );
    evidence.weigh(full > cached, text);
    let mut cache = dialogue.model.cache(1)?;
    let both_turns = Input::new(dialogue.ids.clone());
    dialogue.model.hidden_after(&mut cache, &both_turns, &MaskChoice::AsTrained, &mut Unobserved, run)?;
    let theory = (2 * d.layers * d.kv_heads * d.head_size * size_of::<f32>()) as f64;
    let bytes = cache.bytes() as f64 / cache.len() as f64;
    let measured = evidence.measure("cache_bytes_per_token", bytes, "bytes");
    measured.expect(theory, 0.5, "2·L·G·D numbers of 4 bytes");
    evidence.measure("saved_by_grouped_queries", d.heads as f64 / d.kv_heads as f64, "times");
    plot_steps(evidence, settings, dialogue, &steps);
    Ok(())
}

fn step(dialogue: &Dialogue, tokens: usize, repeats: usize, run: &Run) -> Result<Step> {
    let model = dialogue.model.as_ref();
    let ids: Vec<u32> = dialogue.ids.iter().copied().cycle().take(tokens).collect();
    let (past, last) = ids.split_at(tokens - 1);
    let (mut cache, mask) = (model.cache(1)?, MaskChoice::AsTrained);
    model.hidden_after(&mut cache, &Input::new(past.to_vec()), &mask, &mut Unobserved, run)?;
    let (last, all, quiet) = (Input::new(last.to_vec()), Input::new(ids.clone()), run.quiet());
    // Reads the logits, so that a GPU has done its work.
    let finish = |hidden: &Tensor| -> Result<()> {
        model.logits(hidden, &mut Unobserved)?.map_or(Ok(()), |logits| logits.to_vec().map(drop))
    };
    // One token with a cache of all earlier tokens, and a pass over all tokens.
    let with_cache = || {
        let mut cache: KvCache = cache.clone();
        finish(&model.hidden_after(&mut cache, &last, &mask, &mut Unobserved, &quiet)?)
    };
    let without_cache = || {
        let hidden = model.hidden(&all, &mask, &mut Unobserved, &quiet)?;
        finish(&slice(&hidden, Axis::Query, tokens - 1..tokens)?)
    };
    let stage = format!("timing T = {tokens}");
    let costs = timing::costs([Box::new(with_cache), Box::new(without_cache)], repeats, &stage, run)?;
    Ok(Step { tokens, costs })
}

fn record(evidence: &mut Evidence, d: &Description, Step { tokens, costs }: &Step) {
    let t = *tokens as f64;
    // The number of weights in the matrices of all layers: 2·C·HD + 2·C·GD + 3·C·F each.
    let attention = 2 * d.width * d.head_size * (d.heads + d.kv_heads);
    let weights = 2.0 * (d.layers * (attention + 3 * d.width * d.feed_forward)) as f64;
    let per_pair = (4 * d.layers * d.heads * d.head_size) as f64;
    let logits = (2 * d.vocab * d.width) as f64;
    let theory = [weights + per_pair * t + logits, weights * t + per_pair * t * t + logits];
    for ((name, cost), theory) in WAYS.iter().zip(costs).zip(theory) {
        let source = "2 per weight and token, 4·L·H·D per query and key, 2·V·C once";
        cost.report(evidence, &format!("{name}_t{tokens}"), theory, source);
    }
}

fn plot_steps(evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue, steps: &[Step]) {
    let curve = |way: usize, y: &dyn Fn(&Step) -> f64| {
        let (name, kind) = [("with cache", Kind::Causal), ("without cache", Kind::Plain)][way];
        Curve::new(name, kind, steps.iter().map(|step| (step.tokens as f64, y(step))))
    };
    let axes = |y: &str| [PlotAxis::log("context T / tokens"), PlotAxis::log(y)];
    let counted = [0, 1].map(|way| curve(way, &|step| step.costs[way].flops() / 1e6));
    let figure = lines("Operations of a step", axes("operations / MFLOP"), counted.into(), Vec::new());
    let name = &dialogue.name;
    let caption =
        format!("{name}: operations of one decoding step, counted from the shapes of its products.");
    evidence.plot("step-flops", caption, figure);
    let timed = [0, 1].map(|way| {
        let spread: Vec<f64> = steps.iter().map(|step| step.costs[way].seconds.sd() * 1e3).collect();
        curve(way, &|step| step.costs[way].seconds.median() * 1e3).with_spread(spread)
    });
    let caption = format!(
        "{name}: time of one decoding step on {}, medians with the standard deviation over the repeats, without a lower \
         end where that is below a tenth of the median.",
        settings.device()
    );
    evidence.plot("step-time", caption, lines("Time of a step", axes("time / ms"), timed.into(), Vec::new()));
}
