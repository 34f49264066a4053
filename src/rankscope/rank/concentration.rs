//! How few columns hold most of a matrix, which shows attention sinks.

use ndarray::{ArrayView2, Axis};

use super::spectrum::fewest_reaching;

/// The fewest columns of `matrix` `[N, M]` that hold `fraction` of ‖A‖_F².
///
/// A head that looks only at the first token has one such column, whatever its exact rank.
///
/// # Conventions
/// A fraction outside 0 … 1 counts as the nearer limit; the result is 0 for a zero or empty matrix.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::columns_holding;
/// assert_eq!(columns_holding(array![[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]].view(), 0.9), 1);
/// ```
pub fn columns_holding(matrix: ArrayView2<f64>, fraction: f64) -> usize {
    let largest = matrix.iter().fold(0.0f64, |largest, entry| largest.max(entry.abs()));
    if largest == 0.0 {
        return 0;
    }
    let mass = |column: ndarray::ArrayView1<f64>| column.iter().map(|entry| (entry / largest).powi(2)).sum();
    let mut masses: Vec<f64> = matrix.axis_iter(Axis(1)).map(mass).collect();
    masses.sort_by(|a, b| b.total_cmp(a));
    fewest_reaching(&masses, fraction)
}
