//! Rank analysis against quoted numbers, stored reports, and properties that any matrix has.

mod claims;
mod edges;
mod exact;
mod golden;
mod npy;
mod properties;

use ndarray::Array2;

/// Numbers between −1 and 1 without a pattern, the same every time.
pub(super) fn scattered(rows: usize, cols: usize, seed: u64) -> Array2<f64> {
    let number = |(row, col): (usize, usize)| {
        let phase = 12.9898 * row as f64 + 78.233 * col as f64 + 37.719 * seed as f64;
        2.0 * (phase.sin() * 43758.5453).rem_euclid(1.0) - 1.0
    };
    Array2::from_shape_fn((rows, cols), number)
}
