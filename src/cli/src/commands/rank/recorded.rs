//! Attention weights from a file, head by head.

use std::path::Path;

use anyhow::{Result, bail};
use rankscope::Run;
use rankscope::label::visible;
use rankscope::recorded::{At, Recorded, RecordedHead, summary};

use super::{RankArgs, figure, rows, table};
use crate::output::say;
use crate::subject::pieces_in_words;

pub fn execute(args: &RankArgs, path: &Path, run: &Run) -> Result<()> {
    let recorded = Recorded::open(path, args.name.as_deref(), args.tokens.as_deref())?;
    let limits = [
        ("--layer", args.layer, recorded.layers()),
        ("--sequence", args.sequence, recorded.sequences()),
        ("--head", args.head, recorded.heads()),
    ];
    for (what, wanted, count) in limits {
        if let Some(wanted) = wanted.filter(|&wanted| wanted >= count) {
            bail!("{what} is {wanted}, expected less than {count}, as many as {} has", path.display());
        }
    }
    let is_wanted = |at: &At| {
        args.layer.is_none_or(|layer| layer == at.layer)
            && args.sequence.is_none_or(|sequence| sequence == at.sequence)
            && args.head.is_none_or(|head| head == at.head)
    };
    let places: Vec<At> = recorded.places().filter(is_wanted).collect();
    let heads = recorded.reports(&places, run)?;
    let rows = rows::of_recorded(&recorded, &heads);
    args.draw(|figure| figure::save_file(&recorded.name(), &rows, figure))?;
    if args.json || args.csv {
        warn(&heads);
    }
    args.print(&rows, || table::of_file(lines(&recorded, &heads, args.sequence), &rows))
}

/// The lines above the table; JSON has the same in its fields.
fn warn(heads: &[RecordedHead]) {
    for (label, text) in summary(heads).into_iter().filter(|(label, _)| *label == "note") {
        say(&format!("{label}: {text}"));
    }
}

fn lines(
    recorded: &Recorded,
    heads: &[RecordedHead],
    sequence: Option<usize>,
) -> Vec<(&'static str, String)> {
    let labels = recorded.labels(sequence.unwrap_or(0));
    let (queries, keys) = (recorded.queries(), recorded.keys());
    let count = if queries == keys { keys.to_string() } else { format!("{queries} queries, {keys} keys") };
    let tokens = match labels.keys.or(labels.queries) {
        Some(pieces) => format!("{count}: {}", pieces_in_words(pieces.iter().map(|piece| visible(piece)))),
        None => format!("{count}, without names (--tokens gives them)"),
    };
    let mut lines = vec![("weights", recorded.in_words()), ("tokens", tokens)];
    lines.extend(summary(heads));
    lines
}
