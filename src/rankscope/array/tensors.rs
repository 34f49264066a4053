//! `.safetensors`: the length of a JSON header in eight bytes, the header, the numbers.
//!
//! The file is not mapped into memory: the header is read, and then only the tensor that the caller
//! asks for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::file::Entry;
use super::header::Content;
use super::npy::Place;
use super::{Array, Number};
use crate::error::{Error, Result};

/// The longest header that the format allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// An open file.
pub(super) struct Tensors {
    file: File,
    metadata: Metadata,
    names: Vec<String>,
    /// Where the numbers begin.
    start: u64,
}

impl Tensors {
    pub fn open(path: &Path, mut file: File, size: u64) -> Result<Self> {
        let wrong = |problem: String| Error::format(path, format!("not a whole safetensors file: {problem}"));
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|error| Error::io(path, error))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES || 8 + length > size {
            return Err(wrong(format!("a header of {length} bytes in a file of {size}")));
        }
        let header = Place { path, name: None }.take(&mut file, length as usize)?;
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| wrong(error.to_string()))?;
        let (start, names) = (8 + length, metadata.offset_keys());
        let expected = start + metadata.data_len() as u64;
        if expected != size {
            return Err(wrong(format!("{size} bytes, expected {expected} by its header")));
        }
        Ok(Tensors { file, metadata, names, start })
    }

    /// The arrays of the file, in the file's order.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(index, name): (usize, &String)| {
            let info = self.metadata.info(name)?;
            let content = number(info.dtype).map(Content::Numbers).unwrap_or_else(Content::Other);
            Some(Entry { name: name.clone(), index, content, shape: info.shape.clone() })
        };
        self.names.iter().enumerate().filter_map(entry).collect()
    }

    pub fn array(&mut self, path: &Path, index: usize) -> Result<Array> {
        let name = self.names[index].clone();
        let place = Place { path, name: Some(&name) };
        let info = self.metadata.info(&name).ok_or_else(|| place.wrong("not in the file"))?;
        let number = number(info.dtype).map_err(|what| place.wrong(what))?;
        let (from, to) = info.data_offsets;
        self.file.seek(SeekFrom::Start(self.start + from as u64)).map_err(|error| Error::io(path, error))?;
        let bytes = place.take(&mut self.file, to - from)?;
        if bytes.len() < to - from {
            return Err(place.wrong(format!("{} bytes, expected {}", bytes.len(), to - from)));
        }
        Ok(Array { shape: info.shape.clone(), name, number, column_major: false, bytes })
    }

    /// The texts of the file's metadata.
    pub fn texts(&self) -> Option<&HashMap<String, String>> {
        self.metadata.metadata().as_ref()
    }
}

fn number(dtype: Dtype) -> Result<Number, String> {
    Ok(match dtype {
        Dtype::BOOL => Number::Bool,
        Dtype::I8 => Number::I8,
        Dtype::I16 => Number::I16,
        Dtype::I32 => Number::I32,
        Dtype::I64 => Number::I64,
        Dtype::U8 => Number::U8,
        Dtype::U16 => Number::U16,
        Dtype::U32 => Number::U32,
        Dtype::U64 => Number::U64,
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::BF16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::C64 => return Err("complex numbers (C64), expected real ones; save its abs() or .real".into()),
        other => {
            return Err(format!(
                "numbers of type {other:?}, expected F64, F32, F16, BF16, integers or BOOL; convert them with .float()"
            ));
        }
    })
}
