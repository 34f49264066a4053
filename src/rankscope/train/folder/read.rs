//! Reads a run back from its folder.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{FAILURE, SAMPLES, Table, about, table};
use crate::error::{Error, Result};
use crate::train::evaluate::Metrics;
use crate::train::event::StepReport;
use crate::train::history::History;
use crate::train::record::HeadRecord;

/// The history so far of the run in a folder. While another process trains in it, an incomplete last line is left out.
///
/// # Errors
/// [`Error::Format`] or [`Error::Io`] if there is none, or its files cannot be read.
pub fn history(path: &Path) -> Result<History> {
    let mut history = History::new(about(path)?.settings);
    history.steps = rows(path, Table::Steps, |row| {
        Some(StepReport {
            step: row.number(0)?,
            loss: row.number(1)?,
            norm: row.number(2)?,
            rate: row.number(3)?,
            tokens: row.number(4)?,
            seconds: row.number(5)?,
        })
    })?;
    history.evaluations = evaluations(path)?;
    let heads = rows(path, Table::Ranks, |row| Some((row.number(0)?, head(row)?)))?;
    for (step, head) in heads {
        match history.ranks.last_mut() {
            Some((at, heads)) if *at == step => heads.push(head),
            _ => history.ranks.push((step, vec![head])),
        }
    }
    history.samples = samples(path)?;
    Ok(history)
}

fn evaluations(path: &Path) -> Result<Vec<(usize, Metrics)>> {
    rows(path, Table::Evaluation, |row| {
        let metrics = Metrics {
            loss: row.number(1)?,
            accuracy: row.number(2)?,
            exact: row.number(3)?,
            classes: row.number(4),
            error_over_variance: row.number(5),
            targets: row.number(6)?,
        };
        Some((row.number(0)?, metrics))
    })
}

/// The model's output for a held-out example at every evaluation.
pub(super) fn samples(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = text(&path.join(SAMPLES))?.unwrap_or_default();
    let evaluated: Vec<usize> = evaluations(path)?.iter().map(|(step, _)| *step).collect();
    Ok(split_samples(&text, &evaluated))
}

/// The reason why the run in a folder ended before its last step; `None` if it did not.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn failure(path: &Path) -> Result<Option<String>> {
    Ok(text(&path.join(FAILURE))?.map(|text| text.trim_end().to_owned()))
}

fn text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// One row of a table.
struct Row(Vec<String>);

impl Row {
    fn number<T: std::str::FromStr>(&self, column: usize) -> Option<T> {
        self.0.get(column)?.parse().ok()
    }
}

fn rows<T>(path: &Path, name: Table, read: impl Fn(&Row) -> Option<T>) -> Result<Vec<T>> {
    let rows = table(path, name)?;
    let last = rows.len();
    let mut found = Vec::with_capacity(last);
    for (at, row) in (1..).zip(rows) {
        match read(&Row(row)) {
            Some(row) => found.push(row),
            None if at == last => (), // the row is being written now
            None => return Err(Error::format(path.join(name.file()), format!("row {at} is damaged"))),
        }
    }
    Ok(found)
}

fn head(row: &Row) -> Option<HeadRecord> {
    Some(HeadRecord {
        layer: row.0.get(1)?.clone(),
        head: row.number(2)?,
        effective_rank: row.number(3)?,
        numerical_rank: row.number(4)?,
        second_ratio: row.number(5)?,
        score_spread: row.number(6)?,
        smallest_diagonal: row.number(7)?,
        first_token: row.number(8)?,
    })
}

/// The samples of a file, each after a line `step N`, where N is a step with an evaluation. A run that was continued
/// may have written a sample twice: the later one counts.
fn split_samples(text: &str, evaluated: &[usize]) -> Vec<(usize, String)> {
    let mut samples: Vec<(usize, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let step = line.trim_end().strip_prefix("step ").and_then(|step| step.parse().ok());
        match (step.filter(|step| evaluated.contains(step)), samples.last_mut()) {
            (Some(step), _) => samples.push((step, String::new())),
            (None, Some((_, sample))) => sample.push_str(line),
            (None, None) => (),
        }
    }
    samples.iter_mut().for_each(|(_, sample)| *sample = sample.trim_end().to_owned());
    samples.reverse();
    samples.sort_by_key(|(step, _)| *step);
    samples.dedup_by_key(|(step, _)| *step);
    samples
}
