//! Where a finding can be seen: a lab, and its state with the settings of the trial.

use rankscope::claim::Settings;
use serde_json::{Map, Value, json};

use crate::lab;

/// A lab and the state in which it shows what a claim is about.
pub struct Place {
    /// The lab.
    pub lab: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its state.
    pub state: Value,
}

/// The place that shows what the trial with these settings is about; `None` where the window has no such lab.
pub fn of(claim: &str, settings: &Settings) -> Option<Place> {
    let (lab, state) = named(claim, &Run(settings))?;
    let row = lab::named(lab).ok()?;
    Some(Place { lab: row.id, title: row.title, state })
}

/// The lab and the state of every claim. What is not said here stands as in the lab's first state.
fn named(claim: &str, run: &Run) -> Option<(&'static str, Value)> {
    let weights = |mechanism: Value, shown: &str| mask(run, mechanism, shown);
    let softmax = || json!("softmax");
    Some(match claim {
        "causal-full-rank" => weights(softmax(), "causal"),
        "bidirectional-low-rank" | "softmax-raises-rank" | "softmax-rank" => {
            weights(softmax(), "bidirectional")
        }
        "linear-attention-rank" => weights(json!("linear"), "bidirectional"),
        "linear-attention-causal-rank" | "block-rank" => weights(json!("linear"), "causal"),
        "rank-is-information" | "mixed-directions" => weights(softmax(), "causal"),
        "positive-determinant" => {
            let lambda = run.numbers("lambdas").unwrap_or(0.8).min(2.0);
            weights(json!({ "differential": { "lambda": lambda } }), "causal")
        }
        "learned-sink" => {
            let logit = run.numbers("sinks").unwrap_or(0.0);
            weights(json!({ "sink": { "logit": logit } }), "causal")
        }
        "head-size-bottleneck" | "fixed-head-size" => ("theorem", json!({ "n": run.whole("n", 2, 24) })),
        "depth-collapse" => ("collapse", depth(run)),
        "first-token-drift" => ("collapse", drift(run)),
        "mask-carries-position" | "mask-tells-order" => ("collapse", order(run)),
        "cache-reuse" | "only-causal-reuse" => ("cache", dialogue(run)),
        "encoder-decoder-cost" => ("model", json!({ "left": { "model": "english-redllm" } })),
        "trained-low-rank" => ("model", json!({ "metric": "effective_rank" })),
        "last-token-memory" => {
            let text = format!("{}{}", run.text("repeated").repeat(24), run.text("last"));
            ("model", json!({ "left": { "text": text } }))
        }
        // Their results are shown as they are kept; the lab trains further twins.
        id if rankscope::claim::find(id).is_ok_and(|claim| claim.is_trained()) => ("training", json!({})),
        _ => return None,
    })
}

/// The settings of a trial, as far as a lab can take them.
struct Run<'a>(&'a Settings);

impl Run<'_> {
    fn whole(&self, name: &str, low: usize, high: usize) -> Option<usize> {
        let value = self.0.integer(name).ok();
        let several = || self.0.integers(name).ok()?.into_iter().max();
        value.or_else(several).map(|value| value.clamp(low, high))
    }

    /// A number, or the last of several.
    fn numbers(&self, name: &str) -> Option<f64> {
        self.0.number(name).ok().or_else(|| self.0.numbers(name).ok()?.last().copied())
    }

    fn seed(&self, last: u64) -> u64 {
        self.0.seed().unwrap_or(0).min(last)
    }

    fn text(&self, name: &str) -> &str {
        self.0.text(name).unwrap_or_default()
    }
}

/// A state with the parts that there are.
fn state<const N: usize>(parts: [(&str, Option<Value>); N]) -> Value {
    let there = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn mask(run: &Run, mechanism: Value, shown: &str) -> (&'static str, Value) {
    let (low, high) = (2, 512);
    let n = run.whole("n", low, high).or_else(|| run.whole("lengths", low, high)).unwrap_or(64);
    let head_size = run.0.integer("head_size").ok();
    // Of several head sizes the smallest: there the masks differ most.
    let smallest = || run.0.integers("head_sizes").ok()?.into_iter().min();
    let scale = run.numbers("scale").or_else(|| run.0.numbers("scales").ok()?.first().copied());
    let setup = state([
        ("n", Some(json!(n))),
        ("head_size", head_size.or_else(smallest).map(|size| json!(size.clamp(1, 128)))),
        ("scale", scale.map(|scale| json!(scale.clamp(0.0, 8.0)))),
        ("seed", Some(json!(run.seed(9999)))),
        ("mechanism", Some(mechanism)),
    ]);
    let rule = Some(run.text("mask")).filter(|rule| !rule.is_empty()).unwrap_or("causal");
    ("mask", json!({ "setup": setup, "rule": rule, "prefix": n / 2, "shown": shown }))
}

fn depth(run: &Run) -> Value {
    let n = run.whole("n", 4, 128).unwrap_or(32);
    state([
        ("n", Some(json!(n))),
        ("width", run.whole("width", 8, 256).map(Value::from)),
        ("heads", run.whole("heads", 1, 32).map(Value::from)),
        ("layers", run.whole("layers", 1, 48).map(Value::from)),
        ("layer", Some(json!(2.min(run.whole("layers", 1, 48).unwrap_or(2))))),
        ("draws", run.whole("seeds", 1, 20).map(Value::from)),
        ("seed", Some(json!(run.seed(u64::from(u32::MAX))))),
        ("prefix", Some(json!(n / 2))),
    ])
}

fn drift(run: &Run) -> Value {
    let (n, layers) = (run.whole("n", 4, 128).unwrap_or(64), run.whole("depths", 1, 48).unwrap_or(32));
    json!({
        "n": n, "layers": layers, "layer": layers.min(4), "draws": 1, "prefix": n / 2,
        "masks": ["bidirectional", "causal"], "net": { "skip": true },
    })
}

/// Tokens that are coloured by their places, in the network of the claims.
fn order(run: &Run) -> Value {
    let layers = run.whole("depths", 1, 48).unwrap_or(4);
    let Value::Object(mut sizes) = depth(run) else { return Value::Null };
    sizes.insert("layers".into(), json!(layers));
    sizes.insert("layer".into(), json!(layers));
    sizes.insert("masks".into(), json!(["bidirectional", "causal"]));
    sizes.insert("net".into(), json!({ "skip": true, "mlp": true, "norm": "before" }));
    Value::Object(sizes)
}

fn dialogue(run: &Run) -> Value {
    let turns = ["prompt", "answer", "next"].map(|part| run.text(part));
    json!({ "model": run.text("model"), "turns": turns })
}

#[cfg(test)]
mod tests {

    use clap::Parser;
    use rankscope::Device;
    use rankscope::claim::{self, CLAIMS};

    use super::*;
    use crate::args::Args;
    use crate::headless;
    use crate::lab::Opening;
    use crate::labs::court::state::Case;

    /// With the settings of a quick run, of a full one, and at the ends of every range.
    #[test]
    fn every_claim_opens_a_lab_in_a_state_that_it_takes() {
        let machine = headless::machine();
        let args = Args::parse_from(["rankscope-app"]);
        for claim in CLAIMS {
            let id = claim.about().id;
            let mut cases = vec![Case::of(id).all_settings(&Device::Cpu).unwrap()];
            cases.push(Settings::new(claim, claim::Effort::Full, Device::Cpu).unwrap());
            for end in [0, 1] {
                let mut settings = Case::of(id).all_settings(&Device::Cpu).unwrap();
                for parameter in claim.parameters() {
                    use claim::Allowed::{Integer, Integers, Number, Numbers};
                    let text = match parameter.allowed {
                        Integer(low, high) | Integers(low, high) => [low, high][end].to_string(),
                        Number(low, high) | Numbers(low, high) => [low, high][end].to_string(),
                        _ => continue,
                    };
                    settings.set(parameter.name, &text).unwrap();
                }
                cases.push(settings);
            }
            for settings in cases {
                let (lab, state) = named(id, &Run(&settings)).expect(id);
                let Ok(row) = lab::named(lab) else { continue };
                let mut lab = (row.open)(&Opening { machine: &machine, args: &args }).unwrap();
                lab.load(state.clone()).unwrap_or_else(|problem| panic!("{id}: {problem} ({state})"));
            }
        }
    }
}
