//! The linear probe: how much of the position a linear function of a hidden state tells.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use ndarray_linalg::SolveC;

use super::nets::{Network, Sizes};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::random::gaussian;
use crate::run::Run;

/// ŷ = w·(x − x̄) + ȳ, by least squares with a ridge that only keeps the equations solvable.
pub struct LinearFit {
    mean: Array1<f64>,
    weights: Array1<f64>,
    level: f64,
}

/// Ridge as a part of the features' mean variance.
const RIDGE: f64 = 1e-6;

impl LinearFit {
    /// Fits `targets` `[N]` by `features` `[N, M]`.
    ///
    /// # Errors
    /// [`Error::Numeric`] where the equations have no solution, such as for features that are not finite.
    pub fn new(features: ArrayView2<f64>, targets: &Array1<f64>) -> Result<Self> {
        let failed =
            |problem: String| Error::Numeric { what: "least squares of the position probe".into(), problem };
        let (Some(mean), Some(level)) = (features.mean_axis(Axis(0)), targets.mean()) else {
            return Err(failed("no rows".into()));
        };
        let centred = &features - &mean;
        let mut gram = centred.t().dot(&centred);
        let ridge = RIDGE * gram.diag().mean().unwrap_or(0.0) + f64::MIN_POSITIVE;
        gram.diag_mut().mapv_inplace(|x| x + ridge);
        let right = centred.t().dot(&(targets - level));
        let weights = gram.solvec(&right).map_err(|error| failed(error.to_string()))?;
        if !weights.iter().all(|weight| weight.is_finite()) {
            return Err(failed("features that are not finite".into()));
        }
        Ok(LinearFit { mean, weights, level })
    }

    /// R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², with ȳ the mean of these targets; below 0 where the fit is worse
    /// than that mean.
    pub fn r_squared(&self, features: ArrayView2<f64>, targets: &Array1<f64>) -> f64 {
        let predicted = (&features - &self.mean).dot(&self.weights) + self.level;
        let squares = |x: Array1<f64>| x.mapv(|x| x * x).sum();
        let mean = targets.mean().unwrap_or(0.0);
        1.0 - squares(targets - &predicted) / squares(targets - mean)
    }
}

/// Streams of the probe's sequences.
const START: u64 = 1 << 33;

/// R² on held-out sequences at every depth, for one draw of the network under `mask`.
///
/// Each sequence is one start token, the same in all, and then independent normal tokens; the start is not
/// itself among the positions that are told.
pub fn probe(
    sizes: &Sizes,
    network: &Network,
    mask: &Mask,
    (train, held_out): (usize, usize),
    seed: u64,
    run: &Run,
) -> Result<Vec<f64>> {
    let (n, width) = (sizes.n, sizes.width);
    let start = gaussian(1, width, seed, START);
    let inputs: Vec<Array2<f64>> = (1..=(train + held_out) as u64)
        .map(|sequence| {
            let tokens = gaussian(n - 1, width, seed, START + sequence);
            concatenate(Axis(0), &[start.view(), tokens.view()]).expect("of one width")
        })
        .collect();
    let states = network.states(&inputs, mask, run)?;
    let positions = |count: usize| (0..count).flat_map(|_| 1..n).map(|position| position as f64).collect();
    let (trained, told): (Array1<f64>, Array1<f64>) = (positions(train), positions(held_out));
    let r_squared = (0..sizes.depths.len()).map(|depth| {
        let rows: Vec<_> = states.iter().map(|states| states[depth].slice(s![1.., ..])).collect();
        let features = concatenate(Axis(0), &rows).expect("of one width");
        let (first, rest) = features.view().split_at(Axis(0), train * (n - 1));
        Ok(LinearFit::new(first, &trained)?.r_squared(rest, &told))
    });
    r_squared.collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_linear_relation_is_found_and_r_squared_is_as_defined() {
        let features = gaussian(40, 3, 1, 0);
        let targets = features.dot(&array![2.0, -1.0, 0.5]) + 7.0;
        let fit = LinearFit::new(features.view(), &targets).unwrap();
        let others = gaussian(17, 3, 2, 0);
        let told = others.dot(&array![2.0, -1.0, 0.5]) + 7.0;
        assert!(fit.r_squared(others.view(), &told) > 1.0 - 1e-9);
        // A fit that says 2 everywhere: squares 1 + 0 + 9 of the errors, 14 of 3 around their mean 3.
        let level = LinearFit { mean: array![0.0], weights: array![0.0], level: 2.0 };
        let r_squared = level.r_squared(array![[1.0], [1.0], [1.0]].view(), &array![1.0, 2.0, 6.0]);
        assert_eq!(r_squared, 1.0 - 17.0 / 14.0);
    }

    #[test]
    fn features_that_say_nothing_are_no_error_and_bad_ones_are() {
        let targets = array![1.0, 2.0, 3.0];
        let fit = LinearFit::new(Array2::zeros((3, 2)).view(), &targets).unwrap();
        assert_eq!(fit.r_squared(Array2::zeros((3, 2)).view(), &targets), 0.0);
        assert!(LinearFit::new(Array2::from_elem((3, 2), f64::NAN).view(), &targets).is_err());
    }
}
