//! Sequences of which a part is given and the rest is predicted, laid out for one stack or for two.

use std::collections::BTreeMap;

use super::{Request, mask_setting};
use crate::error::{Error, Result};
use crate::mask::Padding;
use crate::model::Input;
use crate::model::loss::expect_no_answers;
use crate::train::{Batch, Example};

/// Batches in which all tokens after the given ones are predicted.
pub(super) fn predict_outputs(request: &Request<'_>, sequences: Vec<Example>) -> Result<Vec<Batch>> {
    match (&request.model.encoder, mask_setting::follows_given(request.mask())) {
        (None, false) => Ok(vec![one_stack(request, &sequences)?]),
        (None, true) => {
            let mut groups: BTreeMap<usize, Vec<Example>> = BTreeMap::new();
            for sequence in sequences {
                groups.entry(sequence.given).or_default().push(sequence);
            }
            groups.values().map(|group| one_stack(request, group)).collect()
        }
        (Some(encoder), false) => {
            let start = encoder.start.unwrap_or_else(|| request.vocabulary.start());
            Ok(vec![two_stacks(request, &sequences, start)?])
        }
        (Some(_), true) => {
            let expected = "one without given: the encoder reads all that is given, in both directions";
            Err(Error::invalid("mask of an encoder-decoder", request.mask(), expected))
        }
    }
}

/// Position t reads token t and predicts token t + 1.
fn one_stack(request: &Request<'_>, sequences: &[Example]) -> Result<Batch> {
    if let Some(short) = sequences.iter().find(|sequence| sequence.tokens.len() < first_target(sequence) + 1)
    {
        let got = format!("{} tokens, {} of them given", short.tokens.len(), short.given);
        return Err(request.unfit(got, "at least 2 tokens, and one behind those that are given"));
    }
    let read = Rows::of(sequences.iter().map(|sequence| &sequence.tokens[..sequence.tokens.len() - 1]));
    let targets = Rows::of(sequences.iter().map(|sequence| &sequence.tokens[1..])).targets(|row, at| {
        let sequence: &Example = &sequences[row];
        at + 1 >= first_target(sequence)
    });
    let first = sequences.iter().map(first_target).min().unwrap_or(1);
    let mask = request.mask_at(sequences[0].given)?;
    expect_no_answers(&mask, request.model, first - 1, read.length)?;
    Ok(Batch::new(read.input(request.vocabulary.padding())?, targets, mask))
}

/// The first token that is not given and has a token before it, from which it can be predicted.
fn first_target(sequence: &Example) -> usize {
    sequence.given.max(1)
}

/// The encoder reads the given tokens, the decoder the start token and the output.
fn two_stacks(request: &Request<'_>, sequences: &[Example], start: u32) -> Result<Batch> {
    if let Some(short) =
        sequences.iter().find(|sequence| sequence.input().is_empty() || sequence.output().is_empty())
    {
        let got = format!("{} tokens, {} of them given", short.tokens.len(), short.given);
        return Err(request.unfit(got, "at least one token for the encoder and one for the decoder"));
    }
    let shifted: Vec<Vec<u32>> = sequences
        .iter()
        .map(|sequence| {
            let output = sequence.output();
            [&[start], &output[..output.len() - 1]].concat()
        })
        .collect();
    let source = Rows::of(sequences.iter().map(Example::input));
    let read = Rows::of(shifted.iter().map(Vec::as_slice));
    let targets = Rows::of(sequences.iter().map(Example::output)).targets(|_, _| true);
    let mask = request.mask_at(0)?;
    expect_no_answers(&mask, request.model, 0, read.length)?;
    let padding = request.vocabulary.padding();
    let mut input = source.input(padding)?.with_decoder(read.filled(padding));
    if let Some(padding) = read.padding()? {
        input = input.with_decoder_padding(padding);
    }
    Ok(Batch::new(input, targets, mask))
}

/// The tokens of several sequences, each padded at its end to the length of the longest.
pub(super) struct Rows<'a> {
    rows: Vec<&'a [u32]>,
    pub(super) length: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn of(rows: impl Iterator<Item = &'a [u32]>) -> Self {
        let rows: Vec<_> = rows.collect();
        let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        Rows { rows, length }
    }

    /// `[B, T]`, `None` after the end of a row.
    fn cells(&self) -> impl Iterator<Item = Option<u32>> {
        self.rows.iter().flat_map(|row| (0..self.length).map(|at| row.get(at).copied()))
    }

    /// The ids, with `padding` after the end of a row.
    pub(super) fn filled(&self, padding: u32) -> Vec<u32> {
        self.cells().map(|cell| cell.unwrap_or(padding)).collect()
    }

    /// Which cells are tokens; `None` if all are.
    pub(super) fn padding(&self) -> Result<Option<Padding>> {
        let padding = Padding::new(self.cells().map(|cell| cell.is_some()).collect(), self.length)?;
        Ok((!padding.is_trivial()).then_some(padding))
    }

    pub(super) fn input(&self, padding: u32) -> Result<Input> {
        let input = Input::batch(self.filled(padding), self.rows.len())?;
        Ok(match self.padding()? {
            Some(padding) => input.with_padding(padding),
            None => input,
        })
    }

    /// The cells as targets where `has_target` is true for the row and the place in it.
    pub(super) fn targets(&self, has_target: impl Fn(usize, usize) -> bool) -> Vec<Option<u32>> {
        let places = (0..self.rows.len()).flat_map(|row| (0..self.length).map(move |at| (row, at)));
        places.zip(self.cells()).map(|((row, at), cell)| cell.filter(|_| has_target(row, at))).collect()
    }
}

/// A batch of whole sequences, with or without a target for each of their tokens.
pub(super) fn whole(request: &Request<'_>, read: &[Vec<u32>], targets: &[Vec<Option<u32>>]) -> Result<Batch> {
    if mask_setting::follows_given(request.mask()) {
        let expected = format!("one without given: {} has no part that is given", request.objective.name);
        return Err(Error::invalid("mask", request.mask(), expected));
    }
    let rows = Rows::of(read.iter().map(Vec::as_slice));
    let targets = targets.iter().flat_map(|row| (0..rows.length).map(|at| row.get(at).copied().flatten()));
    Ok(Batch::new(rows.input(request.vocabulary.padding())?, targets.collect(), request.mask_at(0)?))
}
