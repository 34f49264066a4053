//! Matrices from a file: one, or all of a batch.

use std::path::Path;

use anyhow::{Result, anyhow};
use rankscope::Run;
use rankscope::array::{Array, ArrayFile, expect_matrices};
use rankscope::rank::{RankReport, many};

use super::rows::Row;

/// The array of the file, and the report of each of its matrices.
pub fn read(path: &Path, name: Option<&str>, run: &Run) -> Result<(Array, Vec<Row>)> {
    let array = ArrayFile::open(path)?.one(name)?;
    expect_matrices(path, &array)?;
    let indices: Vec<usize> = (0..array.matrices()).collect();
    let reports = many(&indices, "rank", run, |&index| {
        Ok(RankReport::of(array.matrix(index).view(), None).map_err(|error| anyhow!("{error}")))
    })?;
    let row = |(index, report): (usize, Result<RankReport>)| {
        let place = array.place(index);
        let name =
            if place.is_empty() { array.name().to_owned() } else { format!("{}{place:?}", array.name()) };
        let report = report.map_err(|error| match place.is_empty() {
            true => anyhow!("{}: {error}", path.display()),
            false => anyhow!("{}: {place:?}: {error}", path.display()),
        })?;
        // The matrices of a batch count as heads; those of a batch of batches, as layers of heads.
        let size = array.shape()[array.shape().len().saturating_sub(3)];
        let (layer, head) = match place.len() {
            0 => (None, None),
            1 => (None, Some(index)),
            _ => (Some(index / size), Some(index % size)),
        };
        let note = array.rounded(index).map(|rounded| rounded.to_string());
        Ok(Row { layer, head, note, ..Row::of(name, report) })
    };
    let rows = reports.into_iter().enumerate().map(row).collect::<Result<_>>()?;
    Ok((array, rows))
}
