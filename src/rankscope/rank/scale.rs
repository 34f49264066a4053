//! Powers of two that bring numbers near one: this scaling is exact, and makes a rank independent of units.

use ndarray::{Array2, ArrayView2};

/// `matrix` divided by 2ᵏ, so that its largest magnitude lies from ½ to 1, and k; k = 0 for a zero matrix.
///
/// Only digits of entries more than 2⁻¹⁰²² times smaller than the largest can be lost.
pub(super) fn near_one(matrix: ArrayView2<f64>) -> (Array2<f64>, i32) {
    let exponent = exponent(matrix.iter());
    (matrix.mapv(|entry| libm::scalbn(entry, -exponent)), exponent)
}

/// Divides each line of `size` entries by a power of two, as [`near_one`] does, and returns the sum of the powers.
pub(super) fn lines_near_one(entries: &mut [f64], size: usize) -> i64 {
    let scale = |line: &mut [f64]| {
        let exponent = exponent(line.iter());
        line.iter_mut().for_each(|entry| *entry = libm::scalbn(*entry, -exponent));
        i64::from(exponent)
    };
    entries.chunks_mut(size.max(1)).map(scale).sum()
}

/// The k for which the largest magnitude is from ½ · 2ᵏ to 2ᵏ; 0 where all are zero.
pub(super) fn exponent<'a>(entries: impl Iterator<Item = &'a f64>) -> i32 {
    libm::frexp(entries.fold(0.0f64, |largest, entry| largest.max(entry.abs()))).1
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_largest_comes_between_a_half_and_one_and_nothing_is_rounded() {
        for (matrix, exponent) in
            [(array![[3.0, -0.5]], 2), (array![[f64::MAX, 1.0]], 1024), (array![[5e-324, 0.0]], -1073)]
        {
            let (scaled, k) = near_one(matrix.view());
            assert_eq!(k, exponent);
            assert!(scaled.iter().any(|entry| (0.5..1.0).contains(&entry.abs())), "{scaled}");
            assert_eq!(scaled.mapv(|entry| libm::scalbn(entry, k)), matrix);
        }
        assert_eq!(near_one(array![[0.0, -0.0]].view()).1, 0);
        let mut lines = [4.0, 1.0, 0.0, 0.0, 1e-310, 2e-310];
        assert_eq!(lines_near_one(&mut lines, 2), 3 + i64::from(exponent([2e-310].iter())));
        assert_eq!(lines[..4], [0.5, 0.125, 0.0, 0.0]);
    }
}
