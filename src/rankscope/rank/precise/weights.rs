//! Attention weights of f64 queries and keys, in multi-precision.

use dashu_float::{ConstCache, Context};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::super::decompose::check_finite;
use super::{Precise, Real, bits_from_digits, real};
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions};
use crate::run::Run;

/// softmax(scale · Q·Kᵀ/√D) over the keys that `mask` allows, to `digits` decimal digits.
///
/// The f64 entries of Q and K are taken as exact; every entry of the result has a relative error of at most n + 8 units
/// in its last place.
///
/// **Shapes**: q and k `[n, D]`, result `[n, n]`. **Conventions**: weights outside the mask are 0, and so are the rows
/// of queries that may attend to nothing.
///
/// # Errors
/// [`Error::Invalid`] where q and k do not match, have no columns or hold a number that is not finite,
/// where the mask does not fit n, or for digits out of range; [`Error::Cancelled`].
pub fn attention_weights(
    q: ArrayView2<f64>,
    k: ArrayView2<f64>,
    scale: f64,
    mask: &Mask,
    digits: usize,
    run: &Run,
) -> Result<Precise> {
    check_finite(q)?;
    check_finite(k)?;
    let (n, head_size) = q.dim();
    if k.dim() != (n, head_size) || head_size == 0 {
        let got = format!("{} × {}", k.nrows(), k.ncols());
        return Err(Error::invalid("keys", got, format!("{n} × {head_size}, as the queries, D ≥ 1")));
    }
    if !scale.is_finite() {
        return Err(Error::invalid("scale", scale, "a finite number"));
    }
    let allowed = Allowed::new(mask, 1, n, n, Positions::suffix(n, n)?, None)?;
    let bits = bits_from_digits(digits)?;
    // The exponential turns an absolute error of a score into a relative one of a weight: so the scores get as many
    // more bits as their sums have before the binary point, and a few more for D.
    let guard = 32 + guard_bits(q, k, scale);
    let wide = bits.saturating_add(guard);
    let widen = |matrix: ArrayView2<f64>| matrix.mapv(|entry| real(entry, wide));
    let (wide_q, wide_k) = (widen(q), widen(k));
    let factor = real(scale, wide) / Real::from(head_size).with_precision(wide.get()).value().sqrt();
    let rows: Vec<Vec<Real>> = (0..n)
        .into_par_iter()
        .map(|query| {
            run.check()?;
            let is_allowed = |key: usize| allowed.get(0, 0, query, key);
            let row = wide_q.row(query);
            let score = |key: usize| dot(row, wide_k.row(key)) * &factor;
            let scores = (0..n).map(|key| is_allowed(key).then(|| score(key))).collect::<Vec<_>>();
            Ok(softmax(&scores, Context::new(bits.get())))
        })
        .collect::<Result<_>>()?;
    let entries = Array2::from_shape_vec((n, n), rows.into_iter().flatten().collect()).expect("n rows of n");
    Ok(Precise { entries, bits, entry_error: n as f64 + 8.0 })
}

/// log₂ of a bound on |scale| · D² · max |q| · max |k|, rounded up: at most 4 · 1024 for finite numbers.
fn guard_bits(q: ArrayView2<f64>, k: ArrayView2<f64>, scale: f64) -> usize {
    let log2 = |size: f64| size.log2().max(0.0);
    let largest = |matrix: ArrayView2<f64>| log2(matrix.iter().fold(0.0, |largest, x| x.abs().max(largest)));
    let bound = largest(q) + largest(k) + log2(scale.abs()) + 2.0 * log2(q.ncols() as f64);
    bound.ceil() as usize
}

fn dot(a: ArrayView1<Real>, b: ArrayView1<Real>) -> Real {
    a.iter().zip(b).fold(Real::ZERO, |sum, (x, y)| sum + x * y)
}

/// exp(s) / Σ exp(s) over `scores`, those of the allowed keys.
fn softmax(scores: &[Option<Real>], context: Context<dashu_float::round::mode::HalfEven>) -> Vec<Real> {
    let mut constants = ConstCache::new();
    let zero = || Real::ZERO.with_precision(context.precision()).value();
    let largest = scores.iter().flatten().max().cloned().unwrap_or(Real::ZERO);
    let mut exp = |score: &Real| {
        let difference = score - &largest;
        context.unwrap_fp(context.exp(difference.repr(), Some(&mut constants)))
    };
    let exps: Vec<Option<Real>> = scores.iter().map(|score| score.as_ref().map(&mut exp)).collect();
    let sum = exps.iter().flatten().fold(zero(), |sum, exp| sum + exp);
    exps.into_iter().map(|exp| exp.map_or_else(zero, |exp| exp / &sum)).collect()
}
