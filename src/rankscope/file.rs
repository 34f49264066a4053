//! Files appear whole or not at all.

use std::path::Path;
use std::{fs, io};

use crate::error::{Error, Result};

/// Writes `bytes` to `path` through a temporary file beside it, so that a failure never leaves half a file.
///
/// # Errors
/// [`Error::Format`] naming `path` if its folder does not exist or it is a folder itself, [`Error::Io`] if
/// it cannot be written; an earlier file stays unchanged.
pub fn save(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    save_with(path.as_ref(), |part| fs::write(part, bytes))
}

/// As [`save`], for content that `write` writes: it is given the path of the temporary file beside `path`, which is
/// empty.
///
/// # Errors
/// As [`save`].
pub(crate) fn save_with(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::format(path, format!("the folder {} does not exist", folder.display())));
    }
    if path.is_dir() {
        return Err(Error::format(path, "is a folder, expected the name of a file"));
    }
    let mut builder = tempfile::Builder::new();
    // The permissions that the umask allows, as for any other new file; by default only the owner could read a
    // temporary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(".rankscope-").tempfile_in(folder).map_err(|e| Error::io(path, e))?;
    write(file.path()).map_err(|e| Error::io(path, e))?;
    // `write` may have replaced the temporary file by another one, with other permissions.
    let permissions = file.as_file().metadata().map_err(|e| Error::io(path, e))?.permissions();
    fs::set_permissions(file.path(), permissions).map_err(|e| Error::io(path, e))?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spectrum.svg");
        save(&path, "first, longer").unwrap();
        save(&path, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_may_be_read_by_whoever_may_read_other_new_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [path, other, private] = ["saved", "other", "private"].map(|name| folder.path().join(name));
        fs::write(&other, "").unwrap();
        save_with(&path, |part| {
            fs::write(&private, "bytes")?;
            fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
            fs::rename(&private, part)
        })
        .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("figure.png");
        let message = save(&path, [1, 2, 3]).unwrap_err().to_string();
        assert!(message.starts_with(path.to_str().unwrap()), "{message}");
        assert!(message.ends_with("missing does not exist"), "{message}");
    }

    #[test]
    fn a_folder_in_the_way_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        let message = save(&path, "text").unwrap_err().to_string();
        assert!(message.ends_with("is a folder, expected the name of a file"), "{message}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
