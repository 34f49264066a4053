//! Which states another token in place of one changes.

use super::dialogue::Dialogue;
use crate::claim::Evidence;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::{Input, MaskChoice};
use crate::numbers::short;
use crate::probe::Unobserved;
use crate::run::Run;

/// The shares of the last hidden states that change when one token does.
pub(super) struct Edit {
    /// Where the token is, as measurements call it.
    place: &'static str,
    /// Its position over the number of positions.
    at: f64,
    causal: f64,
    bidirectional: f64,
}

pub(super) fn measure(dialogue: &Dialogue, run: &Run) -> Result<Vec<Edit>> {
    let edit = |(place, at): (&'static str, usize)| {
        Ok(Edit {
            place,
            at: at as f64 / dialogue.ids.len() as f64,
            causal: changed_share(dialogue, at, &Mask::causal(), run)?,
            bidirectional: changed_share(dialogue, at, &Mask::bidirectional(), run)?,
        })
    };
    [("start", 0), ("turn_2", dialogue.first)].into_iter().map(edit).collect()
}

pub(super) fn report(evidence: &mut Evidence, edits: &[Edit]) {
    for Edit { place, at, causal, bidirectional } in edits {
        for (mask, share, theory) in [("causal", causal, 1.0 - at), ("bidirectional", bidirectional, 1.0)] {
            let name = format!("changed_by_edit_at_{place}_{mask}");
            let source = "theory: an edit reaches every position that sees it";
            evidence.measure(name, *share, "of all positions").expect(theory, 1e-9, source);
        }
        let text = format!(
            "editing the first token of {} changes {} of all positions under the causal mask and {} under the \
             bidirectional one",
            if *at == 0.0 { "the dialogue" } else { "turn 2" },
            short(*causal),
            short(*bidirectional),
        );
        // An edit at the start reaches every position under both masks.
        evidence.weigh(causal < bidirectional, text);
    }
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
