//! Adding models to the store and removing them. A model is written to a temporary folder, which is then renamed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::held::Held;
use super::{Store, expect_model, expect_plain};
use crate::error::{Error, Result};
use crate::model::{Checkpoint, Config, TEXT_FILES};
use crate::run::Run;

/// The files of a model folder that are copied, if they exist, besides its checkpoint and its tokenizer.
const COPIED: [&str; 4] = ["config.json", "SOURCE.json", "LICENSE", "README.md"];

impl Store {
    /// Copies a model folder into the store, under `name` or the folder's own name.
    ///
    /// # Errors
    /// [`Error::Model`] if `source` is not a model folder, the name is taken, or the store cannot be
    /// written; [`Error::Format`] if the configuration or the checkpoint's header cannot be read;
    /// [`Error::Io`] if a file cannot be read or the disk is full; [`Error::Cancelled`].
    pub fn add(&self, source: &Path, name: Option<&str>, run: &Run) -> Result<PathBuf> {
        if !source.is_dir() {
            return Err(Error::Model(format!("{}: not a folder; expected a model folder", source.display())));
        }
        expect_model(source)?;
        Config::open(source)?.get::<String>("model_type")?;
        let checkpoint = Checkpoint::open(source)?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => own_name(source)?,
        };
        expect_plain(&name)?;
        self.expect_free(&name)?;
        let held = self.hold(&name, run)?;
        self.expect_free(&name)?; // it may have been installed during the wait
        let folder = held.incoming("model")?;
        let others =
            COPIED.iter().chain(&TEXT_FILES).map(|file| source.join(file)).filter(|file| file.is_file());
        let files: Vec<_> = others.chain(checkpoint.files().into_iter().map(Path::to_owned)).collect();
        for file in files {
            copy(&file, &folder, run)?;
        }
        self.publish(&held, &folder, &name)
    }

    /// Deletes an installed model, or the downloaded files of an unfinished pull of that name.
    ///
    /// # Errors
    /// [`Error::Model`] if no model of that name is installed: bundled and cached models are never deleted;
    /// [`Error::Cancelled`] while waiting for another process that works on it.
    pub fn remove(&self, name: &str, run: &Run) -> Result<()> {
        expect_plain(name)?;
        let path = self.installed.join(name);
        if !path.is_dir() && !self.workshop().join("downloads").join(name).is_dir() {
            return Err(self.not_installed(name));
        }
        let held = self.hold(name, run)?;
        if path.is_dir() {
            let gone = held.incoming("gone")?.join(name);
            fs::rename(&path, &gone).map_err(|error| Error::io(&path, error))?;
            fs::remove_dir_all(&gone).map_err(|error| Error::io(&gone, error))?;
        } else if !held.has_downloads() {
            return Err(self.not_installed(name));
        }
        held.forget_downloads()
    }

    fn not_installed(&self, name: &str) -> Error {
        Error::Model(match self.locate(name) {
            Ok(path) => format!(
                "model {name:?} is not installed but bundled or cached, at {}; only installed models can be removed",
                path.display()
            ),
            Err(_) => format!("model {name:?} is not installed; see: rankscope models list"),
        })
    }

    fn expect_free(&self, name: &str) -> Result<()> {
        let path = self.installed.join(name);
        if !path.exists() {
            return Ok(());
        }
        let hint = "remove it first or choose another name with --name";
        Err(Error::Model(format!("model {name:?} is already installed at {}; {hint}", path.display())))
    }

    /// Syncs a finished folder, made by [`Held::incoming`], to the disk, and renames it to its final name. Before that,
    /// no process sees it in the store; afterwards it is complete, even after a power cut.
    pub(super) fn publish(&self, held: &Held, finished: &Path, name: &str) -> Result<PathBuf> {
        let path = self.installed.join(name);
        for file in fs::read_dir(finished).map_err(|error| Error::io(finished, error))? {
            sync(&file.map_err(|error| Error::io(finished, error))?.path())?;
        }
        sync(finished)?;
        fs::rename(finished, &path).map_err(|error| cannot_write(&path, &error))?;
        sync(&self.installed)?;
        held.forget_downloads()?;
        Ok(path)
    }
}

/// Waits until a file or folder is on the disk. Windows has no such call for folders.
fn sync(path: &Path) -> Result<()> {
    if cfg!(windows) && path.is_dir() {
        return Ok(());
    }
    let file = if cfg!(windows) { File::options().write(true).open(path) } else { File::open(path) };
    file.and_then(|file| file.sync_all()).map_err(|error| Error::io(path, error))
}

fn copy(from: &Path, folder: &Path, run: &Run) -> Result<()> {
    let name = from.file_name().unwrap_or_default();
    let target = folder.join(name);
    let mut source = File::open(from).map_err(|error| Error::io(from, error))?;
    let size = source.metadata().map_err(|error| Error::io(from, error))?.len() as usize;
    let mut file = File::create(&target).map_err(|error| Error::io(&target, error))?;
    let stage = format!("copying {}", name.to_string_lossy());
    in_pieces(&mut source, |bytes| file.write_all(bytes), &target, |done| run.step(&stage, done, size))
}

/// Passes all of `from` to `take`, one mebibyte at a time, and reports the bytes so far to `step`.
pub(super) fn in_pieces(
    from: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    path: &Path,
    step: impl Fn(usize) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        step(done)?;
        let read = from.read(&mut buffer).map_err(|error| Error::io(path, error))?;
        if read == 0 {
            return Ok(());
        }
        take(&buffer[..read]).map_err(|error| Error::io(path, error))?;
        done += read;
    }
}

/// The error for a store that cannot be written to, with advice.
pub(super) fn cannot_write(folder: &Path, error: &std::io::Error) -> Error {
    Error::Model(format!(
        "the models folder {} cannot be written ({error}); set RANKSCOPE_MODELS to a folder that can",
        folder.display()
    ))
}

/// The folder's own name, also for `.`.
fn own_name(folder: &Path) -> Result<String> {
    let path = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
    Ok(path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
