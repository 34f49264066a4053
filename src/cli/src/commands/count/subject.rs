//! The model that is counted: a preset, or a configuration of the user's.

use std::path::PathBuf;

use anyhow::Result;
use rankscope::Dtype;
use rankscope::model::Config;
use rankscope::model::count::{Count, Load, ModelSizes};
use rankscope::model::preset::{self, Preset};
use rankscope::model::store::Store;

/// The model that a name stands for.
pub enum Subject {
    Preset(&'static Preset),
    Sizes { name: String, sizes: Box<ModelSizes> },
}

impl Subject {
    /// The first that exists of: a preset of that name, a file, a folder, an installed model.
    pub fn find(name: &str) -> Result<Self> {
        let unknown = match preset::find(name) {
            Ok(preset) => return Ok(Subject::Preset(preset)),
            Err(error) => error,
        };
        let path = PathBuf::from(name);
        let is_path = path.exists() || path.components().count() > 1 || name.ends_with(".json");
        let sizes = match Store::open()?.find(name) {
            _ if path.is_dir() => ModelSizes::of_folder(&path)?,
            _ if is_path => ModelSizes::of(&Config::read(path)?)?,
            Ok(folder) => ModelSizes::of_folder(&folder)?,
            Err(_) => return Err(unknown.into()),
        };
        Ok(Subject::Sizes { name: name.to_owned(), sizes: Box::new(sizes) })
    }

    pub fn name(&self) -> &str {
        match self {
            Subject::Preset(preset) => preset.name,
            Subject::Sizes { name, .. } => name,
        }
    }

    /// The sizes, or why they are unknown.
    pub fn sizes(&self) -> rankscope::Result<ModelSizes> {
        match self {
            Subject::Preset(preset) => preset.sizes(),
            Subject::Sizes { sizes, .. } => Ok((**sizes).clone()),
        }
    }

    /// Whether sizes are known, and not totals alone.
    pub fn has_sizes(&self) -> bool {
        match self {
            Subject::Preset(preset) => preset.has_sizes(),
            Subject::Sizes { .. } => true,
        }
    }

    pub fn count(
        &self,
        load: impl FnOnce(&ModelSizes) -> rankscope::Result<Load>,
        dtype: Dtype,
    ) -> rankscope::Result<Count> {
        match self {
            Subject::Preset(preset) => Count::of_preset(preset, load, dtype),
            Subject::Sizes { name, sizes } => {
                Ok(Count::of_sizes(name, (**sizes).clone(), load(sizes)?, dtype))
            }
        }
    }
}
