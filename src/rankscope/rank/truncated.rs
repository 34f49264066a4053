//! The best approximation of a matrix by one of lower rank.

use ndarray::{Array2, ArrayView2, Axis};
use ndarray_linalg::{JobSvd, SVDDC};

use super::decompose::{check_finite, failed};
use crate::error::Result;

/// Aₖ = Σ_{i ≤ k} σᵢ uᵢ vᵢᵀ: the top `k` singular components of A, the nearest matrix of rank k or less.
///
/// **Shapes**: A and the result `[N, M]`; A itself for k ≥ min(N, M).
///
/// **Conventions**: for attention weights, Aₖ may have negative entries, rows that do not sum to 1, and entries where
/// the mask of A has zeros.
///
/// **Source**: Eckart & Young 1936.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a NaN or infinite entry, naming its position;
/// [`Error::Numeric`](crate::Error::Numeric) where the iteration does not converge.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::truncated;
/// let diagonal = array![[3.0, 0.0], [0.0, 4.0]];
/// let nearest = truncated(diagonal.view(), 1)?;
/// assert!((&nearest - &array![[0.0, 0.0], [0.0, 4.0]]).iter().all(|error| error.abs() < 1e-15));
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn truncated(matrix: ArrayView2<f64>, k: usize) -> Result<Array2<f64>> {
    check_finite(matrix)?;
    let (rows, cols) = matrix.dim();
    if k >= rows.min(cols) {
        return Ok(matrix.to_owned());
    }
    crate::blas::keep_to_one_thread();
    let (left, sigma, right) = matrix.svddc(JobSvd::Some).map_err(|error| failed(matrix, error))?;
    let (Some(mut left), Some(right)) = (left, right) else {
        return Err(failed(matrix, "no singular vectors"));
    };
    for (mut column, &sigma) in left.axis_iter_mut(Axis(1)).zip(&sigma) {
        column.mapv_inplace(|entry| entry * sigma);
    }
    Ok(left.slice(ndarray::s![.., ..k]).dot(&right.slice(ndarray::s![..k, ..])))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rank::{RankReport, Spectrum};

    /// A matrix without symmetry, so that axes swapped by mistake are noticed.
    fn matrix(rows: usize, cols: usize) -> Array2<f64> {
        Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 7 + j * 3 + i * j) % 11) as f64 - 4.0)
    }

    #[test]
    fn the_error_is_what_eckart_and_young_say_and_the_rank_is_k() {
        for (rows, cols) in [(5, 8), (8, 5), (6, 6)] {
            let a = matrix(rows, cols);
            let spectrum = Spectrum::of(a.view()).unwrap();
            for k in 1..rows.min(cols) {
                let nearest = truncated(a.view(), k).unwrap();
                let error = (&a - &nearest).mapv(|entry| entry * entry).sum().sqrt();
                let rest = spectrum.values()[k..].iter().map(|sigma| sigma * sigma).sum::<f64>().sqrt();
                assert!((error - rest).abs() < 1e-11, "{rows} × {cols}, {k}: {error} {rest}");
                let rank = RankReport::of(nearest.view(), None).unwrap().numerical_rank_f32;
                assert!(rank <= k, "{rank} > {k}");
            }
        }
    }

    #[test]
    fn none_and_all_of_the_components() {
        let a = matrix(4, 7);
        assert_eq!(truncated(a.view(), 0).unwrap(), Array2::<f64>::zeros((4, 7)));
        assert_eq!(truncated(a.view(), 4).unwrap(), a);
        let error = truncated(ndarray::array![[f64::NAN]].view(), 0).unwrap_err().to_string();
        assert!(error.contains("matrix entry (0, 0) is NaN"), "{error}");
    }
}
