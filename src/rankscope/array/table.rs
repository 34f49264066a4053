//! Tables of numbers as text: separated by commas, semicolons, tabs or spaces, with or without a header.

use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord, Trim};

use super::{Array, Number};
use crate::error::{Error, Result, excerpt};

/// A table, with the names of its rows and columns if it has them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub array: Array,
    pub rows: Option<Vec<String>>,
    pub columns: Option<Vec<String>>,
}

/// The cells of a line, and its number from 1.
struct Line {
    number: u64,
    cells: Vec<String>,
}

/// The table in `text`, called `name`.
///
/// Leading lines that begin with # are comments. A first line of words only, or with an empty first cell, is a header.
/// A first column of words only, or below an empty first cell, holds the names of the rows.
pub(super) fn read(path: &Path, name: &str, text: &str) -> Result<Table> {
    let wrong = |problem: String| Error::format(path, problem);
    let lines = lines(path, text)?;
    let (header, lines) = match &lines[..] {
        [first, rest @ ..] if is_header(&first.cells) => (Some(&first.cells), rest),
        all => (None, all),
    };
    let [first, ..] = lines else { return Err(wrong("no row of numbers, expected a matrix".into())) };
    let is_name = |line: &Line| line.cells.first().is_some_and(|cell| is_word(cell) && !cell.is_empty());
    let is_named = header.is_some_and(|cells| cells[0].is_empty()) || lines.iter().all(is_name);
    let (names, width) = (usize::from(is_named), first.cells.len());
    if width == names {
        return Err(wrong("a table without a column of numbers".into()));
    }
    for Line { number: line, cells } in lines {
        if cells.len() != width {
            let expected = format!("{width} as line {} has", first.number);
            return Err(wrong(format!("line {line} has {} columns, expected {expected}", cells.len())));
        }
        if let Some(at) = (names..width).find(|&at| number(&cells[at]).is_none()) {
            let (column, got) = (at + 1, not_a_number(&cells[at]));
            return Err(wrong(format!("line {line}, column {column}: {got}")));
        }
    }
    let cells: Vec<&str> =
        lines.iter().flat_map(|line| line.cells[names..].iter().map(String::as_str)).collect();
    let (number, bytes) = numbers(&cells);
    let shape = vec![lines.len(), width - names];
    let array = Array { name: name.to_owned(), number, shape, column_major: false, bytes };
    let rows = is_named.then(|| lines.iter().map(|line| line.cells[0].clone()).collect());
    // A header may have no cell above the names of the rows.
    let columns = header.filter(|cells| (width - names..=width).contains(&cells.len()));
    let columns = columns.map(|cells| cells[cells.len() + names - width..].to_vec());
    Ok(Table { array, rows, columns })
}

fn is_header(cells: &[String]) -> bool {
    cells.iter().all(|cell| is_word(cell)) || (cells.len() > 1 && cells[0].is_empty())
}

/// Whether a cell is a word: not a number, and not a text that begins like a number, such as `1+2j` or `0,5`.
fn is_word(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['(', '+', '-', '.']);
    number(cell).is_none() && !digits.starts_with(|letter: char| letter.is_ascii_digit())
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok()
}

/// The cell with a decimal point in place of a decimal comma.
fn pointed(cell: &str) -> String {
    cell.replacen(',', ".", 1)
}

fn not_a_number(cell: &str) -> String {
    let got = excerpt(format!("{cell:?}"));
    match number(&pointed(cell)) {
        Some(_) => format!("{got}, expected a point for the decimals"),
        None => format!("{got}, expected a number"),
    }
}

/// The numbers of all cells, as integers if all are integers, so that integers that f64 cannot represent are noticed.
fn numbers(cells: &[&str]) -> (Number, Vec<u8>) {
    let integer = |cell: &&str| cell.parse::<i64>().ok();
    match cells.iter().map(integer).collect::<Option<Vec<i64>>>() {
        Some(whole) => (Number::I64, whole.iter().flat_map(|whole| whole.to_le_bytes()).collect()),
        None => {
            let values = cells.iter().map(|cell| number(cell).unwrap_or(f64::NAN));
            (Number::F64, values.flat_map(f64::to_le_bytes).collect())
        }
    }
}

/// The lines below the comments; blank ones are left out.
fn lines(path: &Path, text: &str) -> Result<Vec<Line>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let skipped = text.lines().take_while(is_comment).count();
    let first = text.lines().nth(skipped).unwrap_or_default();
    let Some(separator) =
        [b';', b'\t', b','].into_iter().find(|separator| first.as_bytes().contains(separator))
    else {
        let line = |(number, line): (u64, &str)| Line {
            number,
            cells: line.split_whitespace().map(str::to_owned).collect(),
        };
        let lines = (1..).zip(text.lines()).skip(skipped).map(line);
        return Ok(lines.filter(|line| !line.cells.is_empty()).collect());
    };
    // Flexible, so that this function and not the CSV reader reports a row of another length.
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(separator).trim(Trim::All);
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let mut reader = builder.from_reader(&text.as_bytes()[start..]);
    let line = |record: StringRecord| Line {
        number: record.position().map_or(0, Position::line) + skipped as u64,
        cells: record.iter().map(str::to_owned).collect(),
    };
    reader.records().map(|record| record.map(line).map_err(|error| Error::format(path, error))).collect()
}
