//! [`Lens`]: one matrix, rounded to f16, f32 or f64.

use half::f16;
use lax::JobSvd;
use lax::layout::MatrixLayout;
use lax::svddc::{SvdDcWork, SvdDcWorkImpl};
use ndarray::{Array2, ArrayView2};

use super::decompose::{check_finite, failed};
use super::{Spectrum, Tolerance};
use crate::error::Result;

/// A number format to which a matrix is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lens {
    /// Half precision: 11 bits.
    F16,
    /// Single precision: 24 bits.
    F32,
    /// Double precision: 53 bits.
    F64,
}

impl Lens {
    /// All formats, from coarse to fine.
    pub const ALL: [Lens; 3] = [Lens::F16, Lens::F32, Lens::F64];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Lens::F16 => "f16",
            Lens::F32 => "f32",
            Lens::F64 => "f64",
        }
    }

    /// ε: the distance from 1 to the next number.
    pub fn epsilon(self) -> f64 {
        match self {
            Lens::F16 => f16::EPSILON.to_f64(),
            Lens::F32 => super::EPSILON_F32,
            Lens::F64 => super::EPSILON_F64,
        }
    }

    /// The matrix with each entry rounded to the nearest number of this format.
    ///
    /// ```
    /// use ndarray::array;
    /// use rankscope::rank::Lens;
    /// // The smallest positive f16 is 2⁻²⁴, near 6 · 10⁻⁸.
    /// assert_eq!(Lens::F16.round(array![[1.0, 1e-8]].view()), array![[1.0, 0.0]]);
    /// ```
    pub fn round(self, matrix: ArrayView2<f64>) -> Array2<f64> {
        match self {
            Lens::F16 => matrix.mapv(|entry| f16::from_f64(entry).to_f64()),
            Lens::F32 => matrix.mapv(|entry| f64::from(entry as f32)),
            Lens::F64 => matrix.to_owned(),
        }
    }

    /// The tolerance max(N, M) · ε · σ₁ of this format, for a matrix whose larger side is `size`.
    ///
    /// # Errors
    /// Does not occur for sizes that fit in memory.
    pub fn tolerance(self, size: usize) -> Result<Tolerance> {
        Tolerance::relative(size as f64 * self.epsilon())
    }
}

/// The singular values of `matrix` `[N, M]`, rounded to f32 and decomposed in f32 arithmetic.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a NaN or infinite entry, or one beyond f32;
/// [`Error::Numeric`](crate::Error::Numeric) where the iteration does not converge.
pub fn spectrum_in_f32(matrix: ArrayView2<f64>) -> Result<Spectrum> {
    let single = Lens::F32.round(matrix);
    check_finite(single.view())?;
    let (rows, cols) = matrix.dim();
    if matrix.is_empty() {
        return Spectrum::from_values(Vec::new(), rows, cols);
    }
    let mut entries: Vec<f32> = single.iter().map(|&entry| entry as f32).collect();
    let layout = MatrixLayout::C { row: rows as i32, lda: cols as i32 };
    let mut work = SvdDcWork::<f32>::new(layout, JobSvd::None).map_err(|error| failed(matrix, error))?;
    let values = work.calc(&mut entries).map_err(|error| failed(matrix, error))?;
    Spectrum::from_values(values.s.iter().map(|&sigma| f64::from(sigma)).collect(), rows, cols)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn each_format_sees_down_to_its_own_epsilon() {
        // σ = 1 and 10⁻⁵: within f32 and f64, beyond f16.
        let matrix = array![[1.0, 0.0], [0.0, 1e-5]];
        let rank = |lens: Lens| {
            let spectrum = Spectrum::of(lens.round(matrix.view()).view()).unwrap();
            spectrum.numerical_rank(lens.tolerance(2).unwrap())
        };
        assert_eq!(Lens::ALL.map(rank), [1, 2, 2]);
        assert_eq!(Lens::ALL.map(Lens::epsilon), [2f64.powi(-10), 2f64.powi(-23), 2f64.powi(-52)]);
    }

    #[test]
    fn f32_arithmetic_ends_where_its_rounding_starts() {
        let size = 40;
        let matrix = Array2::from_shape_fn((size, size + 1), |(row, col)| 1.0 / (row + col + 1) as f64);
        let (single, double) =
            (spectrum_in_f32(matrix.view()).unwrap(), Spectrum::of(matrix.view()).unwrap());
        assert!((single.values()[1] / double.values()[1] - 1.0).abs() < 1e-5);
        assert!(single.sigma_min().unwrap() > 1e-12 && double.sigma_min().unwrap() < 1e-15);
        assert!(spectrum_in_f32(array![[1e300]].view()).is_err());
    }
}
