//! The lock of a model of the store: one process at a time installs or removes it.
//!
//! Beside the installed models, in a hidden folder: `locks/NAME`, an empty file that stays, locked by the process that
//! works on NAME; `incoming/NAME`, the files that it is writing; `downloads/NAME`, the files that it has downloaded so
//! far, which are kept if it ends early, so that the next pull continues from there. The system releases a lock however
//! a process ends, so a folder in `incoming` whose lock is free belongs to a process that has ended.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::Store;
use super::install::cannot_write;
use crate::error::{Error, Result};
use crate::run::Run;

/// The interval at which a lock is tried and the progress of a download is read.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// The right to install or remove the model of one name; released when dropped.
pub(super) struct Held {
    incoming: PathBuf,
    downloads: PathBuf,
    /// Closing it releases the lock, after [`Drop::drop`] has cleaned up.
    _lock: File,
}

impl Store {
    /// Locks the model `name`, after waiting for any other process that has it, and deletes the unfinished folders of
    /// killed processes.
    ///
    /// # Errors
    /// [`Error::Model`] if the store cannot be written or locked, [`Error::Cancelled`] while waiting.
    pub(super) fn hold(&self, name: &str, run: &Run) -> Result<Held> {
        let [locks, incoming, downloads] =
            ["locks", "incoming", "downloads"].map(|part| self.workshop().join(part));
        for folder in [&locks, &incoming, &downloads] {
            fs::create_dir_all(folder).map_err(|error| cannot_write(&self.installed, &error))?;
        }
        let waiting = format!("waiting for another process that is installing or removing {name}");
        let lock = lock(&locks.join(name), &waiting, run)?;
        sweep(&incoming, &locks);
        let (incoming, downloads) = (incoming.join(name), downloads.join(name));
        let held = Held { incoming, downloads, _lock: lock };
        held.clear(&held.incoming)?;
        Ok(held)
    }

    /// The hidden folder of locks and unfinished files.
    pub(super) fn workshop(&self) -> PathBuf {
        self.installed.join(".rankscope")
    }
}

impl Held {
    /// An empty folder to write into, on the store's own file system and hidden from its list.
    pub(super) fn incoming(&self, part: &str) -> Result<PathBuf> {
        make(self.incoming.join(part))
    }

    /// The folder of downloaded files; it outlives this process unless [`Held::forget_downloads`] deletes it.
    pub(super) fn downloads(&self) -> Result<PathBuf> {
        make(self.downloads.clone())
    }

    /// Whether files that an earlier process downloaded are still there.
    pub(super) fn has_downloads(&self) -> bool {
        self.downloads.is_dir()
    }

    /// Deletes the downloaded files.
    pub(super) fn forget_downloads(&self) -> Result<()> {
        self.clear(&self.downloads)
    }

    /// Returns `error`. If the disk is full, deletes the downloaded files, so that it does not stay full.
    pub(super) fn after(&self, error: Error) -> Error {
        let is_full = matches!(&error, Error::Io { error, .. } if is_full(error));
        if is_full {
            // If that fails too, the first error is the one to show.
            let _ = self.forget_downloads();
        }
        error
    }

    fn clear(&self, folder: &Path) -> Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(folder, &error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Files that cannot be deleted now are deleted by the next process that locks any model.
        let _ = fs::remove_dir_all(&self.incoming);
        let _ = fs::remove_dir(&self.downloads); // fails, as it should, if something is kept
    }
}

/// Whether a write failed because the disk is full, or a quota or a limit of the process is reached.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Locks a file, and creates it if it does not exist. Reports `waiting` to `run` while another process holds it.
pub(super) fn lock(path: &Path, waiting: &str, run: &Run) -> Result<File> {
    let open = File::options().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(|error| cannot_write(path, &error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => run.step(waiting, 0, 0)?,
            Err(TryLockError::Error(error)) => return Err(cannot_write(path, &error)),
        }
        sleep(TICK);
    }
}

/// Deletes the unfinished folders of processes that have ended: those whose lock is free.
fn sweep(incoming: &Path, locks: &Path) {
    for folder in fs::read_dir(incoming).into_iter().flatten().flatten() {
        let Ok(lock) = File::options().write(true).open(locks.join(folder.file_name())) else { continue };
        if lock.try_lock().is_ok() {
            // Another process may delete it too; files that remain are hidden, and are deleted later.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

fn make(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    Ok(folder)
}
