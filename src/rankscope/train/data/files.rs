//! Text files as one text, which is never completely in memory.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The number of bytes that are read at a time when a whole file is read.
const CHUNK: usize = 1 << 16;

/// Files in UTF-8, one after the other.
pub(super) struct Files {
    /// The file or the folder that was named.
    pub(super) path: PathBuf,
    /// Every file and the place where it ends in the whole text.
    parts: Vec<(PathBuf, u64)>,
    /// Files of the folder that are not text, and the reason.
    pub(super) left_out: Vec<(PathBuf, String)>,
}

impl Files {
    /// A file, or all text files in a folder and the folders in it, in the order of their paths.
    ///
    /// **Conventions**: in a folder, files that are empty or not UTF-8, and names that begin with a dot, are left out.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be read; [`Error::Format`] for a file that is empty or not text, naming the
    /// first byte that is not UTF-8, and for a folder without text.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut files = Files { path: path.to_owned(), parts: Vec::new(), left_out: Vec::new() };
        if !path.is_dir() {
            let length = check(path)?.map_err(|problem| Error::format(path, problem))?;
            files.parts.push((path.to_owned(), length));
            return Ok(files);
        }
        let mut found = Vec::new();
        collect(path, &mut found)?;
        found.sort();
        for file in &found {
            match check(file)? {
                Ok(length) => files.parts.push((file.clone(), files.len() + length)),
                Err(problem) => files.left_out.push((file.clone(), problem)),
            }
        }
        match (found.len(), files.parts.len()) {
            (0, _) => Err(Error::format(path, "no file is in this folder, expected texts in UTF-8")),
            (all, 0) => {
                Err(Error::format(path, format!("none of the {all} files in this folder is a text in UTF-8")))
            }
            _ => Ok(files),
        }
    }

    /// The number of bytes of all files.
    pub(super) fn len(&self) -> u64 {
        self.parts.last().map_or(0, |(_, end)| *end)
    }

    /// The bytes in `range`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] for a file that has changed since it was opened.
    pub(super) fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let mut filled = 0;
        let first = self.parts.partition_point(|(_, end)| *end <= range.start);
        for (index, (path, end)) in self.parts.iter().enumerate().skip(first) {
            let here = range.start + filled as u64;
            if here >= range.end {
                break;
            }
            let start = if index == 0 { 0 } else { self.parts[index - 1].1 };
            let count = (range.end.min(*end) - here) as usize;
            let mut read = || {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(here - start))?;
                file.read_exact(&mut bytes[filled..filled + count])
            };
            read().map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => changed(path),
                _ => Error::io(path, error),
            })?;
            filled += count;
        }
        Ok(bytes)
    }

    /// The complete characters in `range`, which must begin at the start of a character.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn text(&self, range: Range<u64>) -> Result<String> {
        let mut bytes = self.read(range)?;
        let whole = whole_characters(&bytes).map_err(|_| changed(&self.path))?;
        bytes.truncate(whole);
        String::from_utf8(bytes).map_err(|_| changed(&self.path))
    }

    /// The first byte of the character that byte `at` belongs to. The search ends at `least`, where a character begins.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn character(&self, at: u64, least: u64) -> Result<u64> {
        let from = at.saturating_sub(3).max(least);
        let bytes = self.read(from..at + 1)?;
        let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
        Ok(from + bytes.iter().rposition(is_start).ok_or_else(|| changed(&self.path))? as u64)
    }
}

/// The error for a file that has changed.
fn changed(path: &Path) -> Error {
    Error::format(path, "has changed since it was opened; texts must stay as they are while they are read")
}

/// How many of the bytes are complete characters, or as the error the first byte that belongs to no character.
fn whole_characters(bytes: &[u8]) -> Result<usize, usize> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(error) => Err(error.valid_up_to()),
    }
}

/// All files in a folder and the folders in it.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::io(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a folder is not followed, since links may form a circle.
        if kind.is_dir() {
            collect(&path, found)?;
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// The length of a file, or the reason why it is not text.
fn check(path: &Path) -> Result<Result<u64, String>> {
    let failed = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut buffer, mut kept, mut length) = (vec![0; CHUNK], 0, 0u64);
    loop {
        let count = file.read(&mut buffer[kept..]).map_err(failed)?;
        let bytes = &buffer[..kept + count];
        let no_text = |at: usize, what: &str| {
            Ok(Err(format!("byte {} {what}; expected a text in UTF-8", length + at as u64)))
        };
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            return no_text(at, "is 0");
        }
        let whole = match whole_characters(bytes) {
            Ok(whole) => whole,
            Err(at) => return no_text(at, "is no character"),
        };
        if count == 0 {
            return match (whole == bytes.len(), length) {
                (false, _) => no_text(0, "is half a character"),
                (true, 0) => Ok(Err("is empty; expected a text in UTF-8".to_owned())),
                (true, length) => Ok(Ok(length)),
            };
        }
        kept = bytes.len() - whole;
        length += whole as u64;
        buffer.copy_within(whole..whole + kept, 0);
    }
}
