//! `model.safetensors.index.json`: the map from tensors to shards.
//!
//! **Source**: the sharded format of `transformers`: `{"metadata": {…}, "weight_map": {tensor: file}}`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::shard::Shard;
use crate::error::{Error, Result};
use crate::model::builder::is_buffer;
use crate::model::foreign;

/// The largest size of an index: larger than any real one, and small enough to read at once.
const MAX_BYTES: u64 = 1 << 26;

/// The most shards: more than any real checkpoint has.
const MAX_SHARDS: usize = 4096;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Tensor names and the shard that each is in, by name.
///
/// # Errors
/// [`Error::Format`] if the file is not such an index, or names a file that is not beside it.
fn weight_map(path: &Path) -> Result<BTreeMap<String, String>> {
    let size = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > MAX_BYTES {
        let problem = format!("{size} bytes long, expected an index of at most {MAX_BYTES}");
        return Err(Error::format(path, problem));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let Index { weight_map } = serde_json::from_str(&text)
        .map_err(|error| foreign::unreadable(path, format!("not an index of shards: {error}")))?;
    if weight_map.is_empty() {
        return Err(Error::format(path, "weight_map is empty, expected tensor names and their files"));
    }
    match weight_map.iter().find(|(_, file)| !is_beside(file)) {
        None => Ok(weight_map),
        Some((tensor, file)) => {
            let expected = "expected the name of a .safetensors file beside the index";
            Err(Error::format(path, format!("tensor {tensor} is mapped to {file:?}, {expected}")))
        }
    }
}

/// Whether a name is that of a safetensors file in the same folder.
fn is_beside(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    is_one && file.ends_with(".safetensors") && !file.contains(['/', '\\', ':', '\0'])
}

/// The names of the files that the index at `path` lists.
///
/// # Errors
/// [`Error::Format`] if the file is not an index, or names a file that is not beside it.
pub(crate) fn shard_names(path: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> = weight_map(path)?.into_values().collect();
    names.sort();
    names.dedup();
    if names.len() > MAX_SHARDS {
        return Err(Error::format(path, format!("{} shards, expected at most {MAX_SHARDS}", names.len())));
    }
    Ok(names)
}

/// Opens every shard of the index at `path`, and checks that they hold what it names.
///
/// **Conventions**: the index lists the files. A tensor is taken from the file that holds it, even if the index maps it
/// to another; if two files hold it, their numbers must be equal.
pub(super) fn open(path: &Path) -> Result<Vec<Shard>> {
    let map = weight_map(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut shards = Vec::new();
    for name in shard_names(path)? {
        let file = folder.join(&name);
        if !file.is_file() {
            let tensor = map.iter().find(|(_, file)| **file == name).map_or("?", |(tensor, _)| tensor);
            let hint = "the download is incomplete, so fetch that file too";
            let problem = format!("shard {name}, with tensor {tensor}, is not there: {hint}");
            return Err(Error::format(path, problem));
        }
        shards.push(Shard::open(file)?);
    }
    let held = holders(path, &shards)?;
    let is_there = |tensor: &String| held.contains(tensor) || is_buffer(tensor);
    match map.iter().find(|(tensor, _)| !is_there(tensor)) {
        None => Ok(shards),
        Some((tensor, file)) => {
            Err(Error::format(path, format!("tensor {tensor} is mapped to {file}, which does not hold it")))
        }
    }
}

/// The tensors of all shards; an error if two shards hold a tensor with different numbers.
fn holders(path: &Path, shards: &[Shard]) -> Result<HashSet<String>> {
    let mut held: HashMap<String, &Shard> = HashMap::new();
    for shard in shards {
        for (tensor, info) in shard.tensors() {
            let Some(first) = held.insert(tensor.clone(), shard) else { continue };
            let known =
                first.info(&tensor).filter(|known| (known.dtype, &known.shape) == (info.dtype, &info.shape));
            let is_same = known.map_or(Ok(false), |known| first.same(known, shard, info))?;
            if !is_same {
                let (first, second) = (first.name(), shard.name());
                let problem = format!("tensor {tensor} is in {first} and, with other numbers, in {second}");
                return Err(Error::format(path, problem));
            }
        }
    }
    Ok(held.into_keys().collect())
}
