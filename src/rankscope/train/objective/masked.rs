//! Objectives that replace some tokens and predict them: those of BERT.

use rand::RngExt;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::Request;
use super::sequences::whole;
use crate::error::{Error, Result};
use crate::train::{Batch, Labels, Vocabulary};

/// The share of tokens that are predicted.
const SHARE: f64 = 0.15;
/// The number of special tokens: `<start>`, and a `<separator>` after each half.
pub(super) const SPECIAL: usize = 3;

/// L = −Σ ln p(x\[t\] | the changed x) over the chosen tokens.
pub(super) fn masked_lm(request: &Request<'_>, random: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    request.expect_one_stack("span-corruption for both")?;
    let (mut read, mut targets) = (Vec::new(), Vec::new());
    for example in request.unpadded() {
        if example.tokens.is_empty() {
            return Err(request.unfit("without tokens", "at least one token"));
        }
        let places: Vec<_> = (0..example.tokens.len()).collect();
        let (hidden, truth) = hide(example.tokens, &places, request.vocabulary, random);
        read.push(hidden);
        targets.push(truth);
    }
    Ok(vec![whole(request, &read, &targets)?])
}

/// The masked LM's loss over `<start>` A `<separator>` B `<separator>`, and −ln p(B follows A).
///
/// **Conventions**: A is the first half of an example. With probability ½, B is its second half (class 0), and
/// otherwise the second half of another example of the batch (class 1), with the classes of `BertForPreTraining`.
pub(super) fn next_sentence(request: &Request<'_>, random: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    request.expect_one_stack("span-corruption for both")?;
    let texts: Vec<Vec<u32>> = request.unpadded().map(|example| example.tokens).collect();
    if request.examples.iter().any(|example| example.given > 0) {
        return Err(
            request.unfit("one of a task", "an example of a text, whose second half follows the first")
        );
    }
    if texts.len() < 2 {
        let expected = "at least 2: where B does not follow A, it is taken from another one";
        return Err(Error::invalid(request.what("number of examples"), texts.len(), expected));
    }
    if let Some(short) = texts.iter().find(|text| text.len() < 2) {
        return Err(request.unfit(format!("{} tokens", short.len()), "at least 2, one for each half"));
    }
    let [start, separator] = [request.vocabulary.start(), request.vocabulary.separator()];
    let (mut read, mut targets, mut segments, mut classes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let is_other = random.random_bool(0.5);
        let other = &texts[(index + random.random_range(1..texts.len())) % texts.len()];
        let (a, b) = (first_half(text), second_half(if is_other { other } else { text }));
        let tokens = [&[start], a, &[separator], b, &[separator]].concat();
        let behind_a = a.len() + 2;
        let places: Vec<_> = (1..=a.len()).chain(behind_a..behind_a + b.len()).collect();
        let (hidden, truth) = hide(tokens, &places, request.vocabulary, random);
        segments.push((behind_a, hidden.len()));
        read.push(hidden);
        targets.push(truth);
        classes.push(Some(u32::from(is_other)));
    }
    let batch = whole(request, &read, &targets)?;
    let length = batch.input.len();
    let types =
        segments.iter().flat_map(|&(b, end)| (0..length).map(move |at| u32::from((b..end).contains(&at))));
    let input = batch.input.with_token_types(types.collect());
    let labels = Labels { head: "cls.seq_relationship", classes, tokens_weight: 1.0 };
    Ok(vec![Batch { input, labels: Some(labels), ..batch }])
}

fn first_half(text: &[u32]) -> &[u32] {
    &text[..text.len() / 2]
}

fn second_half(text: &[u32]) -> &[u32] {
    &text[text.len() / 2..]
}

/// Chooses a share of [`SHARE`] of the `places`, at least one, whose tokens are to be predicted. Of the chosen tokens
/// 80 % become `<mask>`, 10 % another symbol and 10 % stay.
fn hide(
    mut tokens: Vec<u32>,
    places: &[usize],
    vocabulary: Vocabulary,
    random: &mut ChaCha8Rng,
) -> (Vec<u32>, Vec<Option<u32>>) {
    let count = ((places.len() as f64 * SHARE).round() as usize).max(1);
    let mut targets = vec![None; tokens.len()];
    for chosen in sample(random, places.len(), count) {
        let place = places[chosen];
        targets[place] = Some(tokens[place]);
        match random.random_range(0..10) {
            0..8 => tokens[place] = vocabulary.mask(),
            8 => tokens[place] = random.random_range(0..vocabulary.symbols as u32),
            _ => {}
        }
    }
    (tokens, targets)
}
