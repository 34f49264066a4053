//! One matrix from a `.npy` file.

use std::path::Path;

use anyhow::{Result, anyhow};
use rankscope::rank::{RankReport, npy};

use super::rows::Row;

/// The report of the matrix in `path`, f64 or f32, in either order.
pub fn read(path: &Path) -> Result<Row> {
    let matrix = npy::read(path)?;
    let report =
        RankReport::of(matrix.view(), None).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Row { name, kind: None, layer: None, head: None, mask: None, report })
}
