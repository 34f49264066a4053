//! Putting models into the store and taking them out: written aside, then renamed.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Store, expect_model, expect_plain};
use crate::error::{Error, Result};
use crate::model::{Checkpoint, Config};

/// What is copied of a model folder, where it is there.
const COPIED: [&str; 6] =
    ["config.json", "model.safetensors", "tokenizer.json", "SOURCE.json", "LICENSE", "README.md"];

impl Store {
    /// Copies a model folder into the store, under `name` or the folder's own name.
    ///
    /// # Errors
    /// [`Error::Model`] if `source` is not a model folder, the name is taken, or the store cannot be
    /// written; [`Error::Format`] if the configuration or the checkpoint's header cannot be read.
    pub fn add(&self, source: &Path, name: Option<&str>) -> Result<PathBuf> {
        if !source.is_dir() {
            return Err(Error::Model(format!("{}: not a folder; expected a model folder", source.display())));
        }
        expect_model(source)?;
        Config::open(source)?.get::<String>("model_type")?;
        Checkpoint::open(source)?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => own_name(source)?,
        };
        expect_plain(&name)?;
        self.expect_free(&name)?;
        let aside = self.aside()?;
        let copy = new_folder(aside.path())?;
        for file in COPIED.into_iter().filter(|file| source.join(file).is_file()) {
            let target = copy.join(file);
            fs::copy(source.join(file), &target).map_err(|error| Error::io(&target, error))?;
        }
        self.publish(&copy, &name)
    }

    /// Deletes an installed model.
    ///
    /// # Errors
    /// [`Error::Model`] if no model of that name is installed: bundled and cached ones are not ours to delete.
    pub fn remove(&self, name: &str) -> Result<()> {
        expect_plain(name)?;
        let path = self.installed.join(name);
        if !path.is_dir() {
            return Err(self.not_installed(name));
        }
        let aside = self.aside()?;
        let gone = aside.path().join(name);
        fs::rename(&path, &gone).map_err(|error| Error::io(&path, error))?;
        aside.close().map_err(|error| Error::io(&gone, error))
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

    /// An empty folder beside the installed models, hidden from the list, gone when dropped.
    pub(super) fn aside(&self) -> Result<TempDir> {
        fs::create_dir_all(&self.installed)
            .and_then(|()| tempfile::Builder::new().prefix(".incoming-").tempdir_in(&self.installed))
            .map_err(|error| cannot_write(&self.installed, &error))
    }

    /// Renames a finished folder, made in [`Store::aside`], to its name.
    pub(super) fn publish(&self, finished: &Path, name: &str) -> Result<PathBuf> {
        let path = self.installed.join(name);
        fs::rename(finished, &path).map_err(|error| cannot_write(&path, &error))?;
        Ok(path)
    }
}

/// An empty folder inside a temporary one: that is private to its owner, a model is not.
pub(super) fn new_folder(aside: &Path) -> Result<PathBuf> {
    let folder = aside.join("model");
    fs::create_dir(&folder).map_err(|error| cannot_write(&folder, &error))?;
    Ok(folder)
}

/// A store that cannot be written, and what to do about it.
pub(super) fn cannot_write(folder: &Path, error: &std::io::Error) -> Error {
    Error::Model(format!(
        "the models folder {} cannot be written ({error}); set RANKSCOPE_MODELS to a folder that can",
        folder.display()
    ))
}

/// The folder's own name, of `.` too.
fn own_name(folder: &Path) -> Result<String> {
    let path = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
    Ok(path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
