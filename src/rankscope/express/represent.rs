//! Weights of a head that produce a given pattern exactly.

use ndarray::{Array2, s};
use ndarray_linalg::{JobSvd, SVDDC};

use super::{Factors, Target};
use crate::error::{Error, Result};
use crate::rank::EPSILON_F64;

/// Projections `[C, D]` of one head, with their queries and keys.
#[derive(Clone, Debug)]
pub struct Represented {
    /// W_q `[C, D]`: queries are X·W_q.
    pub w_q: Array2<f64>,
    /// W_k `[C, D]`: keys are X·W_k.
    pub w_k: Array2<f64>,
    /// X·W_q and X·W_k, `[n, D]`.
    pub factors: Factors,
    /// max |A − P| with these projections.
    pub max_error: f64,
}

/// Projections that turn the embeddings `x` into the weights `target`, for a head at least as large as
/// the sequence.
///
/// W_q = X⁺·[√D·log P, 0] and W_k = X⁺·[I, 0], so that Q·Kᵀ/√D = log P; X⁺ is the right inverse of X.
///
/// **Shapes**: target `[n, n]`, x `[n, C]`, weights `[C, D]`.
///
/// **Conventions**: rows are tokens (columns in the paper, so its weights are the transposes of these).
///
/// # Errors
/// [`Error::Invalid`] for a head smaller than n, and for embeddings that are not of full row rank n (so
/// also for a width C below n), NaN or infinite.
///
/// **Source**: Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 1. Under a mask the logits of hidden keys are
/// arbitrary, and are 0 here.
pub fn represent(target: &Target, x: &Array2<f64>, head_size: usize) -> Result<Represented> {
    let n = target.positions();
    if head_size < n {
        return Err(Error::invalid("head size", head_size, format!("at least the {n} positions")));
    }
    let root = (head_size as f64).sqrt();
    let mut query = Array2::zeros((n, head_size));
    query.slice_mut(s![.., ..n]).assign(&(target.log_weights() * root));
    let mut key = Array2::zeros((n, head_size));
    key.slice_mut(s![.., ..n]).assign(&Array2::eye(n));
    project(target, x, &query, &key)
}

/// Projections from the singular vectors of the centred log P, truncated to `head_size`.
///
/// With log P − row means = U·Σ·Vᵀ: queries U·√(Σ√D) and keys V·√(Σ√D), the first D columns of each. Exact
/// from D = n − 1 on, since the centred matrix has rank n − 1 at most; below, this is the nearest matrix of
/// logits in the Frobenius norm, not the nearest pattern ([`best_fit`](super::best_fit) is).
///
/// **Shapes**, **Errors**: as [`represent`], for any head size of at least 1.
pub fn represent_centred(target: &Target, x: &Array2<f64>, head_size: usize) -> Result<Represented> {
    let Factors { query, key } = truncated(target, head_size)?;
    project(target, x, &query, &key)
}

/// Queries and keys `[n, D]` from the singular vectors of the centred log P.
pub(super) fn truncated(target: &Target, head_size: usize) -> Result<Factors> {
    check_head_size(head_size)?;
    let n = target.positions();
    let Svd { u, sigma, vt } = svd(&target.centred_log_weights())?;
    let root = (head_size as f64).sqrt();
    let (mut query, mut key) = (Array2::zeros((n, head_size)), Array2::zeros((n, head_size)));
    for (column, sigma) in sigma.iter().enumerate().take(head_size) {
        let half = (sigma * root).sqrt();
        query.column_mut(column).assign(&(&u.column(column) * half));
        key.column_mut(column).assign(&(&vt.row(column) * half));
    }
    Ok(Factors { query, key })
}

/// An error for a head size of 0, or one that does not fit in memory.
pub(super) fn check_head_size(head_size: usize) -> Result<()> {
    const MOST: usize = 4096;
    if (1..=MOST).contains(&head_size) {
        return Ok(());
    }
    Err(Error::invalid("head size", head_size, format!("from 1 to {MOST}")))
}

fn project(target: &Target, x: &Array2<f64>, query: &Array2<f64>, key: &Array2<f64>) -> Result<Represented> {
    check_head_size(query.ncols())?;
    let inverse = right_inverse(x, target.positions())?; // [C, n]
    let (w_q, w_k) = (inverse.dot(query), inverse.dot(key)); // [C, D]
    let factors = Factors { query: x.dot(&w_q), key: x.dot(&w_k) }; // [n, D]
    let max_error = factors.max_error(target);
    Ok(Represented { w_q, w_k, factors, max_error })
}

/// X⁺ `[C, n]` with X·X⁺ = I.
fn right_inverse(x: &Array2<f64>, positions: usize) -> Result<Array2<f64>> {
    let (rows, width) = x.dim();
    if rows != positions {
        return Err(Error::invalid("rows of x", rows, format!("the {positions} positions of the target")));
    }
    if width < rows {
        return Err(Error::invalid("width of x", width, format!("at least the {rows} positions")));
    }
    let Svd { u, sigma, vt } = svd(x)?;
    let floor = width as f64 * EPSILON_F64 * sigma[0];
    let rank = sigma.iter().filter(|&&value| value > floor).count();
    if rank < rows {
        return Err(Error::invalid("rank of x", rank, format!("the {rows} positions")));
    }
    let scaled = &u / &ndarray::Array1::from(sigma); // U·Σ⁻¹, [n, n]
    Ok(vt.t().dot(&scaled.t())) // [C, n]
}

/// A = U·Σ·Vᵀ, the thin form with min(N, M) vectors.
pub(super) struct Svd {
    pub u: Array2<f64>,
    pub sigma: Vec<f64>,
    pub vt: Array2<f64>,
}

pub(super) fn svd(matrix: &Array2<f64>) -> Result<Svd> {
    if let Some(((row, col), bad)) = matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(Error::invalid(format!("entry ({row}, {col})"), bad, "a finite number"));
    }
    let (rows, cols) = matrix.dim();
    let failed = |problem: String| Error::Numeric { what: format!("matrix {rows} × {cols}"), problem };
    match matrix.svddc(JobSvd::Some) {
        Ok((Some(u), sigma, Some(vt))) => Ok(Svd { u, sigma: sigma.to_vec(), vt }),
        Ok(_) => Err(failed("no singular vectors".into())),
        Err(error) => Err(failed(error.to_string())),
    }
}
