//! What the compiler says about a cell, drawn below the cell's own lines.

use ariadne::{Color, Label, Report, ReportKind, sources};
use evcxr::CompilationError;

/// The error with the places it speaks of; `name` is the cell's, `code` its text.
pub fn report(error: &CompilationError, name: &str, code: &str) -> String {
    let messages = error.spanned_messages().iter().map(|message| (message, Color::Red));
    let helps = error.help_spanned().iter().map(|message| (message, Color::Blue));
    let labels = messages.chain(helps).filter_map(|(message, color)| {
        let span = message.span?;
        let start = character(code, span.start_line, span.start_column)?;
        let place = start..character(code, span.end_line, span.end_column)?;
        let label = Label::new((name.to_owned(), place)).with_color(color);
        (!message.label.is_empty()).then(|| label.with_message(&message.label))
    });
    let labels: Vec<_> = labels.collect();
    if labels.is_empty() {
        // The place is in code that was put around the cell; the compiler's own words are all there is.
        return error.rendered().trim_end().to_owned();
    }
    let mut report = Report::build(ReportKind::Error, (name.to_owned(), 0..code.chars().count()))
        .with_message(error.message())
        .with_labels(labels);
    if let Some(code) = error.code() {
        report = report.with_code(code);
    }
    for help in error.help() {
        report = report.with_help(help);
    }
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _ = report.finish().write(sources([(name.to_owned(), code.to_owned())]), &mut text);
    calm(String::from_utf8_lossy(&text).trim_end())
}

/// Which character of `code` stands at a line and column, both from 1; `None` if there is none.
fn character(code: &str, line: usize, column: usize) -> Option<usize> {
    let before = code.split_inclusive('\n').take(line.checked_sub(1)?);
    let start: usize = before.map(|line| line.chars().count()).sum();
    let place = start + column.checked_sub(1)?;
    (place <= code.chars().count()).then_some(place)
}

/// Removes the light greys of unmarked code, which can hardly be read on a white page, and repeated changes of colour:
/// ariadne writes one for every character.
fn calm(report: &str) -> String {
    const GREYS: [&str; 3] = ["38;5;249", "38;5;246", "38;5;240"];
    const NONE: &str = "0";
    let (mut text, mut written) = (String::new(), NONE);
    let mut pieces = report.split("\u{1b}[");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (color, shown) = piece.split_once('m').unwrap_or((NONE, piece));
        let color = if GREYS.contains(&color) { NONE } else { color };
        if color != written && !shown.is_empty() {
            text.push_str(&format!("\u{1b}[{color}m"));
            written = color;
        }
        text.push_str(shown);
    }
    if written != NONE {
        text.push_str("\u{1b}[0m");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let code = "let σ = 1;\nlet é = σ;";
        assert_eq!(character(code, 1, 5), Some(4));
        assert_eq!(character(code, 2, 9), Some(19));
        assert_eq!(character(code, 2, 11), Some(21), "the end of a span may be the end of the text");
        assert_eq!(character(code, 2, 12), None);
        assert_eq!(character(code, 0, 1), None);
    }

    #[test]
    fn colours_change_where_they_change_and_grey_is_none() {
        let red = "\u{1b}[31m";
        let text =
            format!("\u{1b}[38;5;249ma\u{1b}[0m{red}b\u{1b}[0m{red}c\u{1b}[0m\u{1b}[34md\u{1b}[0m e{red}f");
        assert_eq!(calm(&text), "a\u{1b}[31mbc\u{1b}[34md\u{1b}[0m e\u{1b}[31mf\u{1b}[0m");
    }
}
