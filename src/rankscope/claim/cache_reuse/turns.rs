//! What appending a turn does to what is stored of the first.

use super::dialogue::Dialogue;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::model::reuse::{self, Change, ROUNDING, Reading};
use crate::numbers::short;
use crate::run::Run;

/// Relative changes from here on are changes; between rounding and this, nothing is said.
const CHANGE: f64 = 1e-3;

/// Whether what was stored still holds after this relative change; `None` where that is not clear.
pub(super) fn is_kept(change: f64) -> Option<bool> {
    match change {
        change if change <= ROUNDING => Some(true),
        change if change >= CHANGE => Some(false),
        _ => None,
    }
}

/// One way to read the dialogue, and what turn 2 does to the stored states of turn 1.
pub(super) struct Way {
    pub reading: Reading,
    pub change: Change,
    /// The second turn on the cache of the first against the full pass, where the mask allows a cache.
    pub cached_error: Option<f64>,
}

impl Way {
    /// The first stored position that sees other positions once turn 2 is there.
    ///
    /// If there is none, a state of turn 1 is a function of the tokens of turn 1, whatever the weights are.
    pub fn first_that_sees_otherwise(&self, dialogue: &Dialogue) -> Option<usize> {
        let (first, Reading { before, after, .. }) = (dialogue.first, &self.reading);
        let saw = |query, key| key < first && before.may_attend(query, key);
        (0..first)
            .find(|&query| (0..dialogue.ids.len()).any(|key| after.may_attend(query, key) != saw(query, key)))
    }

    /// Layer by layer, whether the states are kept.
    pub fn kept(&self) -> impl Iterator<Item = Option<bool>> {
        self.change.hidden.iter().map(|&change| is_kept(change))
    }

    pub fn words(&self) -> &'static str {
        match self.reading.name {
            "prefix_frozen" => "a prefix-LM with its prefix frozen",
            "prefix_grown" => "a prefix-LM with its prefix grown",
            other => other,
        }
    }

    fn is_causal(&self) -> bool {
        self.reading.after == Mask::causal()
    }
}

/// The states of turn 1 before and after turn 2 is appended.
pub(super) fn measure(dialogue: &Dialogue, reading: Reading, run: &Run) -> Result<Way> {
    let model = dialogue.model.as_ref();
    let change = reuse::change(model, &dialogue.ids, dialogue.first, &reading, run)?;
    let mut way = Way { reading, change, cached_error: None };
    if way.first_that_sees_otherwise(dialogue).is_none() {
        let mask = way.reading.after.clone();
        way.cached_error = Some(reuse::cached_error(model, &dialogue.ids, dialogue.first, mask, run)?);
    }
    Ok(way)
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue, ways: &[Way]) {
    for way in ways {
        let Way { reading: Reading { name, .. }, change, cached_error } = way;
        let is_function_of_turn_1 = way.first_that_sees_otherwise(dialogue).is_none();
        let measured = evidence.measure(format!("change_{name}"), change.relative(), "");
        if is_function_of_turn_1 {
            measured.expect(0.0, ROUNDING, "theory: stored positions see no new one");
        }
        evidence.measure(format!("largest_change_{name}"), change.largest, "");
        let last = change.hidden.last().copied().unwrap_or(0.0);
        evidence.measure(format!("change_last_layer_{name}"), last, "");
        if let Some(error) = cached_error {
            let theory = "theory: the cached pass is the full pass";
            evidence.measure(format!("cached_error_{name}"), *error, "").expect(0.0, ROUNDING, theory);
        }
        let how = match change.largest {
            0.0 => "not at all, bit for bit".to_owned(),
            largest if change.is_kept() => {
                format!("by rounding alone (largest difference {})", short(largest))
            }
            largest => {
                format!(
                    "by {} relative in the last layer, largest difference {}",
                    short(last),
                    short(largest)
                )
            }
        };
        // That causal states stay and others do not speaks for the claims, the reverse against them.
        let supports = change.is_kept() == way.is_causal();
        let text = format!("{}: appending turn 2 changes the states of turn 1 {how}", way.words());
        evidence.weigh(supports, text);
    }
    picture(evidence, settings, dialogue, ways);
}

fn picture(evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue, ways: &[Way]) {
    let curve = |way: &Way| {
        let points = way.change.hidden.iter().enumerate().map(|(layer, &change)| (layer as f64, change));
        Curve::new(way.words(), Kind::of(&way.reading.after), points)
    };
    let figure = Lines {
        title: "Stored states of turn 1 after turn 2".into(),
        x: PlotAxis::linear("layer"),
        y: PlotAxis::linear("relative change of hidden states"),
        curves: ways.iter().map(curve).collect(),
        references: Vec::new(),
        settings: settings.record(),
    };
    let caption = format!(
        "{}: how far turn 2 moves the hidden states of turn 1, ‖after − before‖ / ‖before‖, after each layer. \
         What is not at 0 has to be computed again (curves at 0 lie on one another).",
        dialogue.name
    );
    evidence.show("turn-2", caption, figure);
}
