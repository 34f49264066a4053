//! Arrays of numbers in files that people bring: numpy's `.npy` and `.npz`, `.safetensors`, tables of text.
//!
//! The first bytes of a file decide its format, not its name. [`ArrayFile::open`] lists what is in it,
//! [`ArrayFile::load`] reads one array, and [`Array::matrix`] gives one matrix of it in f64. Numbers stay in
//! the file's format until then, so that nothing is rounded on the way; where f64 cannot represent an entry, such as an
//! integer beyond 2⁵³, [`Array::rounded`] says so.

mod file;
mod form;
mod header;
mod npy;
#[cfg(test)]
mod npy_tests;
mod npz;
mod number;
mod table;
mod tensors;
#[cfg(test)]
pub(crate) mod tests;

use std::io::Read;
use std::path::Path;

use ndarray::Array2;

pub use file::{ArrayFile, Entry};
pub use npy::to_npy;
pub use number::Number;

use crate::error::{Error, Result, excerpt};

/// Real numbers of any format and shape.
///
/// ```
/// use rankscope::array::Array;
/// let array = Array::of_f64("a", &[2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// assert_eq!((array.matrices(), array.to_string()), (2, "f64 [2, 1, 3]".into()));
/// assert_eq!(array.matrix(1), ndarray::array![[4.0, 5.0, 6.0]]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    name: String,
    number: Number,
    shape: Vec<usize>,
    /// Whether the first index varies fastest (Fortran's order), not the last.
    column_major: bool,
    /// Little-endian, whatever byte order the file has.
    bytes: Vec<u8>,
}

/// How many entries of a matrix f64 cannot represent, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounded {
    /// Entries that were rounded.
    pub count: usize,
    /// Row and column of the first.
    pub place: (usize, usize),
    /// That entry as the file has it.
    pub value: String,
}

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rounded { count, place, value } = self;
        let entries = if *count == 1 { "1 entry is".to_owned() } else { format!("{count} entries are") };
        write!(f, "{entries} beyond the 53 bits of f64 and rounded, the first {value} at {place:?}")
    }
}

impl Array {
    /// An array of `values` in f64, in which the last index varies fastest; the sizes in `shape` multiply to the number
    /// of values.
    ///
    /// # Panics
    /// If `values` has another length.
    pub fn of_f64(name: impl ToString, shape: &[usize], values: &[f64]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "as many values as the shape has");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (name, shape) = (name.to_string(), shape.to_vec());
        Array { name, number: Number::F64, shape, column_major: false, bytes }
    }

    /// Its name in the file; for a file that is one array without a name, the file's name without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format of its numbers.
    pub fn number(&self) -> Number {
        self.number
    }

    /// Its sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Rows and columns of its matrices, over the last two indices; `None` below two dimensions.
    pub fn sides(&self) -> Option<(usize, usize)> {
        let [.., rows, cols] = self.shape[..] else { return None };
        Some((rows, cols))
    }

    /// How many matrices there are over the leading indices: 1 for a matrix, 0 below two dimensions.
    pub fn matrices(&self) -> usize {
        self.shape.len().checked_sub(2).map_or(0, |leading| self.shape[..leading].iter().product())
    }

    /// The leading indices of the matrix at flat position `index`: `[b, h]` for `[B, H, T, S]`.
    pub fn place(&self, mut index: usize) -> Vec<usize> {
        let leading = &self.shape[..self.shape.len().saturating_sub(2)];
        let mut place: Vec<usize> = Vec::with_capacity(leading.len());
        for size in leading.iter().rev().map(|&size| size.max(1)) {
            place.push(index % size);
            index /= size;
        }
        place.reverse();
        place
    }

    /// The matrix at flat position `index` over the leading indices, `[N, M]`, each entry the nearest f64.
    ///
    /// # Panics
    /// Where `index` is not below [`matrices`](Self::matrices).
    pub fn matrix(&self, index: usize) -> Array2<f64> {
        let sides = self.sides().expect("at least two dimensions");
        let values = self.number.values(&self.bytes_of(index));
        Array2::from_shape_vec(sides, values).expect("as many numbers as the shape has")
    }

    /// The entries of the matrix at `index` that f64 cannot represent; `None` if there are none.
    pub fn rounded(&self, index: usize) -> Option<Rounded> {
        if self.number.fits_f64() {
            return None;
        }
        let (_, cols) = self.sides()?;
        let bytes = self.bytes_of(index);
        let elements = bytes.chunks_exact(self.number.size_bytes()).enumerate();
        let mut lost = elements.filter_map(|(at, bytes)| Some((at, self.number.beyond_f64(bytes)?)));
        let (at, value) = lost.next()?;
        Some(Rounded { count: 1 + lost.count(), place: (at / cols, at % cols), value })
    }

    /// The bytes of one matrix, row by row.
    fn bytes_of(&self, index: usize) -> std::borrow::Cow<'_, [u8]> {
        let (rows, cols) = self.sides().expect("at least two dimensions");
        let size = self.number.size_bytes();
        if !self.column_major {
            let bytes = rows * cols * size;
            return self.bytes[index * bytes..(index + 1) * bytes].into();
        }
        let mut steps = Vec::with_capacity(self.shape.len());
        self.shape.iter().fold(1, |step, size| {
            steps.push(step);
            step * size
        });
        let [leading @ .., down, across] = &steps[..] else { unreachable!("at least two dimensions") };
        let first: usize = self.place(index).iter().zip(leading).map(|(index, step)| index * step).sum();
        let places = (0..rows).flat_map(|row| (0..cols).map(move |col| first + row * down + col * across));
        places.flat_map(|place| &self.bytes[place * size..(place + 1) * size]).copied().collect()
    }
}

/// Format and shape: `f32 [4, 7, 7]`.
impl std::fmt::Display for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.number, self.shape)
    }
}

/// The one matrix in the file `path`, in f64.
///
/// # Errors
/// As [`ArrayFile::open`] and [`ArrayFile::one`]; [`Error::Format`] for an array that is not a matrix.
pub fn read_matrix(path: &Path) -> Result<Array2<f64>> {
    let array = ArrayFile::open(path)?.one(None)?;
    only_matrix(path, &array)
}

/// The matrix that `reader` gives as a `.npy` file; errors name `path`.
///
/// # Errors
/// [`Error::Io`] if it cannot be read; [`Error::Format`] if it is no `.npy` file, not of real numbers, not a matrix,
/// empty, cut off or too long.
///
/// ```
/// use rankscope::array::read_matrix_from;
/// let header = b"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }\n";
/// let mut file = b"\x93NUMPY\x01\x00".to_vec();
/// file.extend((header.len() as u16).to_le_bytes());
/// file.extend(header);
/// file.extend([0.5f32, 2.0].iter().flat_map(|number| number.to_le_bytes()));
/// assert_eq!(read_matrix_from("two.npy".as_ref(), &file[..])?, ndarray::array![[0.5, 2.0]]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn read_matrix_from(path: &Path, reader: impl Read) -> Result<Array2<f64>> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    only_matrix(path, &npy::read(path, &name, reader)?)
}

/// The array as a single matrix.
fn only_matrix(path: &Path, array: &Array) -> Result<Array2<f64>> {
    expect_matrices(path, array)?;
    match array.shape.len() {
        2 => Ok(array.matrix(0)),
        _ => Err(Error::format(path, format!("an array of shape {:?}, expected a matrix (2)", array.shape))),
    }
}

/// An error unless there is at least one matrix with at least one entry.
///
/// # Errors
/// [`Error::Format`] naming the shape.
pub fn expect_matrices(path: &Path, array: &Array) -> Result<()> {
    let dimensions = array.shape.len();
    if dimensions < 2 {
        let hint = if dimensions == 1 { "; reshape it to one row or one column" } else { "" };
        let expected = format!("a matrix (2) or several ([…, n, m]){hint}");
        return Err(Error::format(path, format!("an array of {dimensions} dimensions, expected {expected}")));
    }
    if array.shape.contains(&0) {
        let problem =
            format!("an array of shape {:?}, expected at least one row and one column", array.shape);
        return Err(Error::format(path, problem));
    }
    Ok(())
}

/// A few names for an error message: `a (f32 [3, 4]), b (text)`.
fn listed<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut names: Vec<String> = entries.into_iter().map(excerpt).collect();
    let more = names.len().saturating_sub(8);
    names.truncate(8);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}
