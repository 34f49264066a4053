//! One matrix from a `.npy` file of numpy, or from any other reader; [`crate::array`] reads every form.

use std::io::Read;
use std::path::Path;

use ndarray::Array2;

use crate::array;
use crate::error::Result;

/// The matrix in the file `path`, of any form that [`crate::array`] reads.
///
/// # Errors
/// As [`array::read_matrix`].
pub fn read(path: &Path) -> Result<Array2<f64>> {
    array::read_matrix(path)
}

/// The matrix that `reader` gives as a `.npy` file; errors name `path`.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if it cannot be read; [`Error::Format`](crate::Error::Format) if it is no
/// `.npy` file, not of real numbers, not a matrix, empty, cut off or too long.
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
pub fn read_from(path: &Path, reader: impl Read) -> Result<Array2<f64>> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    array::only_matrix(path, &array::read_npy(path, &name, reader)?)
}
