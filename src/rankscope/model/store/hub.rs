//! Reading the local Hugging Face cache; it is never written.
//!
//! **Source**: the layout of `huggingface_hub`: `models--ORG--NAME/refs/main` holds a revision, and
//! `models--ORG--NAME/snapshots/REVISION` the files (links into `blobs`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// One cached repository at its main revision.
pub(super) struct Snapshot {
    /// `ORG/NAME`, or `NAME` for a repository without an organisation.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// All cached models, by name.
pub(super) fn snapshots(hub: &Path) -> Result<Vec<Snapshot>> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(hub).map_err(|error| Error::io(hub, error))? {
        let entry = entry.map_err(|error| Error::io(hub, error))?;
        let folder = entry.file_name();
        let Some(name) = folder.to_str().and_then(|folder| folder.strip_prefix("models--")) else { continue };
        if let Some(path) = main_revision(&entry.path()) {
            snapshots.push(Snapshot { name: name.replacen("--", "/", 1), path });
        }
    }
    snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(snapshots)
}

/// The snapshot that `refs/main` points to, if it exists.
fn main_revision(repository: &Path) -> Option<PathBuf> {
    let revision = fs::read_to_string(repository.join("refs/main")).ok()?;
    let revision = Some(revision.trim()).filter(|revision| super::is_plain(revision))?;
    Some(repository.join("snapshots").join(revision)).filter(|path| path.is_dir())
}

/// The cached model called `ORG/NAME`, or only `NAME` if a single organisation has it.
///
/// # Errors
/// [`Error::Model`] if several have it.
pub(super) fn find(hub: &Path, name: &str) -> Result<Option<PathBuf>> {
    let cached = snapshots(hub)?;
    if let Some(exact) = cached.iter().find(|snapshot| snapshot.name == name) {
        return Ok(Some(exact.path.clone()));
    }
    let mut named: Vec<_> = cached
        .into_iter()
        .filter(|s| s.name.split_once('/').is_some_and(|(_, plain)| plain == name))
        .collect();
    if named.len() > 1 {
        let names: Vec<_> = named.iter().map(|snapshot| snapshot.name.as_str()).collect();
        let several = names.join(", ");
        return Err(Error::Model(format!(
            "model {name:?} is several in the Hugging Face cache; say which: {several}"
        )));
    }
    Ok(named.pop().map(|snapshot| snapshot.path))
}
