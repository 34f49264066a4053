//! Files that are no model: recognised by their first bytes, with advice on what to do.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::{AGAIN, PICKLE};
use crate::error::{Error, Result, excerpt};
use crate::file_kind::FileKind;

/// The number of bytes that are read to recognise a file.
const HEAD: u64 = 4096;

/// The longest header of a safetensors file.
const LONGEST_HEADER: u64 = 100_000_000;

/// The error for a file that cannot be read as safetensors: it names the kind of file, if that is recognised, and
/// otherwise `problem`.
pub(crate) fn not_safetensors(path: &Path, problem: impl Display) -> Error {
    let start = Start::of(path);
    let what = start.and_then(|start| start.known().or_else(|| start.damaged(path)).or_else(|| start.text()));
    Error::format(path, what.unwrap_or_else(|| format!("not a safetensors file: {problem}")))
}

/// An error if the file is of another known kind. This check is for formats that have no signature.
///
/// # Errors
/// [`Error::Format`] saying what it is.
pub(crate) fn expect_own(path: &Path) -> Result<()> {
    match Start::of(path).and_then(|start| start.known()) {
        Some(what) => Err(Error::format(path, what)),
        None => Ok(()),
    }
}

/// The error for a file that cannot be read as JSON or in another expected format: it names the kind of file, if that
/// is recognised, and otherwise `problem`.
pub(crate) fn unreadable(path: &Path, problem: impl Display) -> Error {
    let what = Start::of(path).and_then(|start| start.known().or_else(|| start.wide_text()));
    Error::format(path, what.unwrap_or_else(|| problem.to_string()))
}

/// The beginning of a file.
struct Start {
    bytes: Vec<u8>,
    length: u64,
}

impl Start {
    fn of(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let (length, mut bytes) = (file.metadata().ok()?.len(), Vec::new());
        file.take(HEAD).read_to_end(&mut bytes).ok()?;
        Some(Start { bytes, length })
    }

    fn holds(&self, part: &[u8]) -> bool {
        self.bytes.windows(part.len()).any(|window| window == part)
    }

    /// The kind of the file, from its signature.
    fn known(&self) -> Option<String> {
        let Start { bytes, length } = self;
        if bytes.is_empty() {
            return Some(format!("an empty file: its download never began, or the disk was full; {AGAIN}"));
        }
        if *length > 8 && bytes.iter().all(|&byte| byte == 0) {
            return Some(format!("begins with zeros only: room was kept and never filled; {AGAIN}"));
        }
        let kind = FileKind::of(bytes)?;
        if kind == FileKind::LfsPointer {
            return Some(pointer(&String::from_utf8_lossy(bytes)));
        }
        let (what, hint) = self.other(kind)?;
        Some(format!("{what}; {hint}"))
    }

    /// A kind of file that holds no safetensors and no text, and what to do about it.
    fn other(&self, kind: FileKind) -> Option<(&'static str, &'static str)> {
        const SAVE: &str =
            "read it with its own library and save model.safetensors, or take the repository's";
        const UNPACK: &str = "unpack it first";
        Some(match kind {
            FileKind::WebPage => (
                "a web page (of a login, or of an error), not the file",
                "download the file itself, logged in where its owner asks for that",
            ),
            FileKind::Gguf => (
                "a GGUF file, quantised for llama.cpp, which is not read here",
                "take the original repository",
            ),
            FileKind::Zip if self.holds(b".npy") => ("a zip file of numpy arrays (.npz)", SAVE),
            FileKind::Zip if !self.holds(b".pkl") => (
                "a zip file, as torch.save writes: then a pickle of PyTorch, which can run code when it is opened, so \
                 it is not opened here",
                "if you packed it yourself, unpack it; otherwise read it with torch.load(…, weights_only=True) and \
                 save it with safetensors.torch.save_file",
            ),
            FileKind::Zip | FileKind::Pickle => (
                PICKLE,
                "read it with torch.load(…, weights_only=True) and save it with safetensors.torch.save_file",
            ),
            FileKind::Hdf5 => ("weights of TensorFlow or Keras in HDF5", SAVE),
            FileKind::Npy => ("one array of numpy (.npy)", SAVE),
            FileKind::Gzip => ("a file packed with gzip", UNPACK),
            FileKind::Compressed => ("a packed file (bzip2, xz or zstd)", UNPACK),
            FileKind::Archive => ("a packed file (7z or rar)", UNPACK),
            FileKind::Tar => ("a tar file", UNPACK),
            FileKind::TfLite => ("a model of TensorFlow Lite", SAVE),
            FileKind::Onnx => ("a model in ONNX's format", SAVE),
            FileKind::MessagePack => ("weights of Flax in MessagePack", SAVE),
            FileKind::Safetensors | FileKind::LfsPointer | FileKind::Utf16 | FileKind::MarkedText => {
                return None;
            }
            FileKind::Matlab | FileKind::Parquet | FileKind::Picture | FileKind::Pdf => return None,
        })
    }

    /// The problem of a safetensors file whose length is not the one that it states.
    fn damaged(&self, path: &Path) -> Option<String> {
        let header = u64::from_le_bytes(self.bytes.get(..8)?.try_into().ok()?);
        if self.bytes.get(8) != Some(&b'{') || header > LONGEST_HEADER {
            return None;
        }
        let data = 8 + header;
        if self.length < data {
            return Some(cut(self.length, data, "of its header alone"));
        }
        let mut text = Vec::new();
        File::open(path).ok()?.take(data).read_to_end(&mut text).ok()?;
        let Value::Object(tensors) = serde_json::from_slice(text.get(8..)?).ok()? else { return None };
        let end = |tensor: &Value| tensor["data_offsets"][1].as_u64();
        let whole = data.checked_add(tensors.values().filter_map(end).max()?)?;
        match self.length.checked_sub(whole) {
            None => Some(cut(self.length, whole, "")),
            Some(0) => None,
            Some(more) => {
                Some(format!("{more} bytes longer than its header says, so it was damaged; {AGAIN}"))
            }
        }
    }

    /// Describes a text message in place of the file.
    fn text(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.bytes).ok()?.trim();
        let is_plain = text.chars().all(|c| !c.is_control() || c.is_whitespace());
        let said = format!("a text, not weights: {:?}", excerpt(text));
        (is_plain && self.length < HEAD).then(|| format!("{said}; {AGAIN}"))
    }

    /// Describes a text in an encoding that JSON does not allow.
    fn wide_text(&self) -> Option<String> {
        let what = match FileKind::of(&self.bytes)? {
            FileKind::Utf16 => "a text in UTF-16",
            FileKind::MarkedText => "begins with a byte order mark",
            _ => return None,
        };
        Some(format!("{what}, expected UTF-8 without a mark: save it so in an editor"))
    }
}

/// Describes a Git-LFS pointer, with the size of the file that it stands for.
fn pointer(text: &str) -> String {
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).unwrap_or("some");
    format!(
        "a Git-LFS pointer: a note that stands for {} bytes, not the file itself; run `git lfs pull` in its \
         folder, or {AGAIN}",
        excerpt(size)
    )
}

fn cut(length: u64, whole: u64, of: &str) -> String {
    let space = if of.is_empty() { "" } else { " " };
    format!(
        "cut short: it has {length} bytes of {whole}{space}{of}, as where a download stopped early; {AGAIN}"
    )
}
