//! Finds the files that are shipped with the program: checkpoints, texts, lessons.

use std::env;
use std::path::{Path, PathBuf};

/// The folder that the environment variable `variable` names, if it is set and not empty.
pub(crate) fn from_env(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder `name` of the assets: in `$RANKSCOPE_ASSETS`, beside the executable, or in the source tree that it was
/// built from.
pub fn folder(name: &str) -> Option<PathBuf> {
    if let Some(assets) = from_env("RANKSCOPE_ASSETS") {
        return Some(assets.join(name)).filter(|path| path.is_dir());
    }
    let executable = env::current_exe().ok();
    let folder = executable.as_deref().and_then(Path::parent);
    let beside = folder
        .into_iter()
        .flat_map(|folder| ["../../assets", "../share/rankscope"].map(|assets| folder.join(assets)));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let found = beside.chain([source]).map(|assets| assets.join(name)).find(|path| path.is_dir())?;
    Some(found.canonicalize().unwrap_or(found))
}
