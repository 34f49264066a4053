//! A model's output for a held-out example, in words.

use super::lesson::Lesson;
use super::{Batch, Part};
use crate::error::Result;
use crate::model::generate::{self, Sampling};
use crate::model::{Input, MaskChoice, Model};
use crate::probe::Unobserved;
use crate::run::Run;

/// The number of given tokens when a text is continued, and of shown tokens of a list.
const SHOWN: usize = 32;
/// The most tokens of a continuation.
const WRITTEN: usize = 120;
/// The seed of continuations.
const SEED: u64 = 1;

/// A continuation of a held-out text, by a model that generates text; otherwise the input, the expected output, and the
/// predicted output (where all earlier tokens are the true ones).
///
/// # Errors
/// As [`Model::hidden`]; errors of the data.
pub(super) fn sample(lesson: &Lesson, model: &dyn Model, run: &Run) -> Result<String> {
    let example = lesson.examples().example(Part::HeldOut, 0, 0, lesson.length())?;
    match model.sizes().generates() && example.given == 0 && lesson.writes() {
        true => continuation(lesson, model, &example.tokens, run),
        false => predictions(lesson, model, run),
    }
}

/// The beginning of the text, `|`, and the model's continuation.
fn continuation(lesson: &Lesson, model: &dyn Model, tokens: &[u32], run: &Run) -> Result<String> {
    let prompt = &tokens[..SHOWN.min(tokens.len() / 2).max(1)];
    let is_pair = model.description().encoder.is_some();
    let mask = match is_pair {
        true => MaskChoice::AsTrained,
        false => lesson.mask_at(prompt.len())?,
    };
    let vocabulary = lesson.vocabulary();
    let settings = generate::Settings {
        tokens: WRITTEN,
        sampling: Sampling { temperature: 0.7, ..Sampling::greedy() },
        stop: vec![vocabulary.end()],
        mask,
        ..generate::Settings::default()
    };
    let input = Input::new(prompt.to_vec());
    let written =
        generate::generate(model, &input, &settings, &mut |_| Ok(()), &run.quiet().with_seed(SEED))?;
    let tokenizer = lesson.examples().tokenizer()?;
    Ok(format!("{} | {}", tokenizer.decode(prompt)?, tokenizer.decode(&written.ids())?))
}

/// Three lines: the input, the expected output, and the predicted output.
fn predictions(lesson: &Lesson, model: &dyn Model, run: &Run) -> Result<String> {
    let batch = &lesson.batches(Part::HeldOut, 0, 0, model.description())?[0];
    let Batch { input, targets, mask, .. } = batch;
    let hidden = model.hidden(input, mask, &mut Unobserved, run)?; // [B, T, C]
    let predicted = match model.logits(&hidden, &mut Unobserved)? {
        Some(logits) => argmax(&logits.to_vec()?, model.description().vocab),
        None => Vec::new(),
    };
    let length = targets.len() / input.batch_size();
    let (mut expected, mut said) = (Vec::new(), Vec::new());
    for (target, predicted) in targets.iter().zip(predicted).take(length) {
        if let Some(target) = target {
            expected.push(*target);
            said.push(predicted);
        }
    }
    let pieces = |ids: &[u32]| {
        let shown: Vec<_> = ids.iter().take(SHOWN).map(|&id| lesson.piece(id)).collect();
        shown.join(" ") + if ids.len() > SHOWN { " …" } else { "" }
    };
    let read = &input.ids()[..input.len()];
    Ok(format!("read:      {}\nexpected:  {}\npredicted: {}", pieces(read), pieces(&expected), pieces(&said)))
}

/// The index of the largest number in each row of `columns` numbers.
fn argmax(values: &[f32], columns: usize) -> Vec<u32> {
    let best =
        |row: &[f32]| (0..).zip(row).max_by(|a: &(u32, _), b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at);
    values.chunks(columns).map(best).collect()
}
