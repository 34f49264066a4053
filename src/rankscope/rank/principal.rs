//! The rows of a matrix as points of a plane: principal component analysis.

use ndarray::{Array2, ArrayView2, Axis};
use ndarray_linalg::{Eigh, UPLO};

use super::decompose::{check_finite, failed};
use super::residual;
use super::scale::near_one;
use crate::error::Result;

/// The coordinates of a matrix's rows on their principal axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The coordinates of the rows minus their mean: one column for each axis, `[N, axes]`.
    pub points: Array2<f64>,
    /// The part of ‖res(X)‖²_F that lies along these axes, 0 … 1; 1 where all rows are the same.
    pub share: f64,
}

/// The rows of X minus their mean, projected on the `axes` directions along which they differ most.
///
/// With res(X) = U·Σ·Vᵀ the coordinates are the first columns of U·Σ. The share is Σσ² of these axes divided by Σσ² of
/// all.
///
/// **Shapes**: X `[N, M]`; the points `[N, axes]`, 0 on axes beyond min(N, M).
///
/// **Conventions**: the largest coordinate of each axis is positive. Computed from res(X)·res(X)ᵀ: an axis on which the
/// rows differ 10⁸ times less than on the first one is only rounding.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::principal;
/// // Minus the mean (3, 4): (−2, 0), (2, 0), (0, 1), (0, −1).
/// let found = principal(array![[1.0, 4.0], [5.0, 4.0], [3.0, 5.0], [3.0, 3.0]].view(), 1)?;
/// assert!((found.points[[0, 0]].abs() - 2.0).abs() < 1e-12 && found.points[[2, 0]].abs() < 1e-12);
/// assert!((found.share - 0.8).abs() < 1e-12); // 8 of 10
/// # Ok::<(), rankscope::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a NaN or infinite entry; [`Error::Numeric`](crate::Error::Numeric)
/// where the iteration does not converge.
pub fn principal(x: ArrayView2<f64>, axes: usize) -> Result<Principal> {
    check_finite(x)?;
    let (n, mut points) = (x.nrows(), Array2::zeros((x.nrows(), axes)));
    let (rows, exponent) = near_one(residual(x).view());
    let gram = rows.dot(&rows.t());
    if gram.iter().all(|&entry| entry == 0.0) {
        return Ok(Principal { points, share: 1.0 });
    }
    crate::blas::keep_to_one_thread();
    // The eigenvalues come in ascending order.
    let (values, vectors) = gram.eigh(UPLO::Lower).map_err(|error| failed(x, error))?;
    let squares = |index: usize| values[index].max(0.0);
    let mut along = 0.0;
    for axis in 0..axes.min(n) {
        let index = n - 1 - axis;
        let vector = vectors.index_axis(Axis(1), index);
        let largest = vector.iter().copied().fold(0.0f64, |a, b| if b.abs() > a.abs() { b } else { a });
        let size = squares(index).sqrt() * largest.signum();
        points.column_mut(axis).assign(&vector.mapv(|entry| libm::scalbn(entry * size, exponent)));
        along += squares(index);
    }
    Ok(Principal { points, share: along / (0..n).map(squares).sum::<f64>() })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::random::gaussian;

    /// All axes together are a rotation, which keeps distances.
    #[test]
    fn distances_between_rows_stay_on_all_axes_in_any_unit() {
        for unit in [1e-200, 1.0, 1e150] {
            let x = gaussian(7, 4, 3, 0) * unit + 0.5 * unit;
            let found = principal(x.view(), 4).unwrap();
            assert!((found.share - 1.0).abs() < 1e-12);
            for (i, j) in [(0, 1), (2, 6), (3, 5)] {
                let distance = |x: &Array2<f64>| {
                    let apart = (&x.row(i) - &x.row(j)) / unit;
                    apart.dot(&apart).sqrt()
                };
                assert!((distance(&found.points) / distance(&x) - 1.0).abs() < 1e-7);
            }
            let spread = |axis| found.points.column(axis).mapv(|c: f64| (c / unit).powi(2)).sum();
            assert!((1..4).all(|axis| spread(axis) <= spread(axis - 1)));
        }
    }

    #[test]
    fn equal_rows_are_at_the_origin_and_missing_axes_are_zero() {
        let same = principal(Array2::from_elem((3, 5), 0.25).view(), 2).unwrap();
        assert_eq!(same, Principal { points: Array2::zeros((3, 2)), share: 1.0 });
        let line = principal(array![[1.0], [3.0]].view(), 2).unwrap();
        assert!((line.points[[0, 0]].abs() - 1.0).abs() < 1e-12 && line.points[[0, 1]].abs() < 1e-7);
        let one = principal(array![[4.0, 2.0]].view(), 3).unwrap();
        assert_eq!(one.points, Array2::<f64>::zeros((1, 3)));
        assert!(principal(array![[f64::NAN, 1.0]].view(), 2).unwrap_err().to_string().contains("(0, 0)"));
    }
}
