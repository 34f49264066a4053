//! Replaces downloads where this library is built without them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Pullable;
use super::held::Held;
use crate::error::{Error, Result};
use crate::run::Run;

/// An error that says how to get the wheel otherwise.
pub(super) fn wheel(_: &str, pullable: &Pullable, _: &Path, _: &Run) -> Result<PathBuf> {
    Err(without(pullable.name))
}

/// An error that says how to get the repository otherwise.
pub(super) fn repository(repository: &str, _: &Held, _: &Path, _: &Run) -> Result<Value> {
    Err(without(repository))
}

fn without(model: &str) -> Error {
    let hint = "bring the model's folder and say: rankscope models add PATH";
    Error::Model(format!("{model}: this build cannot download (feature `hub`); {hint}"))
}
