//! Targets from files: numpy's `.npy`, or `.csv` without a header.

use std::fs::{self, File};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use super::target::{MAX_POSITIONS, Target};
use crate::error::{Error, Result, excerpt};
use crate::mask::Mask;
use crate::rank::npy;

/// The largest file read: [`MAX_POSITIONS`]² numbers with room for any spelling.
const MAX_BYTES: u64 = 16 << 20;

impl Target {
    /// The pattern in a file: `.npy` (a matrix of f32 or f64) or `.csv` (numbers with commas, no header).
    ///
    /// # Errors
    /// [`Error::Invalid`] for another ending and as [`Target::new`]; [`Error::Io`]; [`Error::Format`] for a
    /// file that is too large, or naming line and column of what is no number.
    pub fn load(path: &Path, mask: &Mask) -> Result<Self> {
        Target::new(read(path)?, mask)
    }

    /// As [`load`](Self::load), under the causal mask where everything above the diagonal is 0, else under
    /// none; says whether it is causal.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_either(path: &Path) -> Result<(Self, bool)> {
        let weights = read(path)?;
        let is_causal = weights.nrows() > 1
            && weights.indexed_iter().all(|((row, col), &weight)| col <= row || weight == 0.0);
        let mask = if is_causal { Mask::causal() } else { Mask::bidirectional() };
        Ok((Target::new(weights, &mask)?, is_causal))
    }
}

fn read(path: &Path) -> Result<Array2<f64>> {
    let bytes = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if bytes > MAX_BYTES {
        return Err(Error::format(path, format!("{bytes} bytes, expected at most {MAX_BYTES}")));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("npy") => npy::read(path),
        Some("csv") => read_csv(path),
        _ => Err(Error::invalid("target file", path.display(), "one that ends in .npy or .csv")),
    }
}

fn read_csv(path: &Path) -> Result<Array2<f64>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    // Flexible, so that a row of another length is reported in our words.
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(file);
    let mut values = Vec::new();
    let (mut rows, mut cols) = (0, 0);
    for record in reader.records() {
        let record = record.map_err(|error| Error::format(path, error))?;
        let line = record.position().map_or(0, csv::Position::line);
        if rows == 0 {
            cols = record.len();
        }
        if rows == MAX_POSITIONS || cols > MAX_POSITIONS {
            return Err(Error::format(
                path,
                format!("line {line}: more than {MAX_POSITIONS} rows or columns"),
            ));
        }
        if record.len() != cols {
            let problem = format!("line {line} has {} columns, expected {cols}", record.len());
            return Err(Error::format(path, problem));
        }
        numbers(&record, line, &mut values).map_err(|problem| Error::format(path, problem))?;
        rows += 1;
    }
    if rows == 0 {
        return Err(Error::format(path, "no rows, expected a square matrix of numbers"));
    }
    Ok(Array2::from_shape_vec((rows, cols), values).expect("every row has as many columns"))
}

fn numbers(record: &StringRecord, line: u64, values: &mut Vec<f64>) -> Result<(), String> {
    for (column, text) in record.iter().enumerate() {
        let number = text.parse();
        let problem =
            || format!("line {line}, column {}: {:?}, expected a number", column + 1, excerpt(text));
        values.push(number.map_err(|_| problem())?);
    }
    Ok(())
}
