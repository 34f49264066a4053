//! How far the rows of a matrix of hidden states are from being all equal.

use ndarray::{Array2, ArrayView2, Axis};

use super::scale::near_one;

/// res(X) = X − 1·x̄ᵀ: X with the mean of all rows subtracted from every row.
///
/// **Shapes**: X and the result `[N, M]`; in a model, tokens × width.
///
/// **Conventions**: the mean is the nearest common row in the Frobenius norm, not in [`one_infinity_norm`]; in practice
/// the mean is used.
///
/// **Source**: Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), section 2.
pub fn residual(x: ArrayView2<f64>) -> Array2<f64> {
    match x.mean_axis(Axis(0)) {
        Some(mean) => &x - &mean,
        None => x.to_owned(), // there are no rows, so there is no mean
    }
}

/// ‖X‖₁,∞ = √(‖X‖₁ · ‖X‖∞), with ‖X‖₁ the largest sum of magnitudes in a column and ‖X‖∞ that in a row.
///
/// **Shapes**: X `[N, M]`; 0 where it is empty.
///
/// **Source**: Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), section 2. (It is no norm in the strict
/// sense: the triangle inequality can fail.)
pub fn one_infinity_norm(x: ArrayView2<f64>) -> f64 {
    (largest_sum(x, Axis(1)) * largest_sum(x, Axis(0))).sqrt()
}

/// The largest sum of magnitudes in one line: a row for `axis` 0, a column for `axis` 1.
fn largest_sum(x: ArrayView2<f64>, axis: Axis) -> f64 {
    let sums = x.axis_iter(axis).map(|line| line.iter().map(|entry| entry.abs()).sum::<f64>());
    sums.fold(0.0, f64::max)
}

/// ‖res(X)‖₁,∞ / ‖X‖₁,∞: near 1 where rows differ freely, 0 where all are the same.
///
/// **Shapes**: X `[N, M]`; 0 where it is zero or empty.
///
/// **Conventions**: a ratio of about max(N, M)·ε cannot be told from 0, where ε is that of the arithmetic that computed
/// X, because the mean itself is rounded.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::residual_ratio;
/// assert_eq!(residual_ratio(array![[3.0, 4.0], [3.0, 4.0]].view()), 0.0);
/// // Minus the mean (3, 4): rows (−1, 0) and (1, 0). The ratio is √(2 · 1) / √(8 · 8).
/// let ratio = residual_ratio(array![[2.0, 4.0], [4.0, 4.0]].view());
/// assert!((ratio - (2.0f64 / 64.0).sqrt()).abs() < 1e-15);
/// ```
pub fn residual_ratio(x: ArrayView2<f64>) -> f64 {
    let (x, _) = near_one(x);
    match one_infinity_norm(x.view()) {
        0.0 => 0.0,
        whole => one_infinity_norm(residual(x.view()).view()) / whole,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn by_hand() {
        let x = array![[1.0, -2.0, 0.0], [3.0, 4.0, 0.0]];
        assert_eq!(residual(x.view()), array![[-1.0, -3.0, 0.0], [1.0, 3.0, 0.0]]);
        // Sums of columns: 4, 6, 0; of rows: 3, 7.
        assert_eq!(one_infinity_norm(x.view()), 42f64.sqrt());
        assert_eq!(one_infinity_norm(residual(x.view()).view()), 24f64.sqrt());
        for unit in [1e-320, 1.0, 4e307] {
            let ratio = residual_ratio((&x * unit).view());
            let most = 1e-3 * f64::from(unit < 1e-300) + 1e-15;
            assert!((ratio - (24.0f64 / 42.0).sqrt()).abs() < most, "{unit}");
        }
    }

    #[test]
    fn nothing_is_left_of_equal_rows_of_one_row_and_of_none() {
        for rows in [0, 1, 5] {
            assert_eq!(residual_ratio(Array2::from_elem((rows, 3), 0.5).view()), 0.0);
        }
        assert_eq!(residual_ratio(Array2::zeros((4, 2)).view()), 0.0);
    }
}
