//! Several models in a table.

use anyhow::{Result, bail};
use rankscope::model::count::{Count, Load};
use rankscope::numbers::{grouped, scaled};
use serde::Serialize;

use super::CountArgs;
use super::subject::Subject;
use crate::output::{columns, distinct, emit, emit_json, facts, labelled};

#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    count: &'a Count,
    next_token_flops: Option<u128>,
}

pub fn print(args: &CountArgs, names: &str) -> Result<()> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    if let Some(twice) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
        bail!("--compare has {} twice, expected models that differ", names[twice]);
    }
    let subjects = names.iter().map(|name| Subject::find(name)).collect::<Result<Vec<_>>>()?;
    let context = match args.context {
        Some(context) => context,
        None => shortest(&subjects)?,
    };
    let count = |subject: &Subject| -> Result<(Count, Option<u128>)> {
        let step = match subject.has_sizes() {
            true => last_step(subject, context)?,
            false => None,
        };
        Ok((subject.count(|sizes| Load::new(sizes, context, args.batch, None), args.dtype())?, step))
    };
    let counts = subjects.iter().map(count).collect::<Result<Vec<_>>>()?;
    if args.json {
        let compared = counts.iter().map(|(count, step)| Compared { count, next_token_flops: *step });
        return emit_json(&compared.collect::<Vec<_>>());
    }
    let header = ["model", "parameters", "active", "forward", "next token", "cache/token"];
    let rows = counts.iter().map(|(count, step)| row(count, *step)).collect();
    emit(&format!("{}\n{}", columns(&header, rows), facts(&notes(args, context, &counts))))
}

/// The longest sequence that all of them take.
fn shortest(subjects: &[Subject]) -> Result<usize> {
    let mut shortest = None;
    for subject in subjects.iter().filter(|subject| subject.has_sizes()) {
        let longest = Load::longest(&subject.sizes()?);
        shortest = Some(shortest.map_or(longest, |known: usize| known.min(longest)));
    }
    Ok(shortest.unwrap_or(1))
}

/// Operations of the last step of decoding with a cache, where there is a decoder.
fn last_step(subject: &Subject, context: usize) -> Result<Option<u128>> {
    let sizes = subject.sizes()?;
    if !sizes.generates() {
        return Ok(None);
    }
    Ok(Some(sizes.last_step(Load::new(&sizes, context, 1, None)?)?.with_cache))
}

fn row(count: &Count, step: Option<u128>) -> Vec<String> {
    let dash = || "–".to_owned();
    let flops = |operations: u128| scaled(operations as f64, "FLOP");
    let costs = count.costs.as_ref();
    let cache = costs.map(|costs| costs.memory.cache_per_token).filter(|&bytes| bytes > 0);
    vec![
        count.name.clone(),
        grouped(count.parameters.total),
        scaled(count.parameters.active as f64, ""),
        costs.map_or_else(dash, |costs| flops(costs.forward.total())),
        step.map_or_else(dash, flops),
        cache.map_or_else(dash, |bytes| scaled(bytes as f64, "B")),
    ]
}

fn notes(args: &CountArgs, context: usize, counts: &[(Count, Option<u128>)]) -> Vec<(&'static str, String)> {
    let next = "one more token after the others of a sequence, with a cache of keys and values";
    let load = format!("{} x {context} tokens", args.batch);
    let mut notes = vec![("load", load), ("next token", next.to_owned())];
    let costs = counts.iter().filter_map(|(count, _)| count.costs.as_ref());
    let assumptions = distinct(costs.flat_map(|costs| &costs.assumptions));
    notes.extend(labelled("assumed", assumptions.into_iter().cloned()));
    let told = counts.iter().map(|(count, _)| count).filter(|count| count.costs.is_none());
    let stated = |count: &Count| format!("{}: {}", count.name, count.stated.unwrap_or_default());
    notes.extend(told.map(|count| ("stated", stated(count))));
    notes
}
