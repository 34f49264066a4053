//! Claim: only decoder-only models can keep their cache of keys and values.

mod cost;
mod dialogue;
mod encoder;
mod reuse;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::error::Result;
use crate::model::reuse::ROUNDING;
use crate::run::Run;

use dialogue::Dialogue;

/// See the module.
pub struct CacheReuse;

static ABOUT: About = About {
    id: "cache-reuse",
    statement: "Only a decoder-only model can keep its cache of keys and values from turn to turn.",
    source: "The popular account of why language models are decoder-only: inference cost in multi-turn dialogue",
    exact: "Under a causal mask the state of position i is a function of the tokens up to i, so its keys and \
            values never change when text is appended. The same holds for any mask by which no stored position \
            sees a new one, such as a prefix-LM whose prefix stays the first prompt; it fails as soon as the \
            history is merged into a bidirectional part. An encoder's output does not depend on what the \
            decoder writes, so within a turn its cross-attention keys and values are computed once. With the \
            cache a step at context T takes 2·N + 4·L·H·D·T operations, without it about 2·N·T + 4·L·H·D·T² \
            (half the second term where a kernel skips masked scores).",
    reconsider: "A causal model whose stored states change beyond rounding, or a model whose history is read \
                 in both directions and whose stored states do not.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "model",
        summary: "a model of a family with a cache, by name or folder",
        allowed: Allowed::Text,
        quick: "glass-en",
        full: "glass-en",
    },
    Parameter {
        name: "prompt",
        summary: "turn 1, what is asked: the prefix of the prefix-LM",
        allowed: Allowed::Text,
        quick: "Tell me a story about a small boat and the sea.",
        full: "Tell me a story about a small boat and the sea.",
    },
    Parameter {
        name: "answer",
        summary: "turn 1, what is answered",
        allowed: Allowed::Text,
        quick: " Once there was a small boat that was afraid of the waves.",
        full: " Once there was a small boat that was afraid of the waves.",
    },
    Parameter {
        name: "next",
        summary: "turn 2, what is asked then",
        allowed: Allowed::Text,
        quick: " And what happened to the boat?",
        full: " And what happened to the boat?",
    },
    Parameter {
        name: "contexts",
        summary: "tokens T that a step sees, its own included",
        allowed: Allowed::Integers(2, 4096),
        quick: "16,32,64,96,128",
        full: "8,16,24,32,48,64,80,96,112,128",
    },
    Parameter {
        name: "repeats",
        summary: "timed runs of each step",
        allowed: Allowed::Integer(1, 1000),
        quick: "7",
        full: "51",
    },
];

/// Relative changes from here on are changes.
const CHANGE: f64 = 1e-3;

impl Untyped for CacheReuse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let dialogue = Dialogue::load(settings)?;
        let mut evidence = Evidence::new();
        reuse::append(&mut evidence, settings, &dialogue, run)?;
        reuse::edit(&mut evidence, &dialogue, run)?;
        encoder::measure(&mut evidence, settings, &dialogue, run)?;
        cost::measure(&mut evidence, settings, &dialogue, run)?;
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let all =
            ["causal", "prefix_frozen", "prefix_grown", "bidirectional", "encoder_grown", "encoder_in_turn"];
        let mut changes = Vec::new();
        for name in all {
            changes.push((name, evidence.value(&format!("change_{name}"))?));
        }
        let is_between = |&&(_, change): &&(_, f64)| !(change <= ROUNDING || change >= CHANGE);
        if let Some((name, change)) = changes.iter().find(is_between) {
            let because =
                format!("the change under {} is {change:e}, neither rounding nor clear", words(name));
            return Ok(Opinion::new(Floating::NotResolved, because));
        }
        let kept: Vec<&str> =
            changes.iter().filter(|(_, change)| *change <= ROUNDING).map(|(name, _)| *name).collect();
        let list = |names: Vec<&str>| names.iter().map(|name| words(name)).collect::<Vec<_>>().join(", ");
        let lost = list(all.into_iter().filter(|name| !kept.contains(name)).collect());
        let others = list(kept.iter().copied().filter(|name| *name != "causal").collect());
        let merged = ["prefix_grown", "bidirectional", "encoder_grown"];
        Ok(match kept.contains(&"causal") {
            false => {
                Opinion::new(Floating::Nowhere, "appending changes the stored states of the causal model")
            }
            true if kept.iter().any(|name| merged.contains(name)) => {
                let because = format!("a history that is read in both directions is kept too: {others}");
                Opinion::new(Floating::Nowhere, because)
            }
            true if others.is_empty() => Opinion::new(
                Floating::Everywhere,
                format!("the causal model alone keeps its states; lost: {lost}"),
            ),
            true => {
                let because = format!(
                    "causal models keep their cache always; so do others where the history is not merged into \
                     a bidirectional part: {others}; lost: {lost}"
                );
                Opinion::new(Floating::InOneRegion, because)
            }
        })
    }
}

/// A measurement's name as a sentence says it.
fn words(name: &str) -> &str {
    match name {
        "prefix_frozen" => "prefix-LM with its prefix frozen",
        "prefix_grown" => "prefix-LM with its prefix grown",
        "encoder_grown" => "encoder that reads the history",
        "encoder_in_turn" => "encoder-decoder within a turn",
        other => other,
    }
}
