//! Ranks of the blocks below the diagonal: the information that passes from earlier positions to later ones.

use ndarray::{ArrayView2, s};

use super::decompose::check_square;
use super::{Spectrum, Tolerance};
use crate::error::{Error, Result};

/// The numerical rank of the block A\[i.., ..i\] for each i of `cuts`.
///
/// The block is the part of the weights by which the first i positions act on the later ones; its rank is at most
/// min(i, N − i). Where the weights below the diagonal come from a recurrent state of D numbers for each channel of the
/// values, as in linear attention or a state-space model, every such block is a product of an (N − i) × D and a D × i
/// matrix, so its rank is at most D: the matrix is semiseparable. The rank of the whole matrix does not show this,
/// because the diagonal alone can make it N.
///
/// **Shapes**: `matrix` A `[N, N]`; a rank for each cut, in the order of `cuts`.
///
/// # Errors
/// [`Error::Invalid`] for a matrix that is not square, a cut outside 1 … N − 1, or a NaN or infinite entry;
/// [`Error::Numeric`] where the decomposition does not converge.
///
/// **Source**: Dao & Gu 2024 (arXiv 2405.21060), on semiseparable matrices.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::{Tolerance, block_ranks};
/// // Below the diagonal all entries are products uₜ vₛ; the diagonal is anything.
/// let one_number = array![[7.0, 0.0, 0.0], [2.0, 7.0, 0.0], [4.0, 3.0, 7.0]];
/// assert_eq!(block_ranks(one_number.view(), &[1, 2], Tolerance::F64)?, [1, 1]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn block_ranks(matrix: ArrayView2<f64>, cuts: &[usize], tolerance: Tolerance) -> Result<Vec<usize>> {
    check_square(matrix)?;
    let rows = matrix.nrows();
    let rank = |&cut: &usize| {
        if cut == 0 || cut >= rows {
            return Err(Error::invalid("cut", cut, format!("1 to {}", rows.saturating_sub(1))));
        }
        Ok(Spectrum::of(matrix.slice(s![cut.., ..cut]))?.numerical_rank(tolerance))
    };
    cuts.iter().map(rank).collect()
}

/// The largest numerical rank, at the tolerance of f64, of the blocks A\[i.., ..i\] for the i of `cuts`; 0 without
/// cuts. See [`block_ranks`].
///
/// # Errors
/// As [`block_ranks`].
///
/// ```
/// use ndarray::Array2;
/// use rankscope::rank::largest_block_rank;
/// // The identity has full rank and passes nothing on.
/// assert_eq!(largest_block_rank(Array2::eye(4).view(), &[1, 2, 3])?, 0);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn largest_block_rank(matrix: ArrayView2<f64>, cuts: &[usize]) -> Result<usize> {
    Ok(block_ranks(matrix, cuts, Tolerance::F64)?.into_iter().max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    /// Below the diagonal the entries are uₜ·vₛ with two numbers for each position; the other entries are not read.
    #[test]
    fn products_of_two_numbers_give_blocks_of_rank_two() {
        let n = 9;
        let (u, v) = (|t: usize| [1.0, (t * t) as f64], |s: usize| [(s + 1) as f64, 1.0 / (s + 2) as f64]);
        let matrix = Array2::from_shape_fn((n, n), |(t, s)| {
            if s < t { u(t)[0] * v(s)[0] + u(t)[1] * v(s)[1] } else { ((5 * t + 3 * s * s) % 11) as f64 }
        });
        assert_eq!(block_ranks(matrix.view(), &[1, 2, 5, 7, 8], Tolerance::F64).unwrap(), [1, 2, 2, 2, 1]);
        assert_eq!(largest_block_rank(matrix.view(), &[8, 4]).unwrap(), 2);
        assert_eq!(largest_block_rank(matrix.view(), &[]).unwrap(), 0);
        let shift = Array2::from_shape_fn((n, n), |(t, s)| f64::from(u8::from(t == s + 4)));
        assert_eq!(block_ranks(shift.view(), &[1, 3, 4, 5, 6], Tolerance::F64).unwrap(), [1, 3, 4, 4, 3]);
    }

    #[test]
    fn what_is_no_block_below_the_diagonal_is_named() {
        let of =
            |matrix: &Array2<f64>, cut| largest_block_rank(matrix.view(), &[cut]).unwrap_err().to_string();
        let eye = Array2::eye(3);
        assert_eq!(of(&eye, 0), "cut is 0, expected 1 to 2");
        assert_eq!(of(&eye, 3), "cut is 3, expected 1 to 2");
        assert_eq!(of(&array![[1.0, 2.0]], 1), "matrix is 1 × 2, expected a square one");
        assert!(of(&array![[1.0, 0.0], [f64::NAN, 1.0]], 1).starts_with("matrix entry (0, 0) is NaN"));
    }
}
