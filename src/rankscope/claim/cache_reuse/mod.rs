//! Claims: a causal model keeps its cache of keys and values from turn to turn, and only a causal one does.

mod cost;
mod dialogue;
mod edit;
mod encoder;
mod others;
#[cfg(test)]
mod tests;
mod turns;

use super::{About, Allowed, Evidence, Exact, Experiment, Parameter, Settings, Trained, Verdict};
use crate::error::Result;
use crate::model::reuse;
use crate::numbers::short;
use crate::run::Run;

use cost::Cost;
use dialogue::Dialogue;
use edit::Edit;
pub use others::OnlyCausalReuse;
use turns::Way;

/// A causal model keeps its cache.
pub struct CacheReuse;

const ABOUT: About = About {
    id: "cache-reuse",
    statement: "A causal model keeps its cache of keys and values from turn to turn.",
    source: "The popular account of why language models are decoder-only: inference cost in multi-turn dialogue",
    exact: "Under a causal mask the state of position i is a function of the tokens up to i, so its keys and \
            values never change when text is appended. With the cache a step at context T takes 2·N + 4·L·H·D·T \
            operations, without it about 2·N·T + 4·L·H·D·T² (half the second term where a kernel skips masked \
            scores).",
    reconsider: "A causal model whose stored states change beyond rounding when text is appended.",
};

const MODEL: Parameter = Parameter {
    name: "model",
    summary: "a model of a family with a cache, by name or folder",
    allowed: Allowed::Text,
    quick: "glass-en",
    full: "glass-en",
};

const PROMPT: Parameter = Parameter {
    name: "prompt",
    summary: "turn 1, what is asked: the prefix of the prefix-LM",
    allowed: Allowed::Text,
    quick: "Tell me a story about a small boat and the sea.",
    full: "Tell me a story about a small boat and the sea.",
};

const ANSWER: Parameter = Parameter {
    name: "answer",
    summary: "turn 1, what is answered",
    allowed: Allowed::Text,
    quick: " Once there was a small boat that was afraid of the waves.",
    full: " Once there was a small boat that was afraid of the waves.",
};

const NEXT: Parameter = Parameter {
    name: "next",
    summary: "turn 2, what is asked then",
    allowed: Allowed::Text,
    quick: " And what happened to the boat?",
    full: " And what happened to the boat?",
};

const PARAMETERS: &[Parameter] = &[
    MODEL,
    PROMPT,
    ANSWER,
    NEXT,
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

/// What the experiment finds.
pub struct Measured {
    dialogue: Dialogue,
    way: Way,
    edits: Vec<Edit>,
    cost: Cost,
}

impl Experiment for CacheReuse {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let dialogue = Dialogue::load(settings)?;
        let [causal, ..] = reuse::readings(dialogue.prompt, dialogue.first);
        Ok(Measured {
            way: turns::measure(&dialogue, causal, run)?,
            edits: edit::measure(&dialogue, run)?,
            cost: cost::measure(settings, &dialogue, run)?,
            dialogue,
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let Measured { dialogue, way, .. } = measured;
        let (exact, theorem) = match way.first_that_sees_otherwise(dialogue) {
            None => {
                let because = "No position sees a later one, so what is stored of a position is a function of the \
                               tokens up to it: appending text changes nothing.";
                (Exact::Proved, because.to_owned())
            }
            Some(query) => {
                let because = format!("Stored position {query} sees other positions once turn 2 is there.");
                (Exact::Refuted, because)
            }
        };
        let layers = way.change.hidden.len();
        let because = format!(
            "In {} of {layers} layers of {} the states of turn 1 are what they were before turn 2 (largest difference \
             {}).",
            way.kept().filter(|kept| *kept == Some(true)).count(),
            dialogue.name,
            short(way.change.largest)
        );
        Verdict::new().exact(exact, theorem).trained(Trained::over(way.kept()), because)
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let Measured { dialogue, way, edits, cost } = measured;
        let mut evidence = Evidence::new();
        dialogue.report(&mut evidence);
        turns::report(&mut evidence, settings, &dialogue, std::slice::from_ref(&way));
        edit::report(&mut evidence, &edits);
        cost.report(&mut evidence, settings, &dialogue);
        Ok(evidence)
    }
}
