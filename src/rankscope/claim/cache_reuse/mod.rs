//! Claims: a causal model keeps its cache of keys and values from turn to turn, and only a causal one does.

mod cost;
mod encoder;

use super::Parameter;
use super::prelude::*;
use super::timing::{self, Cost};
use crate::axis::Axis;
use crate::model::preset::PairSizes;
use crate::model::reuse::{self, Change, ROUNDING, Reading, difference};
use crate::model::store::Store;
use crate::model::{self, Config, Description, Input, KvCache, MaskChoice, Model, Tokenizer};
use crate::numbers::scaled;
use crate::ops::{concat, slice};
use crate::probe::Unobserved;
use crate::tensor::Tensor;
use cost::cost;
use encoder::encoder;

const SOURCE: &str =
    "The popular account of why language models are decoder-only: inference cost in multi-turn dialogue";

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "cache-reuse",
        group: Group::Cost,
        statement: "A causal model keeps its cache of keys and values from turn to turn.",
        source: SOURCE,
        exact: "Under a causal mask the state of position i is a function of the tokens up to i, so its keys and \
                values never change when text is appended. With the cache a step at context T takes 2·N + 4·L·H·D·T \
                operations, without it about 2·N·T + 4·L·H·D·T² (half the second term where a kernel skips masked \
                scores).",
        reconsider: "A causal model whose stored states change beyond rounding when text is appended.",
    },
    parameters: &[
        MODEL,
        PROMPT,
        ANSWER,
        NEXT,
        set("contexts", "tokens T that a step sees, its own included", Integers(2, 4096), CONTEXTS),
        set("repeats", "timed runs of each step", Integer(1, 1000), ["7", "51"]),
    ],
    decide: |settings, run| {
        let dialogue = Dialogue::load(settings)?;
        let [causal, ..] = reuse::readings(dialogue.prompt, dialogue.first);
        let way = Way::measure(&dialogue, causal, run)?;
        let mut evidence = Evidence::new(settings);
        dialogue.report(&mut evidence);
        report_ways(&mut evidence, &dialogue, std::slice::from_ref(&way));
        edits(&mut evidence, &dialogue, run)?;
        cost(&mut evidence, settings, &dialogue, run)?;
        Ok((evidence, keeps(&dialogue, &way)))
    },
};

pub(super) static ONLY_CAUSAL: Claim = Claim {
    about: About {
        id: "only-causal-reuse",
        group: Group::Cost,
        statement: "Only a causal model keeps its cache of keys and values from turn to turn.",
        source: SOURCE,
        exact: "A cache stays valid under every mask by which no stored position sees a new one: the causal one, and \
                also that of a prefix-LM whose prefix stays the first prompt. It is lost as soon as the history is \
                merged into a bidirectional part. An encoder's output does not depend on what the decoder writes, so \
                within a turn its cross-attention keys and values are computed once.",
        reconsider: "A prefix that has to grow with the dialogue: then a prefix-LM loses its cache too.",
    },
    parameters: &[MODEL, PROMPT, ANSWER, NEXT],
    decide: |settings, run| {
        let dialogue = Dialogue::load(settings)?;
        let readings = reuse::readings(dialogue.prompt, dialogue.first).into_iter().skip(1);
        let ways =
            readings.map(|reading| Way::measure(&dialogue, reading, run)).collect::<Result<Vec<_>>>()?;
        let mut evidence = Evidence::new(settings);
        dialogue.report(&mut evidence);
        report_ways(&mut evidence, &dialogue, &ways);
        let encoder = encoder(&mut evidence, settings, &dialogue, run)?;
        Ok((evidence, only_causal(&dialogue, &ways, encoder)))
    },
};

const CONTEXTS: [&str; 2] = ["16,32,64,96,128", "8,16,24,32,48,64,80,96,112,128"];
const MODEL: Parameter = text("model", "a model of a family with a cache, by name or folder", "glass-en");
const PROMPT: Parameter = text(
    "prompt",
    "turn 1, what is asked: the prefix of the prefix-LM",
    "Tell me a story about a small boat and the sea.",
);
const ANSWER: Parameter =
    text("answer", "turn 1, what is answered", " Once there was a small boat that was afraid of the waves.");
const NEXT: Parameter = text("next", "turn 2, what is asked then", " And what happened to the boat?");

const fn text(name: &'static str, summary: &'static str, value: &'static str) -> Parameter {
    set(name, summary, Text, [value; 2])
}

/// A model, and the tokens of two turns.
struct Dialogue {
    /// The model's name, as in the setting.
    name: String,
    model: Box<dyn Model>,
    /// All tokens: the first turn, then the second.
    ids: Vec<u32>,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens of the first turn: prompt and answer.
    first: usize,
}

impl Dialogue {
    fn load(settings: &Settings) -> Result<Self> {
        let name = settings.text("model")?.to_owned();
        let folder = Store::open()?.find(&name)?;
        let model = model::load(&folder, settings.device())?;
        model.description().expect_one_stack(&name)?;
        model.cache(1)?;
        let part = |name: &'static str| Ok((name, settings.text(name)?));
        let parts = ["prompt", "answer", "next"].into_iter().map(part).collect::<Result<Vec<_>>>()?;
        let (tokens, ends) = reuse::joined_tokens(&Tokenizer::load(&folder)?, &parts)?;
        let ids = tokens.ids;
        let context = model.description().context;
        if ids.len() > context {
            let expected = format!("at most {context}, the context of {name}");
            return Err(Error::invalid("tokens of prompt, answer and next", ids.len(), expected));
        }
        Ok(Dialogue { name, model, ids, prompt: ends[0], first: ends[1] })
    }

    fn report(&self, evidence: &mut Evidence) {
        let Dialogue { prompt, first, ids, .. } = self;
        for (name, count) in [("prompt", *prompt), ("turn_1", *first), ("dialogue", ids.len())] {
            evidence.measure(format!("{name}_tokens"), count as f64, "tokens");
        }
    }
}

/// The least relative change that counts as a change; between rounding and this value, there is no conclusion.
const CHANGE: f64 = 1e-3;

/// Whether the stored states are still valid at this relative change; `None` where that is not clear.
fn is_kept(change: f64) -> Option<bool> {
    match change {
        change if change <= ROUNDING => Some(true),
        change if change >= CHANGE => Some(false),
        _ => None,
    }
}

/// One way to read the dialogue, and the effect of turn 2 on the stored states of turn 1.
struct Way {
    reading: Reading,
    change: Change,
    /// The difference between the second turn with the cache of the first and the full pass, where the mask allows a
    /// cache.
    cached_error: Option<f64>,
}

impl Way {
    fn measure(dialogue: &Dialogue, reading: Reading, run: &Run) -> Result<Self> {
        let (model, ids, first) = (dialogue.model.as_ref(), &dialogue.ids, dialogue.first);
        let change = reuse::change(model, ids, first, &reading, run)?;
        let mut way = Way { reading, change, cached_error: None };
        if way.first_that_sees_otherwise(dialogue).is_none() {
            let mask = way.reading.after.clone();
            way.cached_error = Some(reuse::cached_error(model, ids, first, mask, run)?);
        }
        Ok(way)
    }

    /// The first stored position that sees other positions after turn 2 is appended.
    ///
    /// If there is none, a state of turn 1 is a function of the tokens of turn 1, for any weights.
    fn first_that_sees_otherwise(&self, dialogue: &Dialogue) -> Option<usize> {
        let stale = self.reading.stale(dialogue.first, dialogue.ids.len(), None, 1);
        stale.row(1).iter().position(|&stale| stale)
    }

    fn words(&self) -> &'static str {
        match self.reading.name {
            "prefix_frozen" => "a prefix-LM with its prefix frozen",
            "prefix_grown" => "a prefix-LM with its prefix grown",
            other => other,
        }
    }
}

fn report_ways(evidence: &mut Evidence, dialogue: &Dialogue, ways: &[Way]) {
    let mut curves = Vec::new();
    for way in ways {
        let Way { reading: Reading { name, after, .. }, change, cached_error } = way;
        let measured = evidence.measure(format!("change_{name}"), change.relative(), "");
        if way.first_that_sees_otherwise(dialogue).is_none() {
            measured.expect(0.0, ROUNDING, "theory: stored positions see no new one");
        }
        evidence.measure(format!("largest_change_{name}"), change.largest, "");
        let last = change.hidden.last().copied().unwrap_or(0.0);
        evidence.measure(format!("change_last_layer_{name}"), last, "");
        if let Some(error) = cached_error {
            let theory = "theory: the cached pass is the full pass";
            evidence.measure(format!("cached_error_{name}"), *error, "").expect(0.0, ROUNDING, theory);
        }
        let largest = short(change.largest);
        let how = match change.largest {
            0.0 => "not at all (up to rounding, which differs from one machine to another)".to_owned(),
            _ if change.is_kept() => format!("by rounding alone (largest difference {largest})"),
            _ => format!("by {} relative in the last layer, largest difference {largest}", short(last)),
        };
        // Causal states that stay, and other states that change, support the claims; the reverse is evidence against
        // them.
        let supports = change.is_kept() == (*after == Mask::causal());
        evidence
            .weigh(supports, format!("{}: appending turn 2 changes the states of turn 1 {how}", way.words()));
        let points = change.hidden.iter().enumerate().map(|(layer, &change)| (layer as f64, change));
        curves.push(Curve::new(way.words(), Kind::of(after), points));
    }
    let axes = [PlotAxis::linear("layer"), PlotAxis::linear("relative change of hidden states")];
    let caption = format!(
        "{}: how far turn 2 moves the hidden states of turn 1, ‖after − before‖ / ‖before‖, after each layer. What is not \
         at 0 has to be computed again (curves at 0 lie on one another).",
        dialogue.name
    );
    evidence.plot("turn-2", caption, lines("Stored states of turn 1 after turn 2", axes, curves, Vec::new()));
}

/// Whether a model that reads the dialogue in this way keeps its cache.
fn keeps(dialogue: &Dialogue, way: &Way) -> Verdict {
    let exact = match way.first_that_sees_otherwise(dialogue) {
        None => {
            let because = "No position sees a later one, so what is stored of a position is a function of the tokens up \
                           to it: appending text changes nothing.";
            (Exact::Proved, because.to_owned())
        }
        Some(query) => {
            (Exact::Refuted, format!("Stored position {query} sees other positions once turn 2 is there."))
        }
    };
    let kept: Vec<_> = way.change.hidden.iter().map(|&change| is_kept(change)).collect();
    let because = format!(
        "In {} of {} layers of {} the states of turn 1 are what they were before turn 2 (largest difference {}).",
        kept.iter().filter(|kept| **kept == Some(true)).count(),
        kept.len(),
        dialogue.name,
        short(way.change.largest)
    );
    Verdict::of(Some(exact), None, Some((Trained::over(kept), because)))
}

/// The states that change when one token is replaced: the first token, or the first token of turn 2.
fn edits(evidence: &mut Evidence, dialogue: &Dialogue, run: &Run) -> Result<()> {
    let count = dialogue.ids.len() as f64;
    for (place, words, at) in [("start", "the dialogue", 0), ("turn_2", "turn 2", dialogue.first)] {
        let mut share = |mask: Mask, theory: f64| {
            let name = format!("changed_by_edit_at_{place}_{mask}");
            let share = changed(dialogue, at, mask, run)? as f64 / count;
            let measured = evidence.measure(name, share, "of all positions");
            measured.expect(theory, 1e-9, "theory: an edit reaches every position that sees it");
            Ok::<f64, Error>(share)
        };
        let causal = share(Mask::causal(), 1.0 - at as f64 / count)?;
        let bidirectional = share(Mask::bidirectional(), 1.0)?;
        let text = format!(
            "editing the first token of {words} changes {} of all positions under the causal mask and {} under the \
             bidirectional one",
            short(causal),
            short(bidirectional),
        );
        // An edit at the start reaches every position under both masks.
        evidence.weigh(causal < bidirectional, text).at("edit", at);
    }
    Ok(())
}

/// How many of the last hidden states change when the token `at` is replaced.
fn changed(dialogue: &Dialogue, at: usize, mask: Mask, run: &Run) -> Result<usize> {
    let (before, vocab) = (&dialogue.ids, dialogue.model.description().vocab as u32);
    let mut after = before.clone();
    after[at] = (after[at] + 1) % vocab;
    let moved = reuse::moved_states(dialogue.model.as_ref(), (before, &mask), (&after, &mask), run)?;
    let last = moved.rows().into_iter().next_back();
    Ok(last.map_or(0, |last| last.iter().filter(|&&move_| move_ > ROUNDING).count()))
}

/// Whether every one of `ways`, none of them causal, loses its cache, and whether an encoder-decoder does so too.
fn only_causal(dialogue: &Dialogue, ways: &[Way], encoder: [f64; 2]) -> Verdict {
    // A way is a counterexample if its stored states are functions of turn 1 alone.
    let exact = match ways.iter().find(|way| way.first_that_sees_otherwise(dialogue).is_none()) {
        Some(way) => {
            let because = format!(
                "In {} no stored position sees a new one either, so its stored states are functions of turn 1 alone.",
                way.words()
            );
            (Exact::Refuted, because)
        }
        None => {
            let because = "In every other way tried, a stored position sees a new one; that there is no further way is \
                           not shown.";
            (Exact::Open, because.to_owned())
        }
    };
    let outcomes = encoder.map(|change| match is_kept(change) {
        Some(is_kept) => Outcome::of(!is_kept),
        None => Outcome::Unclear,
    });
    let random = format!(
        "An encoder-decoder of random weights keeps the keys and values of its cross-attention within a turn (relative \
         change {}); where its encoder reads the history they change (by {}).",
        short(encoder[0]),
        short(encoder[1])
    );
    let lost: Vec<_> =
        ways.iter().map(|way| is_kept(way.change.relative()).map(|is_kept| !is_kept)).collect();
    let list = |wanted| {
        let ways = ways.iter().zip(&lost).filter(|(_, lost)| **lost == Some(wanted));
        let words: Vec<_> = ways.map(|(way, _)| way.words()).collect();
        if words.is_empty() { "no other way".to_owned() } else { words.join(", ") }
    };
    let trained = format!(
        "The weights of {} lose the states of turn 1 under: {}. They keep them under: {}.",
        dialogue.name,
        list(true),
        list(false)
    );
    Verdict::of(Some(exact), Some((Floating::over(outcomes), random)), Some((Trained::over(lost), trained)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::tests::settings;

    fn words(verdict: &Verdict) -> [Option<&'static str>; 3] {
        let [exact, floating, trained, _] = verdict.rows().map(|row| row.map(|row| row.0));
        [exact, floating, trained]
    }

    #[test]
    fn a_frozen_prefix_refutes_it_and_merged_histories_do_not() {
        let (settings, run) = (settings("only-causal-reuse", &[]), Run::default());
        let dialogue = Dialogue::load(&settings).unwrap();
        let encoder = encoder(&mut Evidence::default(), &settings, &dialogue, &run).unwrap();
        assert!(encoder[0] <= ROUNDING && encoder[1] > 0.05);
        let verdict = |only: &[&str]| {
            let readings = reuse::readings(dialogue.prompt, dialogue.first).into_iter();
            let readings = readings.filter(|reading| only.contains(&reading.name));
            let ways: Vec<_> =
                readings.map(|reading| Way::measure(&dialogue, reading, &run).unwrap()).collect();
            words(&only_causal(&dialogue, &ways, encoder)).map(Option::unwrap)
        };
        assert_eq!(verdict(&["prefix_frozen"]), ["refuted", "holds in one region", "seen in none"]);
        let merged = ["prefix_grown", "bidirectional"];
        assert_eq!(verdict(&merged), ["open", "holds in one region", "seen in all"]);
    }

    #[test]
    fn a_model_that_reads_ahead_would_be_found() {
        let (settings, run) = (settings("cache-reuse", &[]), Run::default());
        let dialogue = Dialogue::load(&settings).unwrap();
        let [.., grown, both] = reuse::readings(dialogue.prompt, dialogue.first);
        for reading in [grown, both] {
            let way = Way::measure(&dialogue, reading, &run).unwrap();
            assert_eq!(words(&keeps(&dialogue, &way)), [Some("refuted"), None, Some("seen in none")]);
        }
    }

    #[test]
    fn what_is_neither_rounding_nor_clear_is_not_resolved() {
        assert_eq!([0.0, 1e-4, 0.4, f64::NAN].map(is_kept), [Some(true), None, Some(false), None]);
    }

    #[test]
    fn named_models_hold_their_bytes_per_token() {
        let bytes = |layers, kv_heads| {
            model::CacheLayout { layers, batch: 1, kv_heads, head_size: 128 }.bytes_per_token(2)
        };
        assert_eq!([bytes(32, 32), bytes(80, 8), bytes(32, 8)], [524_288, 327_680, 131_072]);
    }
}
