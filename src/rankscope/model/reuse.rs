//! The reuse experiment: which parts of a cache are still valid when a dialogue continues.
//!
//! A first turn is a prompt and its answer. A second turn is appended, both are read again, and the states of
//! the first turn are compared with those that were stored, layer by layer.

use ndarray::Array2;
use serde::Serialize;

use super::{Input, MaskChoice, Model, Tokenizer, Tokens};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::slice;
use crate::probe::{Trace, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;

/// The largest relative change that counts as rounding in f32.
pub const ROUNDING: f64 = 1e-5;

/// One way to read a dialogue: the mask of the first turn, and the mask of both turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// `causal`, `prefix_frozen`, `prefix_grown` or `bidirectional`; `encoder` if an encoder reads the history.
    pub name: &'static str,
    /// The mask when there is only the first turn.
    pub before: Mask,
    /// The mask when both turns are there.
    pub after: Mask,
}

/// The four readings, for a prompt of `prompt` tokens and a first turn of `first` tokens, prompt included.
///
/// A prefix-LM may keep its prefix unchanged, or extend it over the whole first turn.
pub fn readings(prompt: usize, first: usize) -> [Reading; 4] {
    let same = |name, mask: Mask| Reading { name, before: mask.clone(), after: mask };
    [
        same("causal", Mask::causal()),
        same("prefix_frozen", Mask::prefix(prompt)),
        Reading { name: "prefix_grown", before: Mask::prefix(prompt), after: Mask::prefix(first) },
        same("bidirectional", Mask::bidirectional()),
    ]
}

impl Reading {
    /// Which of the stored states have to be computed again, for any weights, when a text of `before` tokens grows to
    /// `after` tokens, or the token at `edited` is replaced.
    ///
    /// A state stays valid if its position sees the same keys as before, and if its own state and those of these keys
    /// stay valid one layer below.
    ///
    /// **Shapes**: `[L + 1, S]` for the S positions of the old text; the first row is for the embeddings.
    ///
    /// ```
    /// use rankscope::model::reuse::readings;
    /// let [causal, _, _, both] = readings(2, 4);
    /// assert_eq!(causal.stale(4, 6, None, 3).iter().filter(|stale| **stale).count(), 0);
    /// // The edited token, and from the first layer on every position that sees it.
    /// assert_eq!(causal.stale(4, 4, Some(1), 1).iter().filter(|stale| **stale).count(), 1 + 3);
    /// assert_eq!(both.stale(4, 4, Some(1), 1).iter().filter(|stale| **stale).count(), 1 + 4);
    /// ```
    pub fn stale(&self, before: usize, after: usize, edited: Option<usize>, layers: usize) -> Array2<bool> {
        let stored = before.min(after);
        let sees = |query: usize, key: usize| key < after && self.after.may_attend(query, key);
        let saw = |query: usize, key: usize| key < before && self.before.may_attend(query, key);
        let mut stale = Array2::from_shape_fn((layers + 1, stored), |(_, at)| edited == Some(at));
        for layer in 1..=layers {
            for query in 0..stored {
                let key_changed = |key: usize| {
                    sees(query, key) != saw(query, key)
                        || (key < stored && sees(query, key) && stale[[layer - 1, key]])
                };
                let changed = stale[[layer - 1, query]] || (0..before.max(after)).any(key_changed);
                stale[[layer, query]] = changed;
            }
        }
        stale
    }
}

/// The tokens of a dialogue's parts, one after the other, and where each part ends. `parts` are names and texts.
///
/// # Errors
/// [`Error::Invalid`] naming a part without a token.
pub fn joined_tokens(tokenizer: &Tokenizer, parts: &[(&str, &str)]) -> Result<(Tokens, Vec<usize>)> {
    let (mut all, mut ends) = (Tokens::default(), Vec::new());
    for &(name, text) in parts {
        let tokens = tokenizer
            .encode(text)
            .map_err(|_| Error::invalid(name, format!("{text:?}"), "a text of one word or more"))?;
        // A tokenizer that begins every text with a special token would put this token between the turns.
        let is_begin = tokenizer.decode(&tokens.ids[..1])?.is_empty();
        let from = usize::from(is_begin && !all.ids.is_empty());
        all.ids.extend(&tokens.ids[from..]);
        all.token_types.extend(&tokens.token_types[from..]);
        all.pieces.extend_from_slice(&tokens.pieces[from..]);
        all.originals.extend_from_slice(&tokens.originals[from..]);
        ends.push(all.ids.len());
    }
    Ok((all, ends))
}

/// A text as a model reads it: its tokens, and the mask.
pub type Read<'a> = (&'a [u32], &'a Mask);

/// How far each state moved when one text replaced another: ‖after − before‖ / ‖before‖ of the embedding of every
/// position, and of its hidden state after every layer.
///
/// **Shapes**: `[L + 1, S]` for the S positions that both texts have.
///
/// # Errors
/// As [`Model::hidden`].
pub fn moved_states(model: &dyn Model, before: Read<'_>, after: Read<'_>, run: &Run) -> Result<Array2<f64>> {
    let (layers, width) = (model.description().layers, model.description().width);
    let states = |(ids, mask): Read<'_>| -> Result<Vec<Vec<f32>>> {
        let mut trace = Trace::of(["embeddings", ".output"]);
        let mask = MaskChoice::Override(mask.clone());
        model.hidden(&Input::new(ids.to_vec()), &mask, &mut trace, run)?;
        let names = (0..layers).map(|layer| format!("decoder.{layer}.output"));
        let get = |name: String| trace.get(&name).ok_or_else(|| missing(&name))?.to_vec();
        ["embeddings".to_owned()].into_iter().chain(names).map(get).collect()
    };
    let stored = before.0.len().min(after.0.len());
    let (before, after) = (states(before)?, states(after)?);
    Ok(Array2::from_shape_fn((layers + 1, stored), |(layer, at)| {
        let of = |states: &[Vec<f32>]| states[layer][at * width..(at + 1) * width].to_vec();
        relative(&of(&before), &of(&after))
    }))
}

/// ‖b − a‖ / ‖a‖ in f64; 0 where a and b are equal.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let squares: f64 = pairs().map(|(a, b)| (b - a).powi(2)).sum();
    let norm: f64 = pairs().map(|(a, _)| a * a).sum();
    if squares == 0.0 { 0.0 } else { (squares / norm).sqrt() }
}

/// How far the states of the first turn moved, layer by layer: ‖after − before‖ / ‖before‖.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The change of the residual stream after each layer; of the encoder, where there is one.
    pub hidden: Vec<f64>,
    /// The change of the keys of each layer; of cross-attention, where there is an encoder.
    pub keys: Vec<f64>,
    /// The change of the values of each layer.
    pub values: Vec<f64>,
    /// The largest absolute difference of all states, keys and values.
    pub largest: f64,
}

impl Change {
    /// The largest relative change; NaN if one of them is NaN.
    pub fn relative(&self) -> f64 {
        let all = self.hidden.iter().chain(&self.keys).chain(&self.values);
        all.fold(
            0.0,
            |largest: f64, &change| if change > largest || change.is_nan() { change } else { largest },
        )
    }

    /// Whether the stored states are still valid, up to rounding.
    pub fn is_kept(&self) -> bool {
        self.relative() <= ROUNDING
    }
}

/// The change of the first `first` states of `ids` under a reading.
///
/// # Errors
/// As [`Model::hidden`]; [`Error::Invalid`] for a turn without tokens, or a model that is not a stack of
/// decoder layers.
pub fn change(model: &dyn Model, ids: &[u32], first: usize, reading: &Reading, run: &Run) -> Result<Change> {
    expect_two_turns(ids, first)?;
    if model.description().encoder.is_some() {
        let expected = "a decoder alone: an encoder that reads the history runs again";
        return Err(Error::invalid("family of the model", model.description().family, expected));
    }
    let before = states(model, &ids[..first], &reading.before, run)?;
    let after = states(model, ids, &reading.after, run)?;
    let layers = model.description().layers;
    let stack = |part| ("decoder", layers, part);
    moved(&before, &after, first, stack(""), stack("self_attention."))
}

/// The change of an encoder's first `first` states under `mask`, and of the cross-attention's keys and values for them,
/// when the encoder then reads all of `ids`. This is the case of an encoder-decoder whose encoder reads the history of
/// a dialogue.
///
/// # Errors
/// As [`change`], for a model that is one stack.
pub fn encoder_change(
    model: &dyn Model,
    ids: &[u32],
    first: usize,
    mask: &MaskChoice,
    run: &Run,
) -> Result<Change> {
    expect_two_turns(ids, first)?;
    let description = model.description();
    let Some(encoder) = &description.encoder else {
        let expected = "one with an encoder, such as t5";
        return Err(Error::invalid("family of the model", description.family, expected));
    };
    // The keys and values of cross-attention do not depend on the decoder's tokens.
    let states = |ids: &[u32]| -> Result<Trace> {
        let input = Input::new(ids.to_vec()).with_decoder(vec![ids[0]]);
        let mut trace = Trace::of([".output", "cross_attention.key", "cross_attention.value"]);
        model.hidden(&input, mask, &mut trace, run)?;
        Ok(trace)
    };
    let (before, after) = (states(&ids[..first])?, states(ids)?);
    let kept = ("decoder", description.layers, "cross_attention.");
    moved(&before, &after, first, ("encoder", encoder.layers, ""), kept)
}

fn expect_two_turns(ids: &[u32], first: usize) -> Result<()> {
    if (1..ids.len()).contains(&first) {
        return Ok(());
    }
    let expected = format!("from 1 to {}, so that both turns have some", ids.len().saturating_sub(1));
    Err(Error::invalid("tokens of the first turn", first, expected))
}

/// A stack, its number of layers, and the name of a part of each layer.
type Part = (&'static str, usize, &'static str);

/// How far the first `first` states of one stack, and the keys and values of one attention, differ between the two
/// traces.
fn moved(before: &Trace, after: &Trace, first: usize, states: Part, attention: Part) -> Result<Change> {
    let mut largest = 0.0;
    let mut of = |(stack, layers, part): Part, what: &str, axis: Axis| -> Result<Vec<f64>> {
        let mut moved = Vec::new();
        for layer in 0..layers {
            let name = format!("{stack}.{layer}.{part}{what}");
            let get = |trace: &Trace| trace.get(&name).cloned().ok_or_else(|| missing(&name));
            let (before, after) = (get(before)?, slice(&get(after)?, axis, 0..first)?);
            let (relative, absolute) = difference(&before, &after)?;
            largest = f64::max(largest, absolute);
            moved.push(relative);
        }
        Ok(moved)
    };
    let hidden = of(states, "output", Axis::Query)?;
    let keys = of(attention, "key", Axis::Key)?;
    let values = of(attention, "value", Axis::Key)?;
    Ok(Change { hidden, keys, values, largest })
}

fn missing(name: &str) -> Error {
    Error::invalid("intermediate of the model", name, "one that the model shows its probe")
}

fn states(model: &dyn Model, ids: &[u32], mask: &Mask, run: &Run) -> Result<Trace> {
    let mut trace = Trace::of([".output", "self_attention.key", "self_attention.value"]);
    model.hidden(&Input::new(ids.to_vec()), &MaskChoice::Override(mask.clone()), &mut trace, run)?;
    Ok(trace)
}

/// ‖b − a‖ / ‖a‖ and the largest |b − a|, in f64.
///
/// # Errors
/// [`Error::Gpu`] if a readback fails.
pub fn difference(a: &Tensor, b: &Tensor) -> Result<(f64, f64)> {
    let (a, b) = (a.to_vec()?, b.to_vec()?);
    let pairs = a.iter().zip(&b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let largest = pairs.fold(0.0, |largest, (a, b)| f64::max(largest, (b - a).abs()));
    Ok((relative(&a, &b), largest))
}

/// The second turn on the cache of the first, against the full pass: relative difference of the last hidden
/// states.
///
/// # Errors
/// As [`Model::hidden_after`].
pub fn cached_error(model: &dyn Model, ids: &[u32], first: usize, mask: Mask, run: &Run) -> Result<f64> {
    let mask = MaskChoice::Override(mask);
    let (before, behind) = ids.split_at(first);
    let full = model.hidden(&Input::new(ids.to_vec()), &mask, &mut Unobserved, run)?;
    let full = slice(&full, Axis::Query, first..ids.len())?;
    let mut cache = model.cache(1)?;
    model.hidden_after(&mut cache, &Input::new(before.to_vec()), &mask, &mut Unobserved, run)?;
    let cached = model.hidden_after(&mut cache, &Input::new(behind.to_vec()), &mask, &mut Unobserved, run)?;
    Ok(difference(&full, &cached)?.0)
}
