//! One line of the list of models.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Pullable, expect_model};
use crate::error::{Error, Result};
use crate::model::{Checkpoint, Config, parameters_of};

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Added or pulled by the user.
    Installed,
    /// Comes with the program.
    Bundled,
    /// In the local Hugging Face cache.
    HuggingFaceCache,
    /// Not on this machine; it can be pulled.
    Available,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Installed => "installed",
            Origin::Bundled => "bundled",
            Origin::HuggingFaceCache => "hugging-face-cache",
            Origin::Available => "available",
        })
    }
}

/// One model: on this machine, or one that can be pulled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The name by which it is found.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its folder; `None` if it is not on this machine.
    pub path: Option<PathBuf>,
    /// `model_type` of its configuration.
    pub family: Option<String>,
    /// How many numbers its checkpoint holds, tied tensors counted once.
    pub parameters: Option<usize>,
    /// Bytes of its checkpoint; of the download, if it is not on this machine.
    pub size_bytes: Option<u64>,
    /// Its licence, as stated in its `SOURCE.json`.
    pub licence: Option<String>,
    /// A description of the model, or of what is wrong with it.
    pub note: Option<String>,
    /// Whether `rankscope train` made it, as its `SOURCE.json` states.
    pub is_trained_here: bool,
}

impl Entry {
    /// The entry of a model folder, without loading the model.
    pub(super) fn of_folder(name: String, origin: Origin, path: PathBuf) -> Self {
        let source = source(&path);
        let stated = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        let wrong = expect_model(&path).err();
        let config = Config::open(&path);
        let family = config.as_ref().ok().map(|config| config.get("model_type"));
        let checkpoint = Checkpoint::open(&path);
        let parameters = match (&config, &checkpoint) {
            (Ok(config), Ok(checkpoint)) => Some(parameters_of(config, checkpoint)),
            _ => None,
        };
        let wrong = wrong
            .as_ref()
            .or(config.as_ref().err())
            .or(family.as_ref().and_then(|family| family.as_ref().err()))
            .or(checkpoint.as_ref().err())
            .map(Error::to_string);
        Entry {
            name,
            origin,
            family: family.and_then(Result::ok),
            parameters,
            size_bytes: checkpoint.as_ref().ok().map(Checkpoint::size_bytes),
            licence: stated("licence"),
            note: wrong.or_else(|| stated("note")),
            is_trained_here: stated("trained_by").as_deref() == Some("rankscope"),
            path: Some(path),
        }
    }

    /// A model that can be pulled.
    pub(super) fn available(pullable: &Pullable) -> Self {
        Entry {
            name: pullable.name.to_owned(),
            origin: Origin::Available,
            path: None,
            family: Some(pullable.family.to_owned()),
            parameters: Some(pullable.parameters),
            size_bytes: Some(pullable.size_bytes),
            licence: Some(pullable.licence.to_owned()),
            note: Some(pullable.note.to_owned()),
            is_trained_here: false,
        }
    }
}

/// The folder's `SOURCE.json`; null without one.
fn source(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("SOURCE.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// An entry for every folder in `place` whose name does not start with a dot, by name.
pub(super) fn of_folders(place: &Path, origin: Origin) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let folders = match fs::read_dir(place) {
        Ok(folders) => folders,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(entries),
        Err(error) => return Err(Error::io(place, error)),
    };
    for folder in folders {
        let path = folder.map_err(|error| Error::io(place, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            entries.push(Entry::of_folder(name, origin, path));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
