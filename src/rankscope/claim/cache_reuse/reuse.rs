//! What appending a turn, or editing a token, does to what is stored.

use super::{ROUNDING, words};
use crate::axis::Axis;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::model::{Input, MaskChoice};
use crate::numbers::short;
use crate::ops::slice;
use crate::probe::{Trace, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;

use super::dialogue::Dialogue;

/// One way to read a dialogue: the mask of the first turn, and that of both.
struct Reading {
    name: &'static str,
    before: Mask,
    after: Mask,
}

/// How far the states of the first turn moved, layer by layer: ‖after − before‖ / ‖before‖.
struct Change {
    hidden: Vec<f64>,
    keys: Vec<f64>,
    values: Vec<f64>,
    /// The largest absolute difference of all.
    largest: f64,
}

impl Change {
    fn relative(&self) -> f64 {
        let all = self.hidden.iter().chain(&self.keys).chain(&self.values);
        all.fold(0.0, |largest, &change| f64::max(largest, change))
    }
}

/// The states of turn 1 before and after turn 2 is appended.
pub(super) fn append(
    evidence: &mut Evidence,
    settings: &Settings,
    dialogue: &Dialogue,
    run: &Run,
) -> Result<()> {
    let (prompt, first) = (dialogue.prompt, dialogue.first);
    let same = |name, mask: Mask| Reading { name, before: mask.clone(), after: mask };
    let readings = [
        same("causal", Mask::causal()),
        same("prefix_frozen", Mask::prefix(prompt)),
        Reading { name: "prefix_grown", before: Mask::prefix(prompt), after: Mask::prefix(first) },
        same("bidirectional", Mask::bidirectional()),
    ];
    let tokens =
        [("prompt_tokens", prompt), ("turn_1_tokens", first), ("dialogue_tokens", dialogue.ids.len())];
    for (name, count) in tokens {
        evidence.measure(name, count as f64, "tokens");
    }
    let mut curves = Vec::new();
    for (index, reading) in readings.iter().enumerate() {
        let change = change(dialogue, reading, run)?;
        weigh(evidence, reading, &change);
        let points = change.hidden.iter().enumerate().map(|(layer, &change)| (layer as f64, change));
        curves.push(Curve::new(words(reading.name), Kind::of(&reading.after), points));
        run.step("turn 2", index + 1, readings.len())?;
    }
    for (name, mask) in [("causal", Mask::causal()), ("prefix_frozen", Mask::prefix(prompt))] {
        evidence.measure(format!("cached_error_{name}"), cached_error(dialogue, mask, run)?, "");
        evidence.expect(
            format!("cached_error_{name}"),
            0.0,
            ROUNDING,
            "theory: the cached pass is the full pass",
        );
    }
    picture(evidence, settings, dialogue, curves);
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, dialogue: &Dialogue, curves: Vec<Curve>) {
    let figure = Lines {
        title: "Stored states of turn 1 after turn 2".into(),
        x: PlotAxis::linear("layer"),
        y: PlotAxis::linear("relative change of hidden states"),
        curves,
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

fn weigh(evidence: &mut Evidence, reading: &Reading, change: &Change) {
    let Reading { name, .. } = reading;
    let relative = change.relative();
    evidence.measure(format!("change_{name}"), relative, "");
    evidence.measure(format!("largest_change_{name}"), change.largest, "");
    let last = change.hidden.last().copied().unwrap_or(0.0);
    evidence.measure(format!("change_last_layer_{name}"), last, "");
    let is_kept = relative <= ROUNDING;
    let how = match change.largest {
        0.0 => "not at all, bit for bit".to_owned(),
        largest if is_kept => format!("by rounding alone (largest difference {})", short(largest)),
        largest => {
            let last = short(last);
            format!("by {last} relative in the last layer, largest difference {}", short(largest))
        }
    };
    // That causal states stay and others do not speaks for the claim, the reverse against it.
    let supports = is_kept == (*name == "causal");
    evidence.weigh(supports, format!("{}: appending turn 2 changes the states of turn 1 {how}", words(name)));
    if matches!(*name, "causal" | "prefix_frozen") {
        evidence.expect(format!("change_{name}"), 0.0, ROUNDING, "theory: stored positions see no new one");
    }
}

fn change(dialogue: &Dialogue, reading: &Reading, run: &Run) -> Result<Change> {
    let before = states(dialogue, &dialogue.first_turn(), &reading.before, run)?;
    let after = states(dialogue, &dialogue.both_turns(), &reading.after, run)?;
    let layers = dialogue.model.description().layers;
    let mut largest = 0.0;
    let mut of = |part: &str, axis: Axis| -> Result<Vec<f64>> {
        let mut moved = Vec::new();
        for layer in 0..layers {
            let name = format!("decoder.{layer}.{part}");
            let get = |trace: &Trace| trace.get(&name).cloned().ok_or_else(|| missing(&name));
            let (before, after) = (get(&before)?, slice(&get(&after)?, axis, 0..dialogue.first)?);
            let (relative, absolute) = difference(&before, &after)?;
            largest = f64::max(largest, absolute);
            moved.push(relative);
        }
        Ok(moved)
    };
    let hidden = of("output", Axis::Query)?;
    let keys = of("self_attention.key", Axis::Key)?;
    let values = of("self_attention.value", Axis::Key)?;
    Ok(Change { hidden, keys, values, largest })
}

fn missing(name: &str) -> crate::Error {
    crate::Error::invalid("intermediate of the model", name, "one that the model shows its probe")
}

fn states(dialogue: &Dialogue, input: &Input, mask: &Mask, run: &Run) -> Result<Trace> {
    let mut trace = Trace::of([".output", "self_attention.key", "self_attention.value"]);
    dialogue.model.hidden(input, &MaskChoice::Override(mask.clone()), &mut trace, run)?;
    Ok(trace)
}

/// ‖b − a‖ / ‖a‖ and the largest |b − a|, in f64.
pub(super) fn difference(a: &Tensor, b: &Tensor) -> Result<(f64, f64)> {
    let (a, b) = (a.to_vec()?, b.to_vec()?);
    let pairs = || a.iter().zip(&b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let squares: f64 = pairs().map(|(a, b)| (b - a).powi(2)).sum();
    let norm: f64 = pairs().map(|(a, _)| a * a).sum();
    let largest = pairs().fold(0.0, |largest, (a, b)| f64::max(largest, (b - a).abs()));
    Ok(if squares == 0.0 { (0.0, 0.0) } else { ((squares / norm).sqrt(), largest) })
}

/// Turn 2 on the cache of turn 1, against the full pass: relative difference of the last hidden states.
fn cached_error(dialogue: &Dialogue, mask: Mask, run: &Run) -> Result<f64> {
    let (model, mask) = (&dialogue.model, MaskChoice::Override(mask));
    let full = model.hidden(&dialogue.both_turns(), &mask, &mut Unobserved, run)?;
    let full = slice(&full, Axis::Query, dialogue.first..dialogue.ids.len())?;
    let mut cache = model.cache(1)?;
    model.hidden_after(&mut cache, &dialogue.first_turn(), &mask, &mut Unobserved, run)?;
    let second = Input::new(dialogue.ids[dialogue.first..].to_vec());
    let cached = model.hidden_after(&mut cache, &second, &mask, &mut Unobserved, run)?;
    Ok(difference(&full, &cached)?.0)
}

/// Another token in place of one: which share of the last hidden states changes.
pub(super) fn edit(evidence: &mut Evidence, dialogue: &Dialogue, run: &Run) -> Result<()> {
    let count = dialogue.ids.len();
    for (place, at) in [("start", 0), ("turn_2", dialogue.first)] {
        for mask in [Mask::causal(), Mask::bidirectional()] {
            let share = changed_share(dialogue, at, &mask, run)?;
            let name = format!("changed_by_edit_at_{place}_{mask}");
            let theory = if mask == Mask::causal() { (count - at) as f64 / count as f64 } else { 1.0 };
            evidence.measure(name.clone(), share, "of all positions");
            evidence.expect(name, theory, 1e-9, "theory: an edit reaches every position that sees it");
        }
    }
    let share = |name: &str| evidence.value(&format!("changed_by_edit_at_{name}"));
    let text = format!(
        "editing the first token changes {} of all positions under the causal mask and {} under the \
         bidirectional one; editing the first token of turn 2, {} and {}",
        short(share("start_causal")?),
        short(share("start_bidirectional")?),
        short(share("turn_2_causal")?),
        short(share("turn_2_bidirectional")?)
    );
    let supports = share("turn_2_causal")? < share("turn_2_bidirectional")?;
    evidence.weigh(supports, text);
    Ok(())
}

fn changed_share(dialogue: &Dialogue, at: usize, mask: &Mask, run: &Run) -> Result<f64> {
    let (model, mask) = (&dialogue.model, MaskChoice::Override(mask.clone()));
    let d = model.description();
    let hidden = |ids: Vec<u32>| model.hidden(&Input::new(ids), &mask, &mut Unobserved, run)?.to_vec();
    let before = hidden(dialogue.ids.clone())?;
    let mut ids = dialogue.ids.clone();
    ids[at] = (ids[at] + 1) % d.vocab as u32;
    let after = hidden(ids)?;
    let rows = before.chunks(d.width).zip(after.chunks(d.width));
    let moved = rows.filter(|(before, after)| {
        let far = before.iter().zip(*after).fold(0.0f32, |far, (a, b)| far.max((a - b).abs()));
        let size = before.iter().fold(0.0f32, |size, x| size.max(x.abs()));
        far > 1e-6 * size
    });
    Ok(moved.count() as f64 / dialogue.ids.len() as f64)
}
