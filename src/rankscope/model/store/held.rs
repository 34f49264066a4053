//! One model of the store, held by one process at a time.
//!
//! Beside the installed models, in a hidden folder: `locks/NAME`, an empty file that stays and that the
//! process at work on NAME has locked; `incoming/NAME`, what it is writing; `downloads/NAME`, what it has
//! fetched so far, kept when it ends early, so that the next pull goes on from there. The system gives a
//! lock back however a process ends, so a folder in `incoming` whose lock is free is a dead one's.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::Store;
use super::install::cannot_write;
use crate::error::{Error, Result};
use crate::run::Run;

/// How often a lock is tried and a download counted.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// The right to install or remove the model of one name; given back when dropped.
pub(super) struct Held {
    incoming: PathBuf,
    downloads: PathBuf,
    /// Unlocked by being closed, after [`Drop::drop`] has swept.
    _lock: File,
}

impl Store {
    /// Holds the model `name`, after waiting for whoever does, and sweeps what killed processes left.
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

    /// The hidden folder of locks and unfinished things.
    pub(super) fn workshop(&self) -> PathBuf {
        self.installed.join(".rankscope")
    }
}

impl Held {
    /// An empty folder to write into, on the store's own file system and hidden from its list.
    pub(super) fn incoming(&self, part: &str) -> Result<PathBuf> {
        make(self.incoming.join(part))
    }

    /// The folder of what was fetched; it outlives this process unless [`Held::forget_downloads`] ends it.
    pub(super) fn downloads(&self) -> Result<PathBuf> {
        make(self.downloads.clone())
    }

    /// Whether an earlier process fetched something that is still there.
    pub(super) fn has_downloads(&self) -> bool {
        self.downloads.is_dir()
    }

    /// Deletes what was fetched.
    pub(super) fn forget_downloads(&self) -> Result<()> {
        self.clear(&self.downloads)
    }

    /// Returns `error`. If the disk is full, deletes what was fetched, so that it does not stay full.
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
        // What cannot be deleted now is swept by the next process that holds any model.
        let _ = fs::remove_dir_all(&self.incoming);
        let _ = fs::remove_dir(&self.downloads); // fails, as it should, if something is kept
    }
}

/// Whether a write failed because the disk, a quota or the limit of a process is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Locks a file, and makes it if there is none. Reports `waiting` to `run` while another process holds it.
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

/// Deletes the unfinished folders of processes that are gone: those whose lock is free.
fn sweep(incoming: &Path, locks: &Path) {
    for folder in fs::read_dir(incoming).into_iter().flatten().flatten() {
        let Ok(lock) = File::options().write(true).open(locks.join(folder.file_name())) else { continue };
        if lock.try_lock().is_ok() {
            // Another process may sweep it too; what stays is hidden, and swept later.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

fn make(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    Ok(folder)
}
