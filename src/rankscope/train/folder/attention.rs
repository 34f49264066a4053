//! The attention movie: the weights of every head, at every record.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::array::ArrayFile;
use crate::error::{Error, Result};
use crate::file::save_with;
use crate::train::record::LayerWeights;

const FOLDER: &str = "attention";
const ENDING: &str = "safetensors";
/// The ending after a layer's name.
const WEIGHTS: &str = ".weights";

/// One frame of the movie.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The tokens of the sequence; empty for an encoder-decoder.
    pub tokens: Vec<String>,
    /// Every layer, from the first.
    pub layers: Vec<LayerWeights>,
}

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = ArrayFile::open(path)?;
        let tokens = match file.text("tokens") {
            Some(text) => serde_json::from_str(text).map_err(|error| Error::format(path, error))?,
            None => Vec::new(),
        };
        let mut layers = Vec::new();
        for entry in file.entries().to_vec() {
            let name = entry.name();
            let (Some(layer), &[_, heads, queries, keys]) = (name.strip_suffix(WEIGHTS), entry.shape())
            else {
                let problem = format!("{name} is not the weights of a layer, [1, H, T, S]");
                return Err(Error::format(path, problem));
            };
            let array = file.load(&entry)?;
            let numbers = (0..heads).flat_map(|head| array.matrix(head)).map(|weight| weight as f32);
            let weights = Array3::from_shape_vec((heads, queries, keys), numbers.collect())
                .map_err(|error| Error::format(path, error))?;
            let mask = file.text(&mask_of(layer)).map(str::parse).transpose();
            let mask = mask.map_err(|error: Error| Error::format(path, error))?;
            layers.push(LayerWeights { layer: layer.to_owned(), weights, mask });
        }
        layers.sort_by_cached_key(|layer| place(&layer.layer));
        Ok(Frame { tokens, layers })
    }
}

/// The key of a layer's mask in the metadata.
fn mask_of(layer: &str) -> String {
    format!("mask.{layer}")
}

/// Sorts encoders before decoders, and layer 10 after layer 9.
fn place(layer: &str) -> (bool, Option<usize>) {
    (!layer.starts_with("encoder"), layer.split('.').find_map(|part| part.parse().ok()))
}

/// The frames of the run in a folder, with the number of steps before each.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub fn movie(path: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let folder = path.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| Error::io(&folder, error))? {
        let path = entry.map_err(|error| Error::io(&folder, error))?.path();
        let step = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(step.filter(|_| path.extension().is_some_and(|e| e == ENDING)).map(|step| (step, path)));
    }
    found.sort();
    Ok(found)
}

/// Deletes the frames after `step`.
pub(super) fn forget_after(path: &Path, step: usize) -> Result<()> {
    let later = movie(path)?.into_iter().filter(|(at, _)| *at > step);
    later
        .into_iter()
        .try_for_each(|(_, file)| fs::remove_file(&file).map_err(|error| Error::io(&file, error)))
}

/// Writes a frame: one tensor `LAYER.weights` `[1, H, T, S]` for each layer; in the metadata the tokens as JSON, and
/// the masks as `mask.LAYER`.
pub(super) fn write(path: &Path, step: usize, tokens: &[String], layers: &[LayerWeights]) -> Result<()> {
    let folder = path.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    let file = folder.join(format!("{step:07}.{ENDING}"));
    let numbers: Vec<Vec<f32>> = layers.iter().map(|layer| layer.weights.iter().copied().collect()).collect();
    let mut views = Vec::new();
    for (layer, numbers) in layers.iter().zip(&numbers) {
        let sizes = [&[1], layer.weights.shape()].concat();
        let view = TensorView::new(Dtype::F32, sizes, bytemuck::cast_slice(numbers));
        let view = view.map_err(|error| Error::format(&file, error))?;
        views.push((format!("{}{WEIGHTS}", layer.layer), view));
    }
    let masks =
        layers.iter().filter_map(|layer| Some((mask_of(&layer.layer), layer.mask.as_ref()?.to_string())));
    let mut metadata: HashMap<String, String> = masks.collect();
    if !tokens.is_empty() {
        let tokens = serde_json::to_string(tokens).map_err(|error| Error::format(&file, error))?;
        metadata.insert("tokens".to_owned(), tokens);
    }
    save_with(&file, |part| {
        safetensors::serialize_to_file(views, Some(metadata), part).map_err(std::io::Error::other)
    })
}
