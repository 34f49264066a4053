//! What appending a turn, or editing a token, does to what is stored.

use super::dialogue::Dialogue;
use super::words;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::model::reuse::{self, Change, ROUNDING, Reading};
use crate::model::{Input, MaskChoice};
use crate::numbers::short;
use crate::probe::Unobserved;
use crate::run::Run;

/// The states of turn 1 before and after turn 2 is appended.
pub(super) fn append(
    evidence: &mut Evidence,
    settings: &Settings,
    dialogue: &Dialogue,
    run: &Run,
) -> Result<()> {
    let (prompt, first) = (dialogue.prompt, dialogue.first);
    let readings = reuse::readings(prompt, first);
    let tokens =
        [("prompt_tokens", prompt), ("turn_1_tokens", first), ("dialogue_tokens", dialogue.ids.len())];
    for (name, count) in tokens {
        evidence.measure(name, count as f64, "tokens");
    }
    let mut curves = Vec::new();
    for (index, reading) in readings.iter().enumerate() {
        let change = reuse::change(dialogue.model.as_ref(), &dialogue.ids, first, reading, run)?;
        weigh(evidence, reading, &change);
        let points = change.hidden.iter().enumerate().map(|(layer, &change)| (layer as f64, change));
        curves.push(Curve::new(words(reading.name), Kind::of(&reading.after), points));
        run.step("turn 2", index + 1, readings.len())?;
    }
    for (name, mask) in [("causal", Mask::causal()), ("prefix_frozen", Mask::prefix(prompt))] {
        let error = reuse::cached_error(dialogue.model.as_ref(), &dialogue.ids, first, mask, run)?;
        evidence.measure(format!("cached_error_{name}"), error, "");
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
    evidence.measure(format!("change_{name}"), change.relative(), "");
    evidence.measure(format!("largest_change_{name}"), change.largest, "");
    let last = change.hidden.last().copied().unwrap_or(0.0);
    evidence.measure(format!("change_last_layer_{name}"), last, "");
    let is_kept = change.is_kept();
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
