//! In place of the hub, where this library is built without it.

use std::path::Path;

use serde_json::Value;

use super::held::Held;
use crate::error::{Error, Result};
use crate::run::Run;

/// Says how to get the model otherwise.
pub(super) fn fetch(repository: &str, _: &Held, _: &Path, _: &Run) -> Result<Value> {
    let hint = "bring the model's folder and say: rankscope models add PATH";
    Err(Error::Model(format!(
        "{repository}: this build cannot reach the Hugging Face hub (feature `hub`); {hint}"
    )))
}
