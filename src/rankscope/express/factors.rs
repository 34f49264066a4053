//! [`Factors`]: the queries and keys of one head, and the weights that they give.

use std::f64::consts::TAU;

use ndarray::{Array2, Axis};

use super::Target;
use super::target::check_permutation;
use crate::error::{Error, Result};

/// Queries and keys `[n, D]` of one head; its logits are Q·Kᵀ/√D.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// Q.
    pub query: Array2<f64>,
    /// K.
    pub key: Array2<f64>,
}

impl Factors {
    /// D.
    pub fn head_size(&self) -> usize {
        self.query.ncols()
    }

    /// Q·Kᵀ/√D, `[n, n]`.
    pub fn logits(&self) -> Array2<f64> {
        self.query.dot(&self.key.t()) / (self.head_size() as f64).sqrt()
    }

    /// The attention weights over the keys that `allowed` `[n, n]` allows.
    pub fn weights(&self, allowed: &Array2<bool>) -> Array2<f64> {
        let mut weights = log_softmax(&self.logits(), allowed);
        weights.zip_mut_with(allowed, |value, &is| *value = if is { value.exp() } else { 0.0 });
        weights
    }

    /// max |A − P| over all entries.
    pub fn max_error(&self, target: &Target) -> f64 {
        let difference = self.weights(target.allowed()) - target.weights();
        // Unlike f64::max, this keeps a NaN.
        difference.iter().fold(0.0, |largest, x| if x.abs() <= largest { largest } else { x.abs() })
    }

    /// KL(P ‖ A) of each row, in nats.
    pub fn row_divergences(&self, target: &Target) -> Vec<f64> {
        let log_weights = log_softmax(&self.logits(), target.allowed());
        let rows = log_weights.rows().into_iter().zip(target.log_weights().rows());
        rows.zip(target.weights().rows())
            .map(|((ours, theirs), weights)| {
                let entries = ours.iter().zip(theirs).zip(weights);
                entries.map(|((ours, theirs), weight)| weight * excess(ours - theirs)).sum()
            })
            .collect()
    }
}

/// e^δ − 1 − δ, without cancellation for a small δ.
///
/// KL(P ‖ A) = Σ p·(e^δ − 1 − δ) with δ = ln a − ln p, because both sum to one. Every term is positive, so divergences
/// far below ε are accurate, where Σ p·(ln p − ln a) would be noise.
pub(super) fn excess(delta: f64) -> f64 {
    if delta.abs() < 1e-3 {
        return delta * delta * (0.5 + delta * (1.0 / 6.0 + delta / 24.0));
    }
    delta.exp_m1() - delta
}

/// x − ln Σ e^x of every row, over its allowed entries; 0 elsewhere.
pub(super) fn log_softmax(logits: &Array2<f64>, allowed: &Array2<bool>) -> Array2<f64> {
    let mut out = logits.clone();
    for (mut row, allowed) in out.axis_iter_mut(Axis(0)).zip(allowed.rows()) {
        let largest = visible(&row, &allowed).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = visible(&row, &allowed).map(|x| (x - largest).exp()).sum();
        let shift = largest + sum.ln();
        for (value, &is) in row.iter_mut().zip(&allowed) {
            *value = if is { *value - shift } else { 0.0 };
        }
    }
    out
}

fn visible<'a>(
    row: &'a ndarray::ArrayViewMut1<f64>,
    allowed: &'a ndarray::ArrayView1<bool>,
) -> impl Iterator<Item = f64> + 'a {
    row.iter().zip(allowed).filter(|(_, is)| **is).map(|(x, _)| *x)
}

/// The factor on the logits with which a head of size 2 gives one key on a circle of n all weight except about `rest`.
///
/// c = ln(2/rest) / (1 − cos(2π/n)): the angle between a key and its two neighbours has the cosine cos(2π/n).
pub fn permutation_scale(positions: usize, rest: f64) -> f64 {
    (2.0 / rest).ln() / (1.0 - (TAU / positions as f64).cos())
}

/// A head of size 2 whose query i attends to key `order[i]`, with logits scale·cos of the angle between query and key.
///
/// The keys are on a circle, and each query has the direction of its key: k_j = (cos 2πj/n, sin 2πj/n) and q_i =
/// √2·scale·k_{order(i)}, the √2 because logits are Q·Kᵀ/√D.
///
/// # Errors
/// [`Error::Invalid`] unless `order` holds each of n ≥ 2 positions once and the scale is finite.
///
/// ```
/// use rankscope::{Mask, express::{permutation_head, permutation_scale}};
/// let head = permutation_head(&[2, 0, 1], permutation_scale(3, 1e-3))?;
/// let weights = head.weights(&Mask::bidirectional().pattern(3));
/// assert!(weights[(0, 2)] > 0.999 && weights[(1, 0)] > 0.999 && weights[(2, 1)] > 0.999);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn permutation_head(order: &[usize], scale: f64) -> Result<Factors> {
    check_permutation(order)?;
    if !scale.is_finite() {
        return Err(Error::invalid("scale of the logits", scale, "a finite number"));
    }
    let n = order.len();
    let on_circle = |position: usize, axis: usize| {
        let angle = TAU * position as f64 / n as f64;
        if axis == 0 { angle.cos() } else { angle.sin() }
    };
    let key = Array2::from_shape_fn((n, 2), |(row, axis)| on_circle(row, axis));
    let query =
        Array2::from_shape_fn((n, 2), |(row, axis)| 2f64.sqrt() * scale * on_circle(order[row], axis));
    Ok(Factors { query, key })
}
