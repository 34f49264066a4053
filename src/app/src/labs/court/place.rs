//! Where a trial or a finding can be seen: a lab, and its state with the settings of the measurement.

use rankscope::claim::{Settings, Trial};
use serde_json::{Map, Value, json};

use crate::lab;
use crate::labs::collapse::state::MOST_LAYERS;
use crate::labs::mask::state::MOST_POSITIONS;

/// A lab and the state in which it shows what a claim is about.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// The lab.
    pub lab: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its state.
    pub state: Value,
}

/// The places where a trial and each of its findings can be seen, or why there is none.
#[derive(Default)]
pub struct Places {
    /// What the claim is about, with the settings of the trial.
    pub trial: Option<Result<Place, String>>,
    /// The findings.
    pub findings: Vec<Result<Place, String>>,
}

impl Places {
    /// The places of a trial.
    pub fn of(trial: &Trial) -> Self {
        let place = |at: &Map<String, Value>| of(trial.about.id, &trial.settings, at);
        let findings = trial.evidence.findings().iter().map(|finding| place(&finding.at));
        Places { trial: Some(place(&Map::new())), findings: findings.collect() }
    }
}

/// The place that shows a trial with these settings, or one finding of it that was measured `at` others.
///
/// # Errors
/// Why no lab shows it, in one sentence.
fn of(claim: &str, settings: &Settings, at: &Map<String, Value>) -> Result<Place, String> {
    let settings = settings.values().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let (lab, state) = named(claim, &Run { settings, at })?;
    let row = lab::named(lab)?;
    (row.check)(state.clone()).map_err(|problem| format!("not in the lab {}: {problem}", row.title))?;
    Ok(Place { lab: row.id, title: row.title, state })
}

/// The lab and the state of every claim. Parts of the state that are not named here are as in the lab's first state.
fn named(claim: &str, run: &Run) -> Result<(&'static str, Value), String> {
    let hidden = [
        ("quoted", "quoted from a paper, not measured here"),
        ("draw", "measured on a stored draw, which no lab has"),
        ("width", "measured on tokens of another width, which the lab does not have"),
    ];
    if let Some((_, why)) = hidden.into_iter().find(|(name, _)| run.at.contains_key(*name)) {
        return Err(why.to_owned());
    }
    if run.at.contains_key("model") {
        return Ok(("model", heads(claim, run)));
    }
    Ok(match claim {
        "bidirectional-low-rank" | "softmax-raises-rank" | "softmax-rank" => {
            ("mask", mask(run, "softmax", "bidirectional")?)
        }
        "linear-attention-rank" => ("mask", mask(run, "linear", "bidirectional")?),
        "linear-attention-causal-rank" | "block-rank" => ("mask", mask(run, "linear", "causal")?),
        "learned-sink" if run.at.contains_key("layers") => {
            return Err("measured with a sink in every layer, which the collapse tower does not have".into());
        }
        "causal-full-rank"
        | "rank-is-information"
        | "mixed-directions"
        | "positive-determinant"
        | "learned-sink" => ("mask", mask(run, "softmax", "causal")?),
        "head-size-bottleneck" | "fixed-head-size" => ("theorem", pattern(run)),
        "depth-collapse" => ("collapse", tower(run, run.get("layers"))),
        "first-token-drift" => ("collapse", drift(run)),
        "mask-carries-position" | "mask-tells-order" => ("collapse", order(run)),
        "cache-reuse" | "only-causal-reuse" => ("cache", dialogue(run)),
        "encoder-decoder-cost" => ("model", json!({ "left": { "model": "english-redllm" } })),
        "trained-low-rank" | "last-token-memory" => ("model", heads(claim, run)),
        // The lab trains the same twins, or further ones; results that are kept are shown at once.
        _ => ("training", twins(run)),
    })
}

/// The settings of a trial, and those of one finding of it.
struct Run<'a> {
    settings: Map<String, Value>,
    at: &'a Map<String, Value>,
}

/// The largest of the ascending values that a lab takes; the first value, if it takes none.
fn largest(most: usize) -> impl Fn(&[Value]) -> Option<&Value> {
    let fits = move |value: &&Value| value.as_u64().is_some_and(|value| value <= most as u64);
    move |all| all.iter().rev().find(fits).or(all.first())
}

impl Run<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        self.at.get(name).or_else(|| self.settings.get(name)).cloned()
    }

    /// A setting, or one of the several values that the trial has of it.
    fn one(&self, name: &str, several: &str, choice: impl Fn(&[Value]) -> Option<&Value>) -> Option<Value> {
        let of_several = || choice(self.settings.get(several)?.as_array()?).cloned();
        self.get(name).or_else(of_several)
    }

    fn n(&self) -> Option<usize> {
        Some(self.one("n", "lengths", largest(MOST_POSITIONS))?.as_u64()? as usize)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned).filter(|text| !text.is_empty())
    }
}

/// A state with those parts that are given.
fn state<const N: usize>(parts: [(&str, Option<Value>); N]) -> Value {
    let there = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// The mask lab: the mechanism and mask of a finding, or those that the claim is about.
fn mask(run: &Run, mechanism: &str, usual: &str) -> Result<Value, String> {
    if run.at.get("feature_map").is_some_and(|map| map == "relu") {
        return Err("measured with the feature map relu; the mask lab has elu + 1".to_owned());
    }
    let mechanism = match (run.at.get("lambda"), run.at.get("sink"), run.at.get("mechanism")) {
        (Some(lambda), ..) => json!({ "differential": { "lambda": lambda } }),
        (_, Some(logit), _) => json!({ "sink": { "logit": logit } }),
        (.., named) => named.cloned().unwrap_or(json!(mechanism)),
    };
    let n = run.n().unwrap_or(64);
    let setup = state([
        ("n", Some(json!(n))),
        ("head_size", run.one("head_size", "head_sizes", <[Value]>::first)),
        ("scale", run.one("scale", "scales", <[Value]>::first)),
        ("seed", run.get("seed")),
        ("alignment", run.get("alignment")),
        ("mechanism", Some(mechanism)),
    ]);
    let rule = run.text("mask").unwrap_or_else(|| usual.to_owned());
    let shown = if ["causal", "bidirectional"].contains(&&*rule) { &rule } else { "mine" };
    Ok(state([
        ("setup", Some(setup)),
        ("prefix", Some(json!(n / 2))),
        ("shown", Some(json!(shown))),
        ("rule", Some(json!(rule))),
        ("exact", run.at.get("exact").cloned()),
        ("tolerance", run.at.get("tolerance").cloned()),
    ]))
}

/// The model explorer: a model, its mask, a head, and the text of the trial.
fn heads(claim: &str, run: &Run) -> Value {
    let part = |name: &str| run.text(name).unwrap_or_default();
    let of_memory = || part("repeated").repeat(24) + &part("last");
    let text = if claim == "last-token-memory" { Some(of_memory()) } else { run.text("text") };
    let mask = run.at.get("mask").and_then(Value::as_str);
    let left = state([
        ("model", run.at.get("model").cloned()),
        ("text", text.map(Value::from)),
        ("mask", mask.map(Value::from)),
    ]);
    let head = run.at.get("layer").zip(run.at.get("head"));
    state([
        ("left", Some(left)),
        ("metric", Some(run.at.get("metric").cloned().unwrap_or(json!("effective_rank")))),
        ("selected", head.map(|(layer, head)| json!({ "layer": layer, "head": head }))),
    ])
}

/// The theorem lab: a drawn pattern, one from a file, or a permutation.
fn pattern(run: &Run) -> Value {
    let seed = run.get("seed");
    let source = match run.text("target") {
        Some(path) => json!({ "file": { "path": path } }),
        None if run.at.contains_key("pattern") => json!({ "permutation": { "seed": seed } }),
        None => json!({ "drawn": { "scale": run.get("scale"), "seed": seed } }),
    };
    state([
        ("n", run.get("n")),
        ("causal", run.text("mask").map(|mask| json!(mask == "causal"))),
        ("head_size", run.one("head_size", "head_sizes", <[Value]>::first)),
        ("source", Some(source)),
    ])
}

/// The collapse tower of `layers`, seen near its foot.
fn tower(run: &Run, layers: Option<Value>) -> Value {
    let n = run.n().unwrap_or(32);
    let depth = layers.as_ref().and_then(Value::as_u64).unwrap_or(2);
    let net = || state([("skip", run.at.get("skip").cloned())]);
    let (masks, mine) = match run.text("mask") {
        Some(mask) if ["causal", "bidirectional"].contains(&&*mask) => (Some(json!([mask])), None),
        Some(mask) => (Some(json!(["mine"])), Some(json!(mask))),
        None => (None, None),
    };
    state([
        ("n", Some(json!(n))),
        ("width", run.get("width")),
        ("heads", run.get("heads")),
        ("layers", layers),
        ("layer", Some(json!(depth.min(2)))),
        ("draws", run.get("seeds").and_then(|seeds| Some(json!(seeds.as_u64()?.min(20))))),
        ("seed", run.get("seed")),
        ("prefix", Some(json!(n / 2))),
        ("net", Some(run.at.get("net").cloned().unwrap_or_else(net))),
        ("masks", masks),
        ("mine", mine),
    ])
}

/// `of` with `parts` in place of its own.
fn with<const N: usize>(mut of: Value, parts: [(&str, Value); N]) -> Value {
    parts.into_iter().for_each(|(name, value)| of[name] = value);
    of
}

/// The collapse tower for the weight of the first token in the last row, after the measured number of layers.
fn drift(run: &Run) -> Value {
    let layers = run.one("depth", "depths", largest(MOST_LAYERS)).unwrap_or(json!(32));
    let layer = json!(layers.as_u64().unwrap_or(4).min(4));
    let skip = run.at.get("skip").cloned().unwrap_or(json!(true));
    let masks = json!(["bidirectional", "causal"]);
    let parts = [("draws", json!(1)), ("layer", layer), ("net", json!({ "skip": skip })), ("masks", masks)];
    with(tower(run, Some(layers)), parts)
}

/// The collapse tower with tokens coloured by their positions, in the network of the claims.
fn order(run: &Run) -> Value {
    let layers = run.one("depth", "depths", largest(MOST_LAYERS)).unwrap_or(json!(4));
    let net = json!({ "skip": true, "mlp": true, "norm": "before" });
    let masks = json!(["bidirectional", "causal"]);
    with(tower(run, Some(layers.clone())), [("layer", layers), ("net", net), ("masks", masks)])
}

/// Two runs of a twin, for the training lab.
fn twins(run: &Run) -> Value {
    let at = |name: &str| run.at.get(name).cloned();
    let parts = [("key", at("key")), ("metric", at("metric")), ("smallest", at("smallest"))];
    let beside = || with(state(parts), [("values", json!([at("value")]))]);
    let plan = |settings| {
        state([
            ("preset", at("preset")),
            ("settings", Some(settings)),
            ("beside", Some(beside())),
            ("seeds", run.get("seeds")),
        ])
    };
    state([("plan", at("settings").map(plan))])
}

fn dialogue(run: &Run) -> Value {
    state([
        ("model", run.get("model")),
        ("turns", Some(json!(["prompt", "answer", "next"].map(|part| run.text(part))))),
        ("event", run.at.get("edit").map(|token| json!({ "edit": token }))),
    ])
}

#[cfg(test)]
mod tests;
