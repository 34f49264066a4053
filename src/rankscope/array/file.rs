//! [`ArrayFile`]: lists the arrays in a file and reads them one at a time.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::form::{Form, form};
use super::header::Content;
use super::npy::{self, Place};
use super::npz::Npz;
use super::table::{self, Table};
use super::tensors::Tensors;
use super::{Array, listed};
use crate::error::{Error, Result, excerpt};

/// An open file with arrays in it.
pub struct ArrayFile {
    path: PathBuf,
    source: Source,
    entries: Vec<Entry>,
}

enum Source {
    Npy(BufReader<File>),
    Npz(Box<Npz>),
    Tensors(Box<Tensors>),
    Table(Box<Table>),
}

/// An array in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) name: String,
    /// Its place in the file.
    pub(super) index: usize,
    pub(super) content: Content,
    pub(super) shape: Vec<usize>,
}

impl Entry {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether it holds real numbers, and if so, whether they are fractions.
    pub fn is_float(&self) -> Option<bool> {
        match &self.content {
            Content::Numbers(number) => Some(number.is_float()),
            _ => None,
        }
    }

    /// Whether it holds text.
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text { .. })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Numbers(number) => write!(f, "{} ({number} {:?})", self.name, self.shape),
            Content::Text { .. } => write!(f, "{} (text {:?})", self.name, self.shape),
            Content::Other(_) => write!(f, "{} (no numbers)", self.name),
        }
    }
}

impl ArrayFile {
    /// Opens a file and lists its arrays; [`load`](Self::load) reads the numbers.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Format`] if it is damaged or of another format, with the problem.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let mut file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if about.is_dir() {
            return Err(Error::format(path, "is a folder, expected a file"));
        }
        let start = Place { path, name: None }.take(&mut file, 64)?;
        file.rewind().map_err(io)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let form = form(&start, about.len()).map_err(|what| Error::format(path, what))?;
        let (source, entries) = match form {
            Form::Npy => {
                let mut reader = BufReader::new(file);
                let header = npy::header(Place { path, name: None }, &mut reader)?;
                reader.rewind().map_err(io)?;
                let entry = Entry { name: stem, index: 0, content: header.content, shape: header.shape };
                (Source::Npy(reader), vec![entry])
            }
            Form::Zip => {
                let mut npz = Npz::open(path, file)?;
                let entries = npz.entries(path)?;
                (Source::Npz(Box::new(npz)), entries)
            }
            Form::Safetensors => {
                let tensors = Tensors::open(path, file, about.len())?;
                let entries = tensors.entries();
                (Source::Tensors(Box::new(tensors)), entries)
            }
            Form::Table => {
                let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
                if matches!(ending, "npy" | "npz" | "safetensors") {
                    let problem = format!("is not a .{ending} file, as it is called, but text");
                    return Err(Error::format(path, problem));
                }
                let mut text = String::new();
                let not_text = |_| Error::format(path, "is not text in UTF-8, expected a table of numbers");
                file.read_to_string(&mut text).map_err(not_text)?;
                let table = table::read(path, &stem, &text)?;
                let (content, shape) = (Content::Numbers(table.array.number()), table.array.shape().to_vec());
                (Source::Table(Box::new(table)), vec![Entry { name: stem, index: 0, content, shape }])
            }
        };
        Ok(ArrayFile { path: path.to_owned(), source, entries })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The arrays of the file, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads one array.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for an array of anything but real numbers, naming its content, or for a damaged
    /// file.
    pub fn load(&mut self, entry: &Entry) -> Result<Array> {
        if let Content::Other(problem) = &entry.content {
            let name = (self.entries.len() > 1).then_some(entry.name.as_str());
            return Err(Place { path: &self.path, name }.wrong(problem));
        }
        match &mut self.source {
            Source::Npy(reader) => {
                reader.rewind().map_err(|error| Error::io(&self.path, error))?;
                npy::read(&self.path, &entry.name, reader)
            }
            Source::Npz(npz) => npz.array(&self.path, entry.index),
            Source::Tensors(tensors) => tensors.array(&self.path, entry.index),
            Source::Table(table) => Ok(table.array.clone()),
        }
    }

    /// The array called `name`, or the only one there is.
    ///
    /// # Errors
    /// As [`load`](Self::load); [`Error::Format`] listing the arrays where `name` fits none of them, or is missing and
    /// there are several.
    pub fn one(&mut self, name: Option<&str>) -> Result<Array> {
        let entry = match (name, &self.entries[..]) {
            (None, [only]) => only.clone(),
            (None, []) => return Err(Error::format(&self.path, "holds no array")),
            (None, several) => {
                let problem =
                    format!("holds {} arrays; choose one by its name: {}", several.len(), listed(several));
                return Err(Error::format(&self.path, problem));
            }
            (Some(name), all) => match all.iter().find(|entry| entry.name == name) {
                Some(entry) => entry.clone(),
                None => {
                    let problem = format!("holds no array {}, but {}", excerpt(name), listed(all));
                    return Err(Error::format(&self.path, problem));
                }
            },
        };
        self.load(&entry)
    }

    /// The strings of the array of text called `name`; `None` if the file has no such array.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name == name && entry.is_text()) else {
            return Ok(None);
        };
        match &mut self.source {
            Source::Npz(npz) => npz.strings(&self.path, entry.index).map(Some),
            _ => Ok(None),
        }
    }

    /// The text that the file stores under `key` beside its arrays (a `.safetensors` file's metadata).
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.source {
            Source::Tensors(tensors) => tensors.texts()?.get(key).map(String::as_str),
            _ => None,
        }
    }

    /// The names of a table's rows and columns, where it has them.
    pub fn names(&self) -> (Option<&[String]>, Option<&[String]>) {
        match &self.source {
            Source::Table(table) => (table.rows.as_deref(), table.columns.as_deref()),
            _ => (None, None),
        }
    }
}
