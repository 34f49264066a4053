//! SHA-256 of files.

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::install::in_pieces;
use crate::error::{Error, Result};
use crate::run::Run;

/// The file's SHA-256, in hexadecimal.
pub(super) fn sha256(path: &Path, run: &Run) -> Result<String> {
    let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
    let size = file.metadata().map_err(|error| Error::io(path, error))?.len() as usize;
    let mut digest = Sha256::new();
    let digest_more = |bytes: &[u8]| {
        digest.update(bytes);
        Ok(())
    };
    in_pieces(&mut file, digest_more, path, |done| run.step("checking", done, size))?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Checks a file against its expected SHA-256, and deletes it if it differs.
///
/// # Errors
/// [`Error::Format`] naming both sums.
pub(super) fn expect(path: &Path, name: &str, expected: &str, run: &Run) -> Result<()> {
    let found = sha256(path, run)?;
    if found == expected {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| Error::io(path, error))?;
    Err(Error::format(name, format!("sha256 is {found}, expected {expected}; nothing was installed")))
}
