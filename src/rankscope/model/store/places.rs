//! The places where models are looked for.

use std::env;
use std::path::PathBuf;

use crate::assets::from_env;

/// The folder of installed models: the one that the user's variable names, otherwise one in the
/// user's data folder, if there is one.
pub(super) fn installed() -> Option<PathBuf> {
    from_env("RANKSCOPE_MODELS").or_else(|| dirs::data_dir().map(|data| data.join("rankscope/models")))
}

/// The Python package index: pip's variable and pip's default.
pub(super) fn index() -> String {
    let set = env::var("PIP_INDEX_URL").ok().filter(|url| !url.is_empty());
    set.unwrap_or_else(|| "https://pypi.org/simple".to_owned())
}

/// The local Hugging Face cache, if there is one.
pub(super) fn hub() -> Option<PathBuf> {
    from_env("HF_HUB_CACHE")
        .or_else(|| from_env("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| dirs::home_dir().map(|home| home.join(".cache/huggingface/hub")))
        .filter(|path| path.is_dir())
}
