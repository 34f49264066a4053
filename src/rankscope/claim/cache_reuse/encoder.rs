//! The same question for a RedLLM with random weights: do the keys and values of its cross-attention stay valid?

use super::*;

/// The same question for a RedLLM with random weights: relative changes of the keys and values of its cross-attention
/// within a turn, while the decoder writes, and when the encoder reads the whole dialogue.
pub(super) fn encoder(
    evidence: &mut Evidence,
    settings: &Settings,
    dialogue: &Dialogue,
    run: &Run,
) -> Result<[f64; 2]> {
    let (vocab, context) = (dialogue.model.description().vocab, dialogue.ids.len() + 1);
    let sizes =
        PairSizes { width: 48, heads: 4, kv_heads: 2, head_size: 12, feed_forward: 96, vocab, context };
    let config = Config::from_value("an encoder-decoder of this claim", sizes.redllm([2, 2]))?;
    let model = model::seeded(&config, settings.seed()?, settings.device())?;
    let changes = [within_a_turn(&*model, dialogue, run)?, over_turns(&*model, dialogue, run)?];
    let theory = "theory: the encoder does not see the decoder";
    evidence.measure("change_encoder_in_turn", changes[0], "").expect(0.0, ROUNDING, theory);
    evidence.measure("change_encoder_grown", changes[1], "");
    let what = ["an encoder-decoder within a turn", "an encoder that reads the history"];
    for (what, change) in what.into_iter().zip(changes) {
        let is_kept = change <= ROUNDING;
        let text = format!(
            "{what} (random weights): {} its cross-attention's keys and values, relative change {}",
            if is_kept { "keeps" } else { "loses" },
            short(change)
        );
        evidence.weigh(!is_kept, text);
    }
    Ok(changes)
}

/// The relative difference of the hidden states when the answer is decoded token by token with keys and values computed
/// once, and when the encoder reads the prompt again for every token.
pub(super) fn within_a_turn(model: &dyn Model, dialogue: &Dialogue, run: &Run) -> Result<f64> {
    let (prompt, answer) = dialogue.ids[..dialogue.first].split_at(dialogue.prompt);
    let input = |ids: &[u32]| Input::new(prompt.to_vec()).with_decoder(ids.to_vec());
    let (mut cache, mask) = (model.cache(1)?, MaskChoice::AsTrained);
    let (mut once, mut again) = (Vec::new(), Vec::new());
    for (end, token) in answer.chunks(1).enumerate() {
        once.push(model.hidden_after(&mut cache, &input(token), &mask, &mut Unobserved, run)?);
        let states = model.hidden(&input(&answer[..=end]), &mask, &mut Unobserved, run)?;
        again.push(slice(&states, Axis::Query, end..end + 1)?);
    }
    Ok(difference(&joined(&again)?, &joined(&once)?)?.0)
}

/// Joins states along the positions.
pub(super) fn joined(states: &[Tensor]) -> Result<Tensor> {
    let (first, others) = states.split_first().expect("an answer has a token");
    others.iter().try_fold(first.clone(), |all, state| concat(&all, state, Axis::Query))
}

/// The change of the prompt's keys and values between an encoder that reads only the prompt and one that reads the
/// whole dialogue.
pub(super) fn over_turns(model: &dyn Model, dialogue: &Dialogue, run: &Run) -> Result<f64> {
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

/// The keys and values that the decoder's cross-attention computes from a text.
pub(super) fn cross_attention(model: &dyn Model, text: &[u32], run: &Run) -> Result<KvCache> {
    let mut cache = model.cache(1)?;
    let input = Input::new(text.to_vec()).with_decoder(vec![text[0]]);
    model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, run)?;
    let cross =
        cache.cross().ok_or_else(|| Error::invalid("cache", "without an encoder", "one of a pair"))?;
    Ok(cross.keys_and_values().clone())
}
