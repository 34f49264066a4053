//! Checkpoint folders: `config.json` and `model.safetensors`, mapped into memory.
//!
//! **Source**: the safetensors format: eight bytes of header length, a JSON header with dtype, shape
//! and byte range of every tensor, then the bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::tensor::Metadata;
use safetensors::{Dtype as FileDtype, SafeTensors};

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// An open `model.safetensors`. Weights taken from it keep the file mapped.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: Arc<Mmap>,
    metadata: Arc<Metadata>,
    data_start: usize,
}

impl Checkpoint {
    /// Opens the `model.safetensors` in `directory`.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none, [`Error::Format`] if its header is not what the format asks for.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("model.safetensors");
        let file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        // SAFETY: a mapping is only unsound if another process truncates or rewrites the file while it
        // is open. Checkpoints are written aside and renamed, by us and by the other tools that make them.
        let file = unsafe { Mmap::map(&file) }.map_err(|error| Error::io(&path, error))?;
        let (header_length, metadata) = SafeTensors::read_metadata(&file)
            .map_err(|error| Error::format(&path, format!("not a safetensors file: {error}")))?;
        let data_start = 8 + header_length;
        Ok(Checkpoint { path, file: Arc::new(file), metadata: Arc::new(metadata), data_start })
    }

    /// Whether the file holds a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The tensor `name` in its file's dtype.
    ///
    /// # Errors
    /// [`Error::Format`] naming the tensor if it is missing, has another shape, or is not of f32, f16 or bf16.
    pub fn weight(&self, name: &str, axes: impl Into<Vec<(Axis, usize)>>) -> Result<Weight> {
        let shape = Shape::new(axes);
        let Some(info) = self.metadata.info(name) else {
            return Err(Error::format(&self.path, format!("tensor {name} is missing, expected {shape}")));
        };
        if info.shape != shape.sizes() {
            let problem = format!("tensor {name} has shape {:?}, expected {shape}", info.shape);
            return Err(Error::format(&self.path, problem));
        }
        let dtype = match info.dtype {
            FileDtype::F32 => Dtype::F32,
            FileDtype::F16 => Dtype::F16,
            FileDtype::BF16 => Dtype::Bf16,
            other => {
                let problem = format!("tensor {name} is of dtype {other:?}, expected F32, F16 or BF16");
                return Err(Error::format(&self.path, problem));
            }
        };
        let (start, end) = info.data_offsets;
        let range = self.data_start + start..self.data_start + end;
        Ok(Weight::mapped(name, shape, dtype, self.file.clone(), range))
    }

    /// The vector `name`, widened to f32: a bias or a gain.
    ///
    /// # Errors
    /// As [`Checkpoint::weight`].
    pub fn vector(&self, name: &str, axis: Axis, size: usize) -> Result<Tensor> {
        let weight = self.weight(name, [(axis, size)])?;
        Tensor::new([(axis, size)], weight.to_f32().expect("a mapped weight is on the CPU"))
    }

    /// Numbers in the file: the model's parameters, tied ones counted once.
    pub fn parameters(&self) -> usize {
        let is_float = |dtype| matches!(dtype, FileDtype::F32 | FileDtype::F16 | FileDtype::BF16);
        let tensors = self.metadata.tensors();
        tensors
            .values()
            .filter(|info| is_float(info.dtype))
            .map(|info| info.shape.iter().product::<usize>())
            .sum()
    }

    /// The first of the file's tensors that holds a NaN or an infinity, if there is one.
    ///
    /// Reads the whole file, so it is for the moment when a result turned out not to be finite.
    pub fn first_not_finite(&self) -> Option<String> {
        let tensors = self.metadata.tensors();
        let mut names: Vec<_> = tensors.keys().collect();
        names.sort();
        let is_bad = |name: &&&String| {
            let sizes = tensors[**name].shape.iter().map(|&size| (Axis::Row, size)).collect::<Vec<_>>();
            let values = self.weight(name, sizes).ok().and_then(|weight| weight.to_f32());
            values.is_some_and(|values| values.iter().any(|value| !value.is_finite()))
        };
        names.iter().find(is_bad).map(|name| name.to_string())
    }

    /// An error if `values` has a NaN or an infinity, naming the weight that is to blame.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first tensor that is not finite, or saying that all are and the
    /// computation overflowed.
    pub fn expect_finite(&self, what: &str, values: &[f32]) -> Result<()> {
        if values.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let problem = match self.first_not_finite() {
            Some(name) => format!("tensor {name} holds NaN or infinity, expected finite weights"),
            None => format!("{what} is not finite although every weight is: the computation overflowed f32"),
        };
        Err(Error::format(&self.path, problem))
    }
}
