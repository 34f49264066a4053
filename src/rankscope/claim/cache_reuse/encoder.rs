//! The same question for a RedLLM of random weights: are the keys and values of its cross-attention kept?

use super::dialogue::Dialogue;
use crate::axis::Axis;
use crate::claim::{Evidence, Settings};
use crate::error::{Error, Result};
use crate::model::preset::PairSizes;
use crate::model::reuse::{ROUNDING, difference};
use crate::model::{self, Config, Input, KvCache, MaskChoice, Model};
use crate::numbers::short;
use crate::ops::{concat, slice};
use crate::probe::Unobserved;
use crate::run::Run;
use crate::tensor::Tensor;

/// Two layers each.
const LAYERS: [usize; 2] = [2, 2];

/// Relative changes of the keys and values of cross-attention.
pub(super) struct Encoder {
    /// Within a turn, while the decoder writes.
    pub in_turn: f64,
    /// When the encoder reads the whole dialogue.
    pub grown: f64,
}

impl Encoder {
    pub fn measure(settings: &Settings, dialogue: &Dialogue, run: &Run) -> Result<Self> {
        let (vocab, context) = (dialogue.model.description().vocab, dialogue.ids.len() + 1);
        let sizes =
            PairSizes { width: 48, heads: 4, kv_heads: 2, head_size: 12, feed_forward: 96, vocab, context };
        let config = Config::from_value("an encoder-decoder of this claim", sizes.redllm(LAYERS))?;
        let model = model::seeded(&config, settings.seed()?, settings.device())?;
        Ok(Encoder {
            in_turn: within_a_turn(&*model, dialogue, run)?,
            grown: over_turns(&*model, dialogue, run)?,
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
fn within_a_turn(model: &dyn Model, dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let (prompt, answer) = dialogue.ids[..dialogue.first].split_at(dialogue.prompt);
    let input = |ids: &[u32]| Input::new(prompt.to_vec()).with_decoder(ids.to_vec());
    let (mut cache, mask) = (model.cache(1)?, MaskChoice::AsTrained);
    let mut once = Vec::new();
    let mut again = Vec::new();
    for (end, token) in answer.chunks(1).enumerate() {
        once.push(model.hidden_after(&mut cache, &input(token), &mask, &mut Unobserved, run)?);
        let states = model.hidden(&input(&answer[..=end]), &mask, &mut Unobserved, run)?;
        again.push(slice(&states, Axis::Query, end..end + 1)?);
    }
    Ok(difference(&joined(&again)?, &joined(&once)?)?.0)
}

/// States one after the other.
fn joined(states: &[Tensor]) -> Result<Tensor> {
    let (first, others) = states.split_first().expect("an answer has a token");
    others.iter().try_fold(first.clone(), |all, state| concat(&all, state, Axis::Query))
}

/// The prompt's keys and values when the encoder reads the prompt alone, and when it reads the whole
/// dialogue.
fn over_turns(model: &dyn Model, dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let before = cross_attention(model, &dialogue.ids[..dialogue.prompt], run)?;
    let mut after = cross_attention(model, &dialogue.ids, run)?;
    after.truncate(dialogue.prompt)?;
    let mut largest = 0.0;
    for (before, after) in before.layers().iter().zip(after.layers()) {
        for (before, after) in [(before.keys(), after.keys()), (before.values(), after.values())] {
            largest = f64::max(largest, difference(before, after)?.0);
        }
    }
    Ok(largest)
}

/// The keys and values that the decoder's cross-attention makes of a text.
fn cross_attention(model: &dyn Model, text: &[u32], run: &Run) -> Result<KvCache> {
    let mut cache = model.cache(1)?;
    let input = Input::new(text.to_vec()).with_decoder(vec![text[0]]);
    model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, run)?;
    let cross =
        cache.cross().ok_or_else(|| Error::invalid("cache", "without an encoder", "one of a pair"))?;
    Ok(cross.keys_and_values().clone())
}
