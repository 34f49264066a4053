//! Where models are looked for.

use std::env;
use std::path::{Path, PathBuf};

/// A folder named by a variable that is set and not empty.
fn from_env(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Installed models: where the user says, otherwise in the user's data folder, if there is one.
pub(super) fn installed() -> Option<PathBuf> {
    from_env("RANKSCOPE_MODELS").or_else(|| dirs::data_dir().map(|data| data.join("rankscope/models")))
}

/// The Python package index: pip's variable and pip's default.
pub(super) fn index() -> String {
    let set = env::var("PIP_INDEX_URL").ok().filter(|url| !url.is_empty());
    set.unwrap_or_else(|| "https://pypi.org/simple".to_owned())
}

/// Models that come with the program: in `$RANKSCOPE_ASSETS`, beside the executable, or in the source tree
/// that it was built from.
pub(super) fn bundled() -> Option<PathBuf> {
    if let Some(assets) = from_env("RANKSCOPE_ASSETS") {
        return Some(assets.join("checkpoints")).filter(|path| path.is_dir());
    }
    let executable = env::current_exe().ok();
    let folder = executable.as_deref().and_then(Path::parent);
    let beside = folder
        .into_iter()
        .flat_map(|folder| ["../../assets", "../share/rankscope"].map(|assets| folder.join(assets)));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let found = beside.chain([source]).map(|assets| assets.join("checkpoints")).find(|path| path.is_dir())?;
    Some(found.canonicalize().unwrap_or(found))
}

/// The local Hugging Face cache, if there is one.
pub(super) fn hub() -> Option<PathBuf> {
    from_env("HF_HUB_CACHE")
        .or_else(|| from_env("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| dirs::home_dir().map(|home| home.join(".cache/huggingface/hub")))
        .filter(|path| path.is_dir())
}
