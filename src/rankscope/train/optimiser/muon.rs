//! The direction of Muon: a matrix made orthogonal.

use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::ops::{add, matmul, scale, unit_rms_norm};
use crate::tensor::Tensor;

/// Whether a parameter is a matrix between hidden layers: tables of tokens and positions, whose rows are used
/// separately, and gains and biases are not.
pub(super) fn is_hidden_matrix(shape: &Shape) -> bool {
    let is_table = |&(axis, _): &(Axis, usize)| matches!(axis, Axis::Vocab | Axis::Position);
    shape.rank() == 2 && !shape.axes().iter().any(is_table)
}

/// 0.2 · √max(N, M) · O, with O ≈ U·Vᵀ for M = U·Σ·Vᵀ of N × M numbers: all singular values near 1. With this factor a
/// step has about the size of a step of AdamW, so that both use the same learning rates.
///
/// From X = M / ‖M‖, five times X ← a X + (b A + c A²) X with A = X·Xᵀ: a polynomial of odd degree in every singular value,
/// which maps values from 0.003 to 1 into the range from 0.7 to 1.2.
///
/// **Shapes**: a matrix; the result the same.
///
/// **Source**: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the factor: Liu et al. 2025
/// (arXiv 2502.16982), equation 4.
pub(super) fn direction(m: &Tensor) -> Result<Tensor> {
    const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
    /// ε in the division by the norm: so small that it matters only for a matrix of zeros.
    const EPSILON: f32 = 1e-30;
    let sizes = m.shape().sizes();
    let [rows, columns] = sizes[..] else { unreachable!("a matrix") };
    let (n, longer) = (rows * columns, rows.max(columns));
    let unit = unit_rms_norm(m.reshape([(Axis::Row, 1), (Axis::Column, n)])?, EPSILON)?;
    let [a, b, c] = COEFFICIENTS;
    // X·Xᵀ is smaller than Xᵀ·X if X is wide. A tall X is treated as Xᵀ, only by exchanging the names of its axes.
    let (short, long) = if rows <= columns { (Axis::Row, Axis::Column) } else { (Axis::Column, Axis::Row) };
    let axes = [(Axis::Row, rows), (Axis::Column, columns)];
    let mut x = scale(unit, (1.0 / (n as f64).sqrt()) as f32)?.reshape(axes)?;
    for _ in 0..5 {
        let other = x.rename(short, Axis::Key)?;
        let gram = matmul(&x, &other, long, 1.0)?; // A, [short, S]
        let side = gram.shape().sizes()[0];
        let square = matmul(&gram, &gram.reshape([(Axis::Key, side), (Axis::Query, side)])?, Axis::Key, c)?;
        let polynomial = add(scale(&gram, b)?, square.reshape(gram.shape().axes())?)?; // b A + c A²
        let product = match short {
            Axis::Row => matmul(&polynomial, &other, Axis::Key, 1.0)?, // [N, S] × [S, M] = [N, M]
            _ => matmul(&other, &polynomial, Axis::Key, 1.0)?, // [N, S] × [M, S] = [N, M], A being symmetric
        };
        x = add(scale(x, a)?, product)?;
    }
    scale(x, 0.2 * (longer as f32).sqrt())?.reshape(m.shape().axes())
}
