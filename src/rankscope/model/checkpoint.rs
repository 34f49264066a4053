//! Checkpoint folders: `config.json` and `model.safetensors`, or shards with an index.
//!
//! **Source**: the safetensors format: eight bytes of header length, a JSON header with dtype, shape
//! and byte range of every tensor, then the bytes.

pub(crate) mod index;
mod shard;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype as FileDtype;
use safetensors::tensor::TensorInfo;

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::model::foreign;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};
use shard::Shard;

/// The file of a checkpoint that is not sharded.
pub(crate) const SINGLE: &str = "model.safetensors";

/// The file that maps tensors to shards.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// An open checkpoint, in one file or in shards. A weight is read when it is taken.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The single file, or the index.
    path: PathBuf,
    shards: Arc<[Shard]>,
}

impl Checkpoint {
    /// Opens the checkpoint in `directory`: `model.safetensors`, or, if it is missing, the shards of
    /// `model.safetensors.index.json`. Only headers are read.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none, saying what the folder holds instead; [`Error::Format`] if a header breaks
    /// the format's rules, or naming the tensor and the file if the index leaves the folder, a shard is missing, a
    /// tensor is not in any shard, or two shards hold it with other numbers.
    pub fn open(directory: &Path) -> Result<Self> {
        let (single, index) = (directory.join(SINGLE), directory.join(INDEX));
        if !single.is_file() && index.is_file() {
            let shards = index::open(&index)?.into();
            return Ok(Checkpoint { path: index, shards });
        }
        if !single.is_file() {
            return Err(foreign::no_weights(directory));
        }
        let shard = Shard::open(single.clone())?;
        Ok(Checkpoint { path: single, shards: [shard].into() })
    }

    /// The single file, or the index of the shards.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &str) -> Option<(&Shard, &TensorInfo)> {
        self.shards.iter().find_map(|shard| Some((shard, shard.info(name)?)))
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.shards.iter().flat_map(Shard::tensors).map(|(name, _)| name).collect()
    }

    /// Whether the checkpoint holds a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The sizes of the tensor `name`, if the checkpoint holds it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|(_, info)| info.shape.as_slice())
    }

    /// The tensor `name` in its file's dtype.
    ///
    /// # Errors
    /// [`Error::Format`] naming the tensor if it is missing, has another shape, or is not of f32, f16 or bf16, or
    /// naming the file if it has become shorter meanwhile; [`Error::Io`] if it cannot be read.
    pub fn weight(&self, name: &str, axes: impl Into<Vec<(Axis, usize)>>) -> Result<Weight> {
        let shape = Shape::new(axes);
        let (shard, info, dtype) = self.expect(name, &shape)?;
        Ok(Weight::owned(name, shape, dtype, shard.read(info)?))
    }

    /// As [`weight`](Self::weight), without its numbers.
    pub(super) fn outline(&self, name: &str, shape: Shape) -> Result<Weight> {
        let (_, _, dtype) = self.expect(name, &shape)?;
        Ok(Weight::absent(name, shape, dtype))
    }

    /// The shard and the entry of the tensor `name`, after a check of its shape and that its dtype is supported.
    fn expect(&self, name: &str, shape: &Shape) -> Result<(&Shard, &TensorInfo, Dtype)> {
        let expected = || format!("expected {shape}{}", foreign::hint(&self.names()));
        let Some((shard, info)) = self.find(name) else {
            return Err(Error::format(&self.path, format!("tensor {name} is missing, {}", expected())));
        };
        if info.shape != shape.sizes() {
            let problem = format!("tensor {name} has shape {:?}, {}", info.shape, expected());
            return Err(Error::format(&shard.path, problem));
        }
        let Some(dtype) = float(info.dtype) else {
            let problem = format!("tensor {name} is of dtype {:?}, expected F32, F16 or BF16", info.dtype);
            return Err(Error::format(&shard.path, problem));
        };
        Ok((shard, info, dtype))
    }

    /// The vector `name`, widened to f32: a bias or a gain.
    ///
    /// # Errors
    /// As [`Checkpoint::weight`].
    pub fn vector(&self, name: &str, axis: Axis, size: usize) -> Result<Tensor> {
        let weight = self.weight(name, [(axis, size)])?;
        Tensor::new([(axis, size)], weight.to_f32().expect("a weight that was read is on the CPU"))
    }

    /// Whether both tensors exist and are equal: dtype, shape and every bit.
    ///
    /// Reads both up to the first difference.
    ///
    /// # Errors
    /// As [`Checkpoint::weight`], for files that cannot be read.
    pub fn same(&self, one: &str, other: &str) -> Result<bool> {
        let (Some((first, one)), Some((second, other))) = (self.find(one), self.find(other)) else {
            return Ok(false);
        };
        let alike = one.dtype == other.dtype && one.shape == other.shape;
        Ok(alike && first.same(one, second, other)?)
    }

    /// Numbers of the floating-point tensor `name`; 0 if there is none.
    pub fn numbers(&self, name: &str) -> usize {
        self.find(name).map_or(0, |(_, info)| numbers(info))
    }

    /// Numbers in all floating-point tensors as they are stored, copies of tied ones included.
    pub fn parameters(&self) -> usize {
        self.shards.iter().flat_map(Shard::tensors).map(|(_, info)| numbers(info)).sum()
    }

    /// The checkpoint's files: the index, if there is one, and the safetensors files.
    pub fn files(&self) -> Vec<&Path> {
        let index = Some(self.path.as_path()).filter(|path| path.ends_with(INDEX));
        index.into_iter().chain(self.shards.iter().map(|shard| shard.path.as_path())).collect()
    }

    /// Bytes of the safetensors files.
    pub fn size_bytes(&self) -> u64 {
        self.shards.iter().map(Shard::size_bytes).sum()
    }

    /// The first tensor, by name, that holds a NaN or an infinity, if there is one.
    ///
    /// Reads every file, so it is called only after a result was not finite.
    ///
    /// # Errors
    /// As [`Checkpoint::weight`], for files that cannot be read.
    pub fn first_not_finite(&self) -> Result<Option<String>> {
        let floats =
            self.shards.iter().flat_map(Shard::tensors).filter(|(_, info)| float(info.dtype).is_some());
        let mut tensors: Vec<_> = floats.collect();
        tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, info) in tensors {
            let sizes = info.shape.iter().map(|&size| (Axis::Row, size)).collect::<Vec<_>>();
            let values = self.weight(&name, sizes)?.to_f32().expect("a weight that was read is on the CPU");
            if values.iter().any(|value| !value.is_finite()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// An error if any weight is a NaN or an infinity. Reads every file.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first tensor that is not finite; as [`Checkpoint::first_not_finite`].
    pub fn expect_finite_weights(&self) -> Result<()> {
        self.first_not_finite()?.map_or(Ok(()), |name| Err(self.not_finite(&name)))
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
        self.expect_finite_weights()?;
        let problem =
            format!("{what} is not finite although every weight is: the computation overflowed f32");
        Err(Error::format(&self.path, problem))
    }

    fn not_finite(&self, name: &str) -> Error {
        let path = self.find(name).map_or(&self.path, |(shard, _)| &shard.path);
        Error::format(path, format!("tensor {name} holds NaN or infinity, expected finite weights"))
    }
}

/// The [`Dtype`] for a file's dtype, if it is supported.
fn float(dtype: FileDtype) -> Option<Dtype> {
    match dtype {
        FileDtype::F32 => Some(Dtype::F32),
        FileDtype::F16 => Some(Dtype::F16),
        FileDtype::BF16 => Some(Dtype::Bf16),
        _ => None,
    }
}

fn numbers(info: &TensorInfo) -> usize {
    if float(info.dtype).is_some() { info.shape.iter().product() } else { 0 }
}
