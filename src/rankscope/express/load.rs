//! Targets from files of numbers, in every form that [`array`](crate::array) reads.

use std::fs;
use std::path::Path;

use ndarray::Array2;

use super::target::{MAX_POSITIONS, Target};
use crate::array::read_matrix;
use crate::error::{Error, Result};
use crate::mask::Mask;

/// The largest file read: [`MAX_POSITIONS`]² numbers with room for any format of the numbers.
const MAX_BYTES: u64 = 16 << 20;

impl Target {
    /// The pattern in a file of one matrix: `.npy`, `.npz`, `.safetensors`, or a table of numbers such as `.csv`.
    ///
    /// # Errors
    /// As [`read_matrix`] and [`Target::new`]; [`Error::Format`] for a file that is too large.
    pub fn load(path: &Path, mask: &Mask) -> Result<Self> {
        Target::new(read(path)?, mask)
    }

    /// As [`load`](Self::load), under the causal mask if everything above the diagonal is 0, otherwise without a mask;
    /// also returns whether it is causal.
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
    let weights = read_matrix(path)?;
    let (rows, cols) = weights.dim();
    if rows.max(cols) > MAX_POSITIONS {
        let problem = format!("{rows} x {cols}, expected at most {MAX_POSITIONS} rows and columns");
        return Err(Error::format(path, problem));
    }
    Ok(weights)
}
