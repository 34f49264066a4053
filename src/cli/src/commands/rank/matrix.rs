//! One matrix from a `.npy` file.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use ndarray::Array2;
use ndarray_npy::{ReadNpyError, ReadNpyExt};
use rankscope::Error;
use rankscope::rank::RankReport;

use super::rows::Row;

/// The report of the matrix in `path`, f64 or f32, in either order.
pub fn read(path: &Path) -> Result<Row> {
    let matrix = read_array(path)?;
    if matrix.is_empty() {
        let (rows, columns) = matrix.dim();
        bail!(
            "{}: the matrix is {rows} x {columns}, expected at least one row and one column",
            path.display()
        );
    }
    let report =
        RankReport::of(matrix.view(), None).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Row { name, layer: None, head: None, mask: None, report })
}

fn read_array(path: &Path) -> Result<Array2<f64>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let mut reader = BufReader::new(file);
    match Array2::<f64>::read_npy(&mut reader) {
        Err(ReadNpyError::WrongDescriptor(_)) => {}
        result => return result.map_err(|error| explain(path, error)),
    }
    reader.rewind().map_err(|error| Error::io(path, error))?;
    Ok(Array2::<f32>::read_npy(reader).map_err(|error| explain(path, error))?.mapv(f64::from))
}

fn explain(path: &Path, error: ReadNpyError) -> anyhow::Error {
    let problem = match error {
        ReadNpyError::WrongNdim(_, found) => format!("an array of {found} dimensions, expected a matrix (2)"),
        ReadNpyError::WrongDescriptor(found) => {
            format!("numbers of type {found}, expected f32 ('<f4') or f64 ('<f8')")
        }
        ReadNpyError::MissingData => {
            "the file is cut off, expected all the numbers that its header tells of".into()
        }
        ReadNpyError::ParseHeader(error) => format!("not a .npy file: {error}"),
        other => format!("not a .npy file of one matrix: {other}"),
    };
    anyhow!("{}: {problem}", path.display())
}
