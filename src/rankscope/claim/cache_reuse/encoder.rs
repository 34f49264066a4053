//! The same question for an encoder-decoder of random weights: what its cross-attention has stored.

use super::dialogue::Dialogue;
use crate::axis::Axis;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::model::KvCache;
use crate::model::architecture::{EncoderDecoder, Sizes};
use crate::model::reuse::{ROUNDING, difference};
use crate::numbers::short;
use crate::ops::{concat, slice};
use crate::probe::Unobserved;
use crate::run::Run;

/// Two layers each.
const LAYERS: [usize; 2] = [2, 2];

/// Relative changes of what cross-attention has stored.
pub(super) struct Encoder {
    /// Within a turn, while the decoder writes.
    pub in_turn: f64,
    /// When the encoder reads the whole dialogue.
    pub grown: f64,
}

impl Encoder {
    pub fn measure(settings: &Settings, dialogue: &Dialogue, run: &Run) -> Result<Self> {
        let vocab = dialogue.model.description().vocab;
        let sizes = Sizes { width: 48, heads: 4, kv_heads: 2, head_size: 12, feed_forward: 96, vocab };
        let model = EncoderDecoder::random(sizes, LAYERS, settings.seed()?, settings.device())?;
        Ok(Encoder {
            in_turn: within_a_turn(&model, dialogue, run)?,
            grown: over_turns(&model, dialogue, run)?,
        })
    }

    pub fn changes(&self) -> impl Iterator<Item = f64> {
        [self.in_turn, self.grown].into_iter()
    }

    pub fn report(&self, evidence: &mut Evidence) {
        let theory = "theory: the encoder does not see the decoder";
        evidence.measure("change_encoder_in_turn", self.in_turn, "").expect(0.0, ROUNDING, theory);
        evidence.measure("change_encoder_grown", self.grown, "");
        let what = ["an encoder-decoder within a turn", "an encoder that reads the history"];
        for (what, change) in what.into_iter().zip(self.changes()) {
            let is_kept = change <= ROUNDING;
            let does = if is_kept { "keeps" } else { "loses" };
            let text = format!(
                "{what} (random weights): {does} its cross-attention's keys and values, relative change {}",
                short(change)
            );
            evidence.weigh(!is_kept, text);
        }
    }
}

/// The answer decoded token by token on keys and values computed once, against an encoder that reads the
/// prompt again for every token: relative difference of the hidden states.
fn within_a_turn(model: &EncoderDecoder, dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let (prompt, answer) = dialogue.ids[..dialogue.first].split_at(dialogue.prompt);
    let memory = model.encode(prompt, &mut Unobserved, run)?;
    let mut cache = model.cache()?;
    let mut once = model.decode(&answer[..1], &memory, Some(&mut cache), &mut Unobserved, run)?;
    for token in answer[1..].chunks(1) {
        let state = model.decode(token, &memory, Some(&mut cache), &mut Unobserved, run)?;
        once = concat(&once, &state, Axis::Query)?;
    }
    let last = answer.len() - 1;
    let mut again = Vec::new();
    for end in 1..=answer.len() {
        let memory = model.encode(prompt, &mut Unobserved, run)?;
        let states = model.decode(&answer[..end], &memory, None, &mut Unobserved, run)?;
        again.push(slice(&states, Axis::Query, end - 1..end)?);
    }
    let mut all = again[0].clone();
    for state in &again[1..=last] {
        all = concat(&all, state, Axis::Query)?;
    }
    Ok(difference(&all, &once)?.0)
}

/// The prompt's keys and values when the encoder reads the prompt alone, and when it reads the whole
/// dialogue.
fn over_turns(model: &EncoderDecoder, dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let before = model.encode(&dialogue.ids[..dialogue.prompt], &mut Unobserved, run)?;
    let mut after: KvCache = model.encode(&dialogue.ids, &mut Unobserved, run)?;
    after.truncate(dialogue.prompt)?;
    let mut largest = 0.0;
    for (before, after) in before.layers().iter().zip(after.layers()) {
        for (before, after) in [(before.keys(), after.keys()), (before.values(), after.values())] {
            largest = f64::max(largest, difference(before, after)?.0);
        }
    }
    Ok(largest)
}
