//! Matrices from numpy's `.npy` files.
//!
//! Eight bytes of magic and version, the length of the header (two bytes in version 1, four from 2 on), a
//! Python dictionary of `descr`, `fortran_order` and `shape`, then the numbers. The header is read by a
//! scanner for just that dictionary: it takes linear time and no stack, whatever the file holds, and
//! memory grows with the bytes that are there, never with those that a header promises.
//!
//! **Source**: numpy.lib.format, versions 1 to 3.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array2, ShapeBuilder};

use crate::error::{Error, Result, excerpt};

/// The longest header that numpy itself takes from a file that it was not told to trust.
const MAX_HEADER_BYTES: usize = 10_000;

/// The matrix in the file `path`, of f32 or f64 in either byte order, by rows or by columns.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Format`] if it is no `.npy` file, of other numbers,
/// not a matrix, empty, cut off or too long.
pub fn read(path: &Path) -> Result<Array2<f64>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    read_from(path, BufReader::new(file))
}

/// The matrix that `reader` gives, as [`read`]; errors name `path`.
///
/// # Errors
/// As [`read`].
///
/// ```
/// use rankscope::rank::npy;
/// let header = b"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }\n";
/// let mut file = b"\x93NUMPY\x01\x00".to_vec();
/// file.extend((header.len() as u16).to_le_bytes());
/// file.extend(header);
/// file.extend([0.5f32, 2.0].iter().flat_map(|number| number.to_le_bytes()));
/// assert_eq!(npy::read_from("two.npy".as_ref(), &file[..])?, ndarray::array![[0.5, 2.0]]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn read_from(path: &Path, mut reader: impl Read) -> Result<Array2<f64>> {
    let wrong = |problem: String| Error::format(path, problem);
    let mut take = |size: usize| {
        let mut bytes = Vec::new();
        reader.by_ref().take(size as u64).read_to_end(&mut bytes).map_err(|error| Error::io(path, error))?;
        Ok::<_, Error>(bytes)
    };
    let length_bytes = match take(8)?[..] {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 2,
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => 4,
        _ => return Err(wrong("not a .npy file: it does not start as one of version 1, 2 or 3 does".into())),
    };
    let length = take(length_bytes)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if length > MAX_HEADER_BYTES {
        let problem = format!("a header of {length} bytes, expected at most {MAX_HEADER_BYTES}");
        return Err(wrong(format!("not a .npy file: {problem}")));
    }
    let header = take(length)?;
    let text = String::from_utf8_lossy(&header);
    let header = Header::parse(&text).ok_or_else(|| {
        wrong(format!("not a .npy file of one matrix: its header is {}", excerpt(text.trim())))
    })?;
    let (float, [rows, columns]) = (header.float().map_err(wrong)?, header.sizes().map_err(wrong)?);
    let count = rows.checked_mul(columns).filter(|&count| count <= isize::MAX as usize / 8);
    let Some(count) = count else {
        return Err(wrong(format!("the matrix is {rows} x {columns}, more than fits in memory")));
    };
    let size = count * float.size_bytes();
    let bytes = take(size)?;
    if bytes.len() < size {
        let got = bytes.len();
        return Err(wrong(format!("the file is cut off: {got} bytes of {size} for {count} numbers")));
    }
    if !take(1)?.is_empty() {
        return Err(wrong(format!("the file goes on after the {count} numbers that its header tells of")));
    }
    let shape = (rows, columns).set_f(header.column_major);
    Ok(Array2::from_shape_vec(shape, float.values(&bytes)).expect("as many numbers as the shape has"))
}

#[derive(Clone, Copy)]
enum Float {
    F32 { big_endian: bool },
    F64 { big_endian: bool },
}

impl Float {
    fn size_bytes(self) -> usize {
        match self {
            Float::F32 { .. } => 4,
            Float::F64 { .. } => 8,
        }
    }

    fn values(self, bytes: &[u8]) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
        }
        match self {
            Float::F32 { big_endian: false } => each(bytes, |bytes| f32::from_le_bytes(bytes).into()),
            Float::F32 { big_endian: true } => each(bytes, |bytes| f32::from_be_bytes(bytes).into()),
            Float::F64 { big_endian: false } => each(bytes, f64::from_le_bytes),
            Float::F64 { big_endian: true } => each(bytes, f64::from_be_bytes),
        }
    }
}

/// What the dictionary says.
struct Header<'a> {
    descr: &'a str,
    column_major: bool,
    shape: Vec<usize>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (mut descr, mut column_major, mut shape) = (None, None, None);
        let mut scanner = Scanner(text);
        scanner.sign("{")?;
        while scanner.sign("}").is_none() {
            let key = scanner.quoted()?;
            scanner.sign(":")?;
            match key {
                "descr" => descr = Some(scanner.quoted()?),
                "fortran_order" => column_major = Some(scanner.boolean()?),
                "shape" => shape = Some(scanner.numbers()?),
                _ => return None,
            }
            if scanner.sign(",").is_none() {
                scanner.sign("}")?;
                break;
            }
        }
        let header = Header { descr: descr?, column_major: column_major?, shape: shape? };
        scanner.0.trim().is_empty().then_some(header)
    }

    fn float(&self) -> Result<Float, String> {
        match self.descr {
            "<f4" => Ok(Float::F32 { big_endian: false }),
            ">f4" => Ok(Float::F32 { big_endian: true }),
            "<f8" => Ok(Float::F64 { big_endian: false }),
            ">f8" => Ok(Float::F64 { big_endian: true }),
            found => Err(format!("numbers of type {}, expected f32 ('<f4') or f64 ('<f8')", excerpt(found))),
        }
    }

    /// Rows and columns.
    fn sizes(&self) -> Result<[usize; 2], String> {
        match self.shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
            [rows, columns] => {
                Err(format!("the matrix is {rows} x {columns}, expected at least one row and one column"))
            }
            _ => Err(format!("an array of {} dimensions, expected a matrix (2)", self.shape.len())),
        }
    }
}

/// What is left of the text; every step skips white space first.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(sign)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quote = if self.sign("'").is_some() { '\'' } else { self.sign("\"").map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.sign("True").map(|()| true).or_else(|| self.sign("False").map(|()| false))
    }

    /// `(3, 4)`, `(3,)` or `()`.
    fn numbers(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::new();
        self.sign("(")?;
        while self.sign(")").is_none() {
            let rest = self.0.trim_start();
            let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            numbers.push(digits.parse().ok()?);
            self.0 = rest;
            if self.sign(",").is_none() {
                self.sign(")")?;
                break;
            }
        }
        Some(numbers)
    }
}
