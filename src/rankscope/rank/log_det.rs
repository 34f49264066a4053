//! ln |det A|, by the most accurate method that the zero pattern allows.

use std::fmt;

use ndarray::{ArrayView2, s};
use serde::{Serialize, Serializer};

use super::decompose::decomposition;
use crate::error::Result;
use crate::mask::{is_lower, prefix_block};

/// How a log-determinant was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDetMethod {
    /// Σ ln |aᵢᵢ| of a triangular matrix: exact to rounding, however small the determinant.
    TriangularDiagonal,
    /// ln |det A_pp| by LU + Σ_{i ≥ p} ln |aᵢᵢ|, for a block lower triangular matrix.
    PrefixBlock {
        /// Rows and columns of the leading block.
        p: usize,
    },
    /// LU with pivoting of the whole matrix.
    Lu,
}

impl fmt::Display for LogDetMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogDetMethod::TriangularDiagonal => f.write_str("triangular: sum of ln|a_ii|"),
            LogDetMethod::PrefixBlock { p } => {
                write!(f, "prefix block: LU of the leading {p} × {p} + sum of ln|a_ii| below")
            }
            LogDetMethod::Lu => f.write_str("LU with pivoting"),
        }
    }
}

impl Serialize for LogDetMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// ln |det A| with the method, or the reason why there is no finite number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogAbsDet {
    /// Natural logarithm of the absolute determinant.
    pub value: Option<f64>,
    /// How it was computed; `None` where the matrix has no determinant.
    pub method: Option<LogDetMethod>,
    /// Why there is no value.
    pub reason: Option<String>,
}

/// ln |det A| of `matrix` `[N, N]`, never computed from det itself, which underflows at N ≈ 160.
///
/// # Conventions
/// The method follows the zeros of the stored entries: triangular, then block lower triangular, then LU.
/// Sums of logarithms, so a determinant of 10⁻¹⁰⁰⁰ is no special case. An LU of an ill-conditioned dense
/// matrix has a rounding error: its log-det is off by about N ε σ₁/σ_min.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a NaN or infinite entry, naming its position.
///
/// ```
/// use ndarray::array;
/// use rankscope::rank::{LogDetMethod, log_abs_det};
/// let det = log_abs_det(array![[0.5, 0.0], [0.7, 0.25]].view())?;
/// assert_eq!(det.value, Some(0.5f64.ln() + 0.25f64.ln()));
/// assert_eq!(det.method, Some(LogDetMethod::TriangularDiagonal));
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn log_abs_det(matrix: ArrayView2<f64>) -> Result<LogAbsDet> {
    let (rows, cols) = matrix.dim();
    if rows != cols {
        let reason = Some(format!("not square: {rows} × {cols}"));
        return Ok(LogAbsDet { value: None, method: None, reason });
    }
    super::decompose::check_finite(matrix)?;
    let pattern = matrix.mapv(|entry| entry != 0.0);
    let (method, block) = match prefix_block(pattern.view()) {
        _ if is_lower(pattern.view()) || is_lower(pattern.t()) => (LogDetMethod::TriangularDiagonal, 0),
        Some(p) if p < rows => (LogDetMethod::PrefixBlock { p }, p),
        _ => (LogDetMethod::Lu, rows),
    };
    evaluate(matrix, block, method)
}

/// LU of the leading `block`, and the diagonal below it.
fn evaluate(matrix: ArrayView2<f64>, block: usize, method: LogDetMethod) -> Result<LogAbsDet> {
    let without = |reason| Ok(LogAbsDet { value: None, method: Some(method), reason: Some(reason) });
    let diagonal = matrix.diag();
    if let Some(zero) = (block..diagonal.len()).find(|&i| diagonal[i] == 0.0) {
        return without(format!("−∞: entry ({zero}, {zero}) is 0 as stored"));
    }
    let mut value: f64 = diagonal.iter().skip(block).map(|entry| entry.abs().ln()).sum();
    if block > 0 {
        value += decomposition().log_abs_det(matrix.slice(s![..block, ..block]))?;
    }
    if value == f64::NEG_INFINITY {
        return without(format!("−∞: LU of the {block} × {block} block meets a zero pivot"));
    }
    Ok(LogAbsDet { value: Some(value), method: Some(method), reason: None })
}
