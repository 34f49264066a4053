//! Where models are stored on this machine: bundled, installed, or in the Hugging Face cache.
//!
//! A model is a folder with `config.json`, `model.safetensors` (or shards and their index), and
//! `tokenizer.json` where text is to be read. [`Store::find`] looks, in this order, at a folder given by its path, at
//! installed models (`$RANKSCOPE_MODELS`, otherwise `rankscope/models` in the user's data folder), at bundled ones
//! (`checkpoints` in the assets) and at the local Hugging Face cache (`$HF_HUB_CACHE`, `$HF_HOME/hub` or
//! `~/.cache/huggingface/hub`). Nothing is fetched except by [`Store::pull`].

mod entry;
mod held;
mod hub;
mod install;
mod places;
mod pull;
#[cfg(feature = "hub")]
mod remote;
#[cfg(not(feature = "hub"))]
#[path = "no_remote.rs"]
mod remote;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use entry::{Entry, Origin};
pub use pull::{PULLABLE, Pullable};

use crate::assets;
use crate::error::{Error, Result};
use crate::model::checkpoint::{INDEX, SINGLE};
use crate::model::foreign;

/// The models on this machine, and those that can be pulled.
#[derive(Clone, Debug)]
pub struct Store {
    /// The folder of installed models, with a folder for each; created on first use.
    installed: PathBuf,
    bundled: Option<PathBuf>,
    hub: Option<PathBuf>,
    /// The address of the Python package index.
    index: String,
}

impl Store {
    /// The store of this user, from the environment. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`Error::Model`] if the user has no data folder and `RANKSCOPE_MODELS` is not set.
    pub fn open() -> Result<Self> {
        let problem = "no data folder for this user (HOME is not set); set RANKSCOPE_MODELS to a folder";
        let installed = places::installed().ok_or_else(|| Error::Model(problem.to_owned()))?;
        Ok(Store {
            installed,
            bundled: assets::folder("checkpoints"),
            hub: places::hub(),
            index: places::index(),
        })
    }

    /// Every model on this machine, and those that can be pulled: installed, bundled, cached, available.
    ///
    /// # Conventions
    /// An incomplete folder is listed, with the missing files in its note. Of two models with the same name,
    /// [`Store::find`] takes the one listed first.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder of models cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = entry::of_folders(&self.installed, Origin::Installed)?;
        if let Some(bundled) = &self.bundled {
            entries.extend(entry::of_folders(bundled, Origin::Bundled)?);
        }
        if let Some(hub) = &self.hub {
            let snapshots = hub::snapshots(hub)?.into_iter().filter(|snapshot| is_model(&snapshot.path));
            let cached = snapshots.map(|s| Entry::of_folder(s.name, Origin::HuggingFaceCache, s.path));
            entries.extend(cached);
        }
        let absent = |pullable: &&Pullable| !entries.iter().any(|entry| entry.name == pullable.name);
        let available: Vec<_> = PULLABLE.iter().filter(absent).map(Entry::available).collect();
        entries.extend(available);
        for index in 1..entries.len() {
            if let Some(first) = entries[..index].iter().find(|entry| entry.name == entries[index].name) {
                let note = format!("hidden by the {} model of the same name", first.origin);
                entries[index].note = Some(note);
            }
        }
        Ok(entries)
    }

    /// The folder of a model, by its name or its path.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none, listing the models on this machine and those that can be pulled; if the
    /// folder lacks `config.json` or the weights; if the Hugging Face cache has several models of that name.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let path = self.locate(name)?;
        expect_model(&path)?;
        Ok(path)
    }

    fn locate(&self, name: &str) -> Result<PathBuf> {
        if Path::new(name).is_dir() {
            return Ok(PathBuf::from(name));
        }
        if let Some(path) = self.own(name) {
            return Ok(path);
        }
        if let Some(hub) = &self.hub
            && let Some(snapshot) = hub::find(hub, name)?
        {
            return Ok(snapshot);
        }
        Err(self.unknown(name))
    }

    /// The folder of an installed or bundled model; `None` if there is none of that name. `ORG/NAME` finds a model that
    /// was pulled from the Hugging Face hub without another name.
    pub fn own(&self, name: &str) -> Option<PathBuf> {
        let places = [Some(&self.installed), self.bundled.as_ref()].into_iter().flatten();
        let name = match is_repository(name) {
            true => &pull::installed_name(name),
            false => name,
        };
        places.filter(|_| is_plain(name)).map(|place| place.join(name)).find(|path| path.is_dir())
    }

    /// The error for an unknown name.
    fn unknown(&self, name: &str) -> Error {
        if Path::new(name).is_file() {
            let hint = "give the folder that holds it, with config.json and model.safetensors";
            return Error::Model(format!("{name} is a file, not a model folder; {hint}"));
        }
        if let Some(pullable) = PULLABLE.iter().find(|pullable| pullable.name == name) {
            let name = pullable.name;
            return Error::Model(format!(
                "model {name:?} is not installed; get it with: rankscope models pull {name}"
            ));
        }
        let entries = self.list().unwrap_or_default();
        let (to_pull, here): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.origin == Origin::Available);
        let names = |what: &str, entries: Vec<Entry>| {
            let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
            names.sort();
            names.dedup();
            if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
        };
        Error::Model(format!(
            "no model or folder {name:?}{}{}",
            names("here", here),
            names("to pull", to_pull)
        ))
    }
}

/// Whether a name is one plain component, so that a joined path stays inside its folder.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(allowed)
}

/// Whether a name is `ORG/NAME`, a repository of the Hugging Face hub.
fn is_repository(name: &str) -> bool {
    name.split_once('/').is_some_and(|(organisation, name)| is_plain(organisation) && is_plain(name))
}

/// Checks that a name is plain.
fn expect_plain(name: &str) -> Result<()> {
    if is_plain(name) {
        return Ok(());
    }
    let expected = "letters, digits, '.', '_' and '-' only, not starting with '.', at most 100 characters";
    Err(Error::invalid("model name", format!("{name:?}"), expected))
}

fn is_model(folder: &Path) -> bool {
    expect_model(folder).is_ok()
}

/// Checks that a folder holds the files that a model needs.
fn expect_model(folder: &Path) -> Result<()> {
    let is_there = |file: &str| folder.join(file).is_file();
    match (is_there(CONFIG), is_there(SINGLE) || is_there(INDEX)) {
        (true, true) => Ok(()),
        (false, _) => Err(foreign::no_config(folder)),
        (true, false) => Err(foreign::no_weights(folder)),
    }
}

const CONFIG: &str = "config.json";
