//! [`Target`]: a pattern of attention weights that a head should produce.

use ndarray::{Array2, Axis, Zip};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::factors::log_softmax;
use crate::error::{Error, Result};
use crate::mask::Mask;

/// The most positions of a pattern.
pub const MAX_POSITIONS: usize = 512;

/// The largest difference of a given row's sum from one; the row is then divided by its sum.
pub const ROW_SUM_TOLERANCE: f64 = 1e-4;

/// Attention weights `[n, n]`: positive where the mask allows, 0 elsewhere, each row summing to one.
///
/// # Conventions
/// Rows are queries, columns are keys; both count from 0 in errors. A softmax gives no zeros, so a pattern has no zeros
/// where attention is allowed.
///
/// ```
/// use ndarray::array;
/// use rankscope::{Mask, express::Target};
/// let target = Target::new(array![[1.0, 0.0], [0.25, 0.75]], &Mask::causal())?;
/// assert_eq!(target.positions(), 2);
/// let error = Target::new(array![[1.0, 0.0], [0.25, 0.75]], &Mask::bidirectional()).unwrap_err();
/// assert!(error.to_string().starts_with("target entry (0, 1) is 0, expected a number above 0"));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    weights: Array2<f64>,
    log_weights: Array2<f64>,
    allowed: Array2<bool>,
}

impl Target {
    /// A pattern under a mask.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a matrix that is not square or larger than [`MAX_POSITIONS`], naming an entry
    /// that is not a positive number where the mask allows or not 0 where it does not, or a row whose sum
    /// is further from one than [`ROW_SUM_TOLERANCE`].
    pub fn new(weights: Array2<f64>, mask: &Mask) -> Result<Self> {
        let (rows, cols) = weights.dim();
        if rows != cols {
            return Err(Error::invalid("target", format!("{rows} × {cols}"), "as many rows as columns"));
        }
        let allowed = pattern(mask, rows)?;
        for ((row, col), &weight) in weights.indexed_iter() {
            check_entry((row, col), weight, allowed[(row, col)])?;
        }
        for (row, weights) in weights.rows().into_iter().enumerate() {
            let sum = weights.sum();
            if (sum - 1.0).abs() > ROW_SUM_TOLERANCE {
                let expected = format!("1 within {ROW_SUM_TOLERANCE:e}");
                return Err(Error::invalid(format!("sum of target row {row}"), sum, expected));
            }
        }
        let log_weights =
            Zip::from(&weights).and(&allowed).map_collect(|w, &is| if is { w.ln() } else { 0.0 });
        Ok(Target::from_logits(&log_weights, allowed))
    }

    /// The softmax of independent Gaussian logits with standard deviation `scale`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for 0 positions or more than [`MAX_POSITIONS`], a scale that is negative or above 50 (where
    /// weights underflow), or a mask that does not fit.
    pub fn random(positions: usize, scale: f64, mask: &Mask, seed: u64) -> Result<Self> {
        if !(0.0..=50.0).contains(&scale) {
            return Err(Error::invalid("scale of the target", scale, "a number from 0 to 50"));
        }
        let allowed = pattern(mask, positions)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let logits = Array2::from_shape_simple_fn((positions, positions), || {
            let draw: f64 = StandardNormal.sample(&mut random);
            scale * draw
        });
        Ok(Target::from_logits(&logits, allowed))
    }

    /// The pattern in which query i gives `weight` to key `order[i]` and the other keys share the rest.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `order` holds every position once, there are 2 positions or more, and the
    /// weight lies between 0 and 1, both excluded.
    pub fn permutation(order: &[usize], weight: f64) -> Result<Self> {
        check_permutation(order)?;
        let n = order.len();
        if !(weight > 0.0 && weight < 1.0) {
            return Err(Error::invalid("weight on the target", weight, "a number between 0 and 1"));
        }
        let rest = (1.0 - weight) / (n - 1) as f64;
        let weights =
            Array2::from_shape_fn((n, n), |(row, col)| if order[row] == col { weight } else { rest });
        Target::new(weights, &Mask::bidirectional())
    }

    fn from_logits(logits: &Array2<f64>, allowed: Array2<bool>) -> Self {
        let log_weights = log_softmax(logits, &allowed);
        let weights =
            Zip::from(&log_weights).and(&allowed).map_collect(|l, &is| if is { l.exp() } else { 0.0 });
        Target { weights, log_weights, allowed }
    }

    /// n.
    pub fn positions(&self) -> usize {
        self.weights.nrows()
    }

    /// The weights `[n, n]`.
    pub fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    /// Their logarithms `[n, n]`; 0 where the mask does not allow attention.
    pub fn log_weights(&self) -> &Array2<f64> {
        &self.log_weights
    }

    /// Which query may attend to which key, `[n, n]`.
    pub fn allowed(&self) -> &Array2<bool> {
        &self.allowed
    }

    /// log P minus each row's mean over the keys that the query may attend to, 0 elsewhere.
    ///
    /// A constant on a row does not change its softmax, so these logits give the same weights; without a mask their
    /// rank is the head size that a pattern needs: n − 1 for almost every pattern.
    pub fn centred_log_weights(&self) -> Array2<f64> {
        let mut centred = self.log_weights.clone();
        for (mut row, allowed) in centred.axis_iter_mut(Axis(0)).zip(self.allowed.rows()) {
            let mean = row.sum() / allowed.iter().filter(|&&is| is).count() as f64;
            Zip::from(&mut row).and(&allowed).for_each(|value, &is| *value -= if is { mean } else { 0.0 });
        }
        centred
    }
}

fn pattern(mask: &Mask, positions: usize) -> Result<Array2<bool>> {
    if !(1..=MAX_POSITIONS).contains(&positions) {
        let expected = format!("from 1 to {MAX_POSITIONS}");
        return Err(Error::invalid("positions of the target", positions, expected));
    }
    mask.check(positions)?;
    let allowed = mask.pattern(positions);
    match allowed.rows().into_iter().position(|row| !row.iter().any(|&is| is)) {
        None => Ok(allowed),
        Some(row) => {
            let got = format!("a mask that lets query {row} attend to nothing");
            Err(Error::invalid("mask of the target", got, "at least one key for every query"))
        }
    }
}

fn check_entry(place: (usize, usize), weight: f64, is_allowed: bool) -> Result<()> {
    let what = || format!("target entry {place:?}");
    if !is_allowed && weight != 0.0 {
        return Err(Error::invalid(what(), weight, "0, since the mask hides this key"));
    }
    if is_allowed && !(weight > 0.0 && weight.is_finite()) {
        return Err(Error::invalid(what(), weight, "a number above 0, as a softmax gives"));
    }
    Ok(())
}

/// An error unless `order` holds each of 0, 1, …, n − 1 once, for n of 2 or more.
pub(super) fn check_permutation(order: &[usize]) -> Result<()> {
    let n = order.len();
    if !(2..=MAX_POSITIONS).contains(&n) {
        let expected = format!("from 2 to {MAX_POSITIONS}");
        return Err(Error::invalid("positions of the permutation", n, expected));
    }
    let mut seen = vec![false; n];
    for (index, &key) in order.iter().enumerate() {
        if key >= n || std::mem::replace(&mut seen[key], true) {
            let expected = format!("each position below {n} once");
            return Err(Error::invalid(format!("permutation entry {index}"), key, expected));
        }
    }
    Ok(())
}
