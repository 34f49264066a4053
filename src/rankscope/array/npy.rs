//! numpy's `.npy`: eight bytes of magic and version, the length of the header (two bytes in version 1, four from
//! 2 on), a Python dictionary, then the numbers. Memory is allocated for the bytes that are there, not for those that
//! the header promises.
//!
//! **Source**: numpy.lib.format, versions 1 to 3.

use std::io::Read;
use std::path::Path;

use ndarray::Dimension;

use super::Array;
use super::header::{Content, Header};
use crate::error::{Error, Result, excerpt};

/// The longest header that numpy accepts from a file that it does not trust.
const MAX_HEADER_BYTES: usize = 10_000;

/// A file, or an array inside one, as errors name it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub path: &'a Path,
    /// The array in it, where it has several.
    pub name: Option<&'a str>,
}

impl Place<'_> {
    pub fn wrong(&self, problem: impl ToString) -> Error {
        match self.name {
            Some(name) => Error::format(self.path, format!("{}: {}", excerpt(name), problem.to_string())),
            None => Error::format(self.path, problem),
        }
    }

    /// At most `size` bytes.
    pub fn take(&self, reader: &mut impl Read, size: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match reader.take(size as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            // An error inside an archive means that a compressed part is damaged.
            Err(error) if self.name.is_some() => Err(self.wrong(error)),
            Err(error) => Err(Error::io(self.path, error)),
        }
    }
}

/// The bytes of a `.npy` file of version 1, row by row, in little-endian f64.
///
/// ```
/// let bytes = rankscope::array::to_npy(&ndarray::array![[1.0, 0.5]]);
/// assert_eq!((&bytes[1..6], bytes.len()), (&b"NUMPY"[..], 128 + 16));
/// ```
pub fn to_npy<D: Dimension>(array: &ndarray::Array<f64, D>) -> Vec<u8> {
    let sides: Vec<String> = array.shape().iter().map(usize::to_string).collect();
    let comma = if sides.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", sides.join(", "));
    let dictionary = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, version, length and header together are 128 bytes, a multiple of 64; two of the longest sides leave room.
    let header = format!("{dictionary:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(array.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The array that `reader` gives, called `name`.
pub(crate) fn read(path: &Path, name: &str, mut reader: impl Read) -> Result<Array> {
    let place = Place { path, name: None };
    let header = header(place, &mut reader)?;
    array(place, name, &header, reader)
}

/// Reads the header at the start of `reader`; the numbers come next.
pub(super) fn header(place: Place<'_>, reader: &mut impl Read) -> Result<Header> {
    let length_bytes = match place.take(reader, 8)?[..] {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 2,
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => 4,
        _ => {
            return Err(place.wrong("not a .npy file: it does not start as one of version 1, 2 or 3 does"));
        }
    };
    let length = place.take(reader, length_bytes)?;
    let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if length > MAX_HEADER_BYTES {
        let problem = format!("a header of {length} bytes, expected at most {MAX_HEADER_BYTES}");
        return Err(place.wrong(format!("not a .npy file: {problem}")));
    }
    let bytes = place.take(reader, length)?;
    let text = String::from_utf8_lossy(&bytes);
    let problem = || place.wrong(format!("not a .npy file: its header is {}", excerpt(text.trim())));
    Header::parse(&text).ok_or_else(problem)
}

/// The numbers after `header`, to the end of `reader`.
pub(super) fn array(place: Place<'_>, name: &str, header: &Header, reader: impl Read) -> Result<Array> {
    let number = match &header.content {
        Content::Numbers(number) => *number,
        Content::Text { .. } => return Err(place.wrong("text, expected numbers")),
        Content::Other(problem) => return Err(place.wrong(problem)),
    };
    let bytes = elements(place, header, number.size_bytes(), number.size_bytes(), reader)?;
    match number.problem(&bytes) {
        Some(problem) => Err(place.wrong(problem)),
        None => {
            let (name, shape, column_major) = (name.to_owned(), header.shape.clone(), header.column_major);
            Ok(Array { name, number, shape, column_major, bytes })
        }
    }
}

/// The strings after `header`, in the order of the file, without the zeros that pad them.
pub(super) fn strings(place: Place<'_>, header: &Header, reader: impl Read) -> Result<Vec<String>> {
    let Content::Text { characters, unicode } = header.content else {
        return Err(place.wrong("expected text"));
    };
    let unit = if unicode { 4 } else { 1 };
    let size = characters.checked_mul(unit).filter(|&size| size > 0);
    let size = size.ok_or_else(|| place.wrong("text without characters, or of too many"))?;
    let bytes = elements(place, header, size, unit, reader)?;
    let read = |bytes: &[u8]| {
        let text: String = match unicode {
            true => bytes.as_chunks().0.iter().map(|&unit| letter(u32::from_le_bytes(unit))).collect(),
            false => String::from_utf8_lossy(bytes).into_owned(),
        };
        text.trim_end_matches('\0').to_owned()
    };
    Ok(bytes.chunks_exact(size).map(read).collect())
}

fn letter(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes of all elements of `size` bytes each, in little-endian order; an error if more bytes follow.
fn elements(
    place: Place<'_>,
    header: &Header,
    size: usize,
    unit: usize,
    mut reader: impl Read,
) -> Result<Vec<u8>> {
    let count = header.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    let total =
        count.and_then(|count| count.checked_mul(size)).filter(|&total| total <= isize::MAX as usize / 8);
    let (Some(count), Some(total)) = (count, total) else {
        return Err(place.wrong(format!("the array is {:?}, more than fits in memory", header.shape)));
    };
    let mut bytes = place.take(&mut reader, total)?;
    if bytes.len() < total {
        let got = bytes.len();
        return Err(place.wrong(format!("the file is cut off: {got} bytes of {total} for {count} entries")));
    }
    if !place.take(&mut reader, 1)?.is_empty() {
        let problem = format!("the file goes on after the {count} entries that its header tells of");
        return Err(place.wrong(problem));
    }
    if header.big_endian {
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    Ok(bytes)
}
