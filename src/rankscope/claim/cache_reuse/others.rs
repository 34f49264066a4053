//! Claim: only a causal model keeps its cache.

use super::dialogue::Dialogue;
use super::encoder::Encoder;
use super::turns::{self, Way, is_kept};
use super::{ANSWER, MODEL, NEXT, PROMPT};
use crate::claim::{
    About, Evidence, Exact, Experiment, Floating, Outcome, Parameter, Settings, Trained, Verdict,
};
use crate::error::Result;
use crate::model::reuse;
use crate::numbers::short;
use crate::run::Run;

/// See the module.
pub struct OnlyCausalReuse;

const ABOUT: About = About {
    id: "only-causal-reuse",
    statement: "Only a causal model keeps its cache of keys and values from turn to turn.",
    source: "The popular account of why language models are decoder-only: inference cost in multi-turn dialogue",
    exact: "A cache stays valid under every mask by which no stored position sees a new one: the causal one, and \
            also that of a prefix-LM whose prefix stays the first prompt. It is lost as soon as the history is \
            merged into a bidirectional part. An encoder's output does not depend on what the decoder writes, so \
            within a turn its cross-attention keys and values are computed once.",
    reconsider: "A prefix that has to grow with the dialogue: then a prefix-LM loses its cache too.",
};

const PARAMETERS: &[Parameter] = &[MODEL, PROMPT, ANSWER, NEXT];

/// What the experiment finds.
pub struct Measured {
    dialogue: Dialogue,
    /// Those that are not causal.
    ways: Vec<Way>,
    encoder: Encoder,
}

impl Experiment for OnlyCausalReuse {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let dialogue = Dialogue::load(settings)?;
        let readings = reuse::readings(dialogue.prompt, dialogue.first).into_iter().skip(1);
        Ok(Measured {
            ways: readings.map(|reading| turns::measure(&dialogue, reading, run)).collect::<Result<_>>()?,
            encoder: Encoder::measure(settings, &dialogue, run)?,
            dialogue,
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let Measured { dialogue, ways, encoder } = measured;
        let (exact, theorem) = in_exact_arithmetic(dialogue, ways);
        let lost = || ways.iter().map(|way| is_kept(way.change.relative()).map(|is_kept| !is_kept));
        let outcomes = encoder.changes().map(|change| match is_kept(change) {
            Some(true) => Outcome::Fails,
            Some(false) => Outcome::Holds,
            None => Outcome::Unclear,
        });
        let random = format!(
            "An encoder-decoder of random weights keeps the keys and values of its cross-attention within a turn \
             (relative change {}); where its encoder reads the history they change (by {}).",
            short(encoder.in_turn),
            short(encoder.grown)
        );
        let list = |wanted| {
            let ways = ways.iter().zip(lost()).filter(|(_, lost)| *lost == Some(wanted));
            let words: Vec<_> = ways.map(|(way, _)| way.words()).collect();
            if words.is_empty() { "no other way".to_owned() } else { words.join(", ") }
        };
        let trained = format!(
            "The weights of {} lose the states of turn 1 under: {}. They keep them under: {}.",
            dialogue.name,
            list(true),
            list(false)
        );
        Verdict::new()
            .exact(exact, theorem)
            .floating(Floating::over(outcomes), random)
            .trained(Trained::over(lost()), trained)
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let Measured { dialogue, ways, encoder } = measured;
        let mut evidence = Evidence::new();
        dialogue.report(&mut evidence);
        turns::report(&mut evidence, settings, &dialogue, &ways);
        encoder.report(&mut evidence);
        Ok(evidence)
    }
}

/// A way that is not causal and whose stored states are functions of turn 1 alone is a counterexample.
fn in_exact_arithmetic(dialogue: &Dialogue, ways: &[Way]) -> (Exact, String) {
    let keeps = |way: &&Way| way.first_that_sees_otherwise(dialogue).is_none();
    match ways.iter().find(keeps) {
        Some(way) => {
            let because = format!(
                "In {} no stored position sees a new one either, so its stored states are functions \
                 of turn 1 alone.",
                way.words()
            );
            (Exact::Refuted, because)
        }
        None => {
            let because = "In every other way tried, a stored position sees a new one; that there is no further way \
                           is not shown.";
            (Exact::Open, because.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Effort;
    use crate::device::Device;

    fn measured(only: &[&str]) -> Measured {
        let settings = Settings::new(&OnlyCausalReuse, Effort::Quick, Device::Cpu).unwrap();
        let mut measured = OnlyCausalReuse.measure(&settings, &Run::default()).unwrap();
        measured.ways.retain(|way| only.is_empty() || only.contains(&way.reading.name));
        measured
    }

    fn words(measured: &Measured) -> [&'static str; 3] {
        OnlyCausalReuse.judge(measured).rows().map(|row| row.unwrap().0)
    }

    #[test]
    fn a_frozen_prefix_refutes_it_and_merged_histories_do_not() {
        let all = measured(&[]);
        assert_eq!(all.ways.len(), 3);
        assert!(all.encoder.in_turn <= reuse::ROUNDING && all.encoder.grown > 0.05);
        assert_eq!(words(&all), ["refuted", "holds in one region", "seen in some"]);
        assert_eq!(words(&measured(&["prefix_frozen"])), ["refuted", "holds in one region", "seen in none"]);
        let merged = measured(&["prefix_grown", "bidirectional"]);
        assert_eq!(words(&merged), ["open", "holds in one region", "seen in all"]);
    }

    #[test]
    fn what_is_neither_rounding_nor_clear_is_not_resolved() {
        assert_eq!([0.0, 1e-4, 0.4, f64::NAN].map(is_kept), [Some(true), None, Some(false), None]);
    }
}
