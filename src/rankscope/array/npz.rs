//! numpy's `.npz`: a zip archive of `.npy` files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;

use super::file::Entry;
use super::header::{Content, Header};
use super::npy::{self, Place};
use super::{Array, form};
use crate::error::{Error, Result};

/// An open archive.
pub(super) struct Npz(ZipArchive<BufReader<File>>);

/// The name of an array: that of its file without `.npy`.
fn array_name(file: &str) -> &str {
    file.strip_suffix(".npy").unwrap_or(file)
}

fn name_of(file: &ZipFile<'_, BufReader<File>>) -> String {
    String::from_utf8_lossy(file.name_raw()).into_owned()
}

impl Npz {
    pub fn open(path: &Path, file: File) -> Result<Self> {
        let archive = ZipArchive::new(BufReader::new(file));
        let archive = archive.map_err(|error| Error::format(path, format!("not an .npz file: {error}")))?;
        if archive.file_names_raw().any(|name| name.ends_with(b"data.pkl")) {
            let what = "is a file of torch.save: a pickle, which is never executed";
            return Err(Error::format(path, format!("{what}; {}", form::SAVE)));
        }
        Ok(Npz(archive))
    }

    /// The arrays of the archive, in the file's order.
    pub fn entries(&mut self, path: &Path) -> Result<Vec<Entry>> {
        (0..self.0.len()).map(|index| self.entry(path, index)).collect()
    }

    fn entry(&mut self, path: &Path, index: usize) -> Result<Entry> {
        let mut file = self.file(path, index)?;
        let name = name_of(&file);
        if !name.ends_with(".npy") {
            let content = Content::Other("not an array".into());
            return Ok(Entry { name, index, content, shape: Vec::new() });
        }
        let header = npy::header(Place { path, name: Some(array_name(&name)) }, &mut file)?;
        Ok(Entry { name: array_name(&name).to_owned(), index, content: header.content, shape: header.shape })
    }

    fn file(&mut self, path: &Path, index: usize) -> Result<ZipFile<'_, BufReader<File>>> {
        self.0.by_index(index).map_err(|error| Error::format(path, format!("file {index} in it: {error}")))
    }

    /// Calls `read` on the `.npy` file at `index`, after its header.
    fn with<T>(
        &mut self,
        path: &Path,
        index: usize,
        read: impl FnOnce(Place<'_>, &str, &Header, ZipFile<'_, BufReader<File>>) -> Result<T>,
    ) -> Result<T> {
        let mut file = self.file(path, index)?;
        let name = array_name(&name_of(&file)).to_owned();
        let place = Place { path, name: Some(&name) };
        let header = npy::header(place, &mut file)?;
        read(place, &name, &header, file)
    }

    pub fn array(&mut self, path: &Path, index: usize) -> Result<Array> {
        self.with(path, index, |place, name, header, file| npy::array(place, name, header, file))
    }

    /// The strings of an array of text.
    pub fn strings(&mut self, path: &Path, index: usize) -> Result<Vec<String>> {
        self.with(path, index, |place, _, header, file| npy::strings(place, header, file))
    }
}
