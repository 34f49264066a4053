//! One safetensors file, from which tensors are read on demand.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::model::foreign;

/// An open safetensors file with its header read.
///
/// **Conventions**: bytes are read, not mapped: if a file is cut short or overwritten while it is open, reading
/// gives an error. A mapping would end the process, or change a model's weights while it runs.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    file: File,
    length: u64,
    metadata: Metadata,
    data_start: u64,
}

impl Shard {
    /// Opens the file and reads its header.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let failed = |error| Error::io(&path, error);
        let mut file = File::open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let (data_start, metadata) =
            header(&mut file, length).map_err(|problem| foreign::not_safetensors(&path, problem))?;
        Ok(Shard { path, file, length, metadata, data_start })
    }

    /// The header's entry for a tensor.
    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// Every tensor of the file.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, &TensorInfo)> {
        self.metadata.tensors().into_iter()
    }

    /// Bytes of the file when it was opened.
    pub(super) fn size_bytes(&self) -> u64 {
        self.length
    }

    /// The bytes of a tensor.
    ///
    /// # Errors
    /// [`Error::Io`] if the file has become shorter since it was opened, or cannot be read.
    pub(super) fn read(&self, info: &TensorInfo) -> Result<Vec<u8>> {
        let (start, end) = info.data_offsets;
        self.bytes(start, end - start)
    }

    /// Whether a tensor here and one of the same size in another file, or in this one, are the same bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn same(&self, info: &TensorInfo, other: &Shard, others: &TensorInfo) -> Result<bool> {
        let length = info.data_offsets.1 - info.data_offsets.0;
        for first in (0..length).step_by(PART) {
            let count = PART.min(length - first);
            let here = self.bytes(info.data_offsets.0 + first, count)?;
            if here != other.bytes(others.data_offsets.0 + first, count)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `count` bytes from `start` on, counted from the end of the header; a large part is read by all threads.
    fn bytes(&self, start: usize, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let at = |part: usize| self.data_start + (start + part * PART) as u64;
        let read = bytes
            .par_chunks_mut(PART)
            .enumerate()
            .try_for_each(|(part, to)| read_at(&self.file, to, at(part)));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let problem = format!(
                    "the file has become shorter than the {} bytes it had when it was opened",
                    self.length
                );
                Error::format(&self.path, problem)
            }
            _ => Error::io(&self.path, error),
        })?;
        Ok(bytes)
    }

    /// The file's name, for an error about several files.
    pub(super) fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.file_name().unwrap_or(Path::new("?").as_os_str()).to_string_lossy()
    }
}

/// The number of bytes that are read or compared at a time.
const PART: usize = 4 << 20;

/// Where the tensors' bytes begin, and the header's entries, which are checked to lie inside the file.
fn header(file: &mut File, length: u64) -> Result<(u64, Metadata), String> {
    /// The longest header that the format allows.
    const MOST: u64 = 100_000_000;
    let mut count = [0; 8];
    file.read_exact(&mut count).map_err(|_| "header too small".to_owned())?;
    let count = u64::from_le_bytes(count);
    if count > MOST {
        return Err("header too large".to_owned());
    }
    if count + 8 > length {
        return Err("invalid header length".to_owned());
    }
    let mut text = vec![0; count as usize];
    file.read_exact(&mut text).map_err(|error| error.to_string())?;
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|error| format!("invalid JSON in header: {error}"))?;
    let covered = (metadata.data_len() as u64).checked_add(count + 8);
    if covered != Some(length) {
        let data = metadata.data_len();
        return Err(format!("its header states {data} bytes of tensors, but {} follow", length - count - 8));
    }
    Ok((count + 8, metadata))
}

/// Fills `to` from the file's byte `start` on, without moving a file position that threads share.
#[cfg(unix)]
fn read_at(file: &File, to: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, start)
}

/// Fills `to` from the file's byte `start` on, without moving a file position that threads share.
#[cfg(windows)]
fn read_at(file: &File, mut to: &mut [u8], mut start: u64) -> io::Result<()> {
    while !to.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, to, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                to = &mut to[count..];
                start += count as u64;
            }
        }
    }
    Ok(())
}
