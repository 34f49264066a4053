//! Results go to stdout in one write, messages to stderr.

use std::io::{self, Write};
use std::iter::{once, repeat};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use serde::Serialize;

/// Writes a result to stdout.
pub fn emit(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a result to stdout as JSON.
pub fn emit_json(value: &impl Serialize) -> Result<()> {
    emit(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints a message to stderr.
pub fn say(text: &str) {
    // A closed stderr is not an error.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Labels and their texts in two columns, wrapped at 80 characters.
pub fn facts(facts: &[(&str, String)]) -> String {
    let indent = facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (label, fact) in facts {
        let mut column = indent;
        text.push_str(&format!("{label:indent$}"));
        for (index, word) in fact.split(' ').enumerate() {
            let width = word.chars().count();
            if index > 0 && column + 1 + width > 80 {
                text.push_str(&format!("\n{:indent$}", ""));
                column = indent;
            } else if index > 0 {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += width;
        }
        text.push('\n');
    }
    text
}

/// Texts under one label, which stands at the first of them.
pub fn labelled(
    label: &'static str,
    texts: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = (&'static str, String)> {
    once(label).chain(repeat("")).zip(texts)
}

/// Each item once, in the order in which they come.
pub fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut met = Vec::new();
    for item in items {
        if !met.contains(&item) {
            met.push(item);
        }
    }
    met
}

/// Rows of bars, on one scale from the lowest to the highest of all values.
pub fn bars<const N: usize>(rows: [&[f64]; N]) -> [String; N] {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let all = || rows.iter().copied().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        BARS[(share * 7.0).round() as usize]
    };
    rows.map(|row| row.iter().map(bar).collect())
}

/// A table without rows, with a line under its header.
pub fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A table; the first column to the left, numbers to the right.
pub fn columns(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = empty_table();
    table.set_header(header.to_vec());
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_aligned_and_wrapped() {
        let text = facts(&[("a", "one two".into()), ("bcd", vec!["word"; 20].join(" "))]);
        assert!(text.starts_with("a    one two\nbcd  word word"));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(text.lines().nth(2).unwrap().find("word"), Some(5));
    }
}
