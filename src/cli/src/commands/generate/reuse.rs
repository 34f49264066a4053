//! How much of the cache is still valid after a second turn.

use anyhow::Result;
use rankscope::model::MaskChoice;
use rankscope::model::generate::Generated;
use rankscope::model::reuse::{Change, Reading, cached_error, change, encoder_change, readings};
use rankscope::numbers::short;
use rankscope::{Mask, Run};
use serde_json::json;

use crate::output::{columns, emit, emit_json, facts};
use crate::subject::Subject;

pub fn print(subject: &Subject, answer: &Generated, next: &[u32], as_json: bool, run: &Run) -> Result<()> {
    let model = subject.model.as_ref();
    let prompt = subject.input.len();
    let mut ids = [subject.input.ids(), &answer.ids()].concat();
    let first = ids.len();
    ids.extend(next);
    let (readings, changes, error) = match &model.description().encoder {
        None => {
            let readings = readings(prompt, first).to_vec();
            let changes = readings.iter().map(|reading| change(model, &ids, first, reading, run));
            let changes = changes.collect::<rankscope::Result<Vec<_>>>()?;
            (readings, changes, Some(cached_error(model, &ids, first, Mask::causal(), run)?))
        }
        // The encoder had read the prompt alone; now the answer is part of its input.
        Some(encoder) => {
            let mask = &encoder.trained_mask;
            let reading = Reading { name: "encoder", before: mask.clone(), after: mask.clone() };
            (vec![reading], vec![encoder_change(model, &ids, prompt, &MaskChoice::AsTrained, run)?], None)
        }
    };
    let tokens = [prompt, first, ids.len()];
    match as_json {
        true => emit_json(&object(subject, tokens, &readings, &changes, error)),
        false => emit(&table(subject, tokens, &readings, &changes, error)),
    }
}

fn object(
    subject: &Subject,
    [prompt, first, all]: [usize; 3],
    readings: &[Reading],
    changes: &[Change],
    error: Option<f64>,
) -> serde_json::Value {
    let rows = readings.iter().zip(changes).map(|(reading, change)| {
        json!({
            "reading": reading.name, "mask_before": reading.before.to_string(),
            "mask_after": reading.after.to_string(), "is_kept": change.is_kept(),
            "relative_change": change.relative(), "by_layer": change,
        })
    });
    json!({
        "model": subject.name, "prompt_tokens": prompt, "turn_1_tokens": first, "dialogue_tokens": all,
        "readings": rows.collect::<Vec<_>>(), "cached_error_causal": error,
        "device": subject.model.device().to_string(), "version": rankscope::VERSION,
    })
}

fn table(
    subject: &Subject,
    [prompt, first, all]: [usize; 3],
    readings: &[Reading],
    changes: &[Change],
    error: Option<f64>,
) -> String {
    let rows = readings.iter().zip(changes).map(|(reading, change)| {
        let last = change.hidden.last().copied().unwrap_or(0.0);
        vec![
            reading.name.replace('_', " "),
            if change.is_kept() { "kept" } else { "lost" }.to_owned(),
            short(change.relative()),
            short(last),
            short(change.largest),
        ]
    });
    let header = ["reading", "stored states", "largest change", "last layer", "absolute"];
    let above = facts(&[
        ("model", subject.model_in_words()),
        ("tokens", format!("prompt {prompt}, with the answer {first}, with the second turn {all}")),
    ]);
    let whose = match error {
        Some(_) => "of the first turn's states, keys and values",
        None => "of the prompt's states in the encoder, and of cross-attention's keys and values",
    };
    let mut below = vec![("change", format!("‖after − before‖ / ‖before‖ {whose}, by layer"))];
    below.extend(error.map(|error| {
        let what = "the second turn on the cache of the first, against the full pass";
        ("cached", format!("{what}: {}", short(error)))
    }));
    format!("{above}\n{}\n{}", columns(&header, rows.collect()), facts(&below))
}
