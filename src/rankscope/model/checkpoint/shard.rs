//! One mapped safetensors file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::model::foreign;

/// A safetensors file, mapped, with its header read.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) file: Arc<Mmap>,
    metadata: Metadata,
    data_start: usize,
}

impl Shard {
    /// Maps the file and reads its header; the tensors' bytes are read where they are used.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        // SAFETY: a mapping is only unsound if another process truncates or rewrites the file while it
        // is open. Checkpoints are written aside and renamed, by us and by the other tools that make them.
        let file = unsafe { Mmap::map(&file) }.map_err(|error| Error::io(&path, error))?;
        let (header_length, metadata) = SafeTensors::read_metadata(&file)
            .map_err(|error| foreign::not_safetensors(&path, error))?;
        Ok(Shard { path, file: Arc::new(file), metadata, data_start: 8 + header_length })
    }

    /// What the header says of a tensor.
    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// Every tensor of the file.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, &TensorInfo)> {
        self.metadata.tensors().into_iter()
    }

    /// Where a tensor's bytes lie in the file. The header's offsets were checked when it was read.
    pub(super) fn range(&self, info: &TensorInfo) -> std::ops::Range<usize> {
        self.data_start + info.data_offsets.0..self.data_start + info.data_offsets.1
    }

    /// The file's name, for an error about several files.
    pub(super) fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.file_name().unwrap_or(Path::new("?").as_os_str()).to_string_lossy()
    }
}
