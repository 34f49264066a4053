//! The linear probe: how well a linear function of a hidden state predicts the position.

use super::*;

/// R² at every depth on held-out sequences of a linear probe for the position.
///
/// Each sequence is one start token, the same in all, and then independent normal tokens; the position of the start
/// token is not predicted.
pub(super) fn probe(network: &Network, mask: &Mask, settings: &Settings, run: &Run) -> Result<Vec<f64>> {
    let (train, held_out) = (settings.integer("train")?, settings.integer("held_out")?);
    let (Networks { n, width, depths, .. }, seed) = (network.of, network.seed);
    let start = gaussian(1, *width, seed, PROBE_START);
    let sequence = |sequence: u64| {
        let tokens = gaussian(n - 1, *width, seed, PROBE_START + sequence);
        concatenate(Axis(0), &[start.view(), tokens.view()]).expect("of one width")
    };
    let inputs: Vec<Array2<f64>> = (1..=(train + held_out) as u64).map(sequence).collect();
    let states = network.states(&inputs, mask, run)?;
    let positions = |count: usize| (0..count).flat_map(|_| 1..*n).map(|position| position as f64).collect();
    let (trained, told): (Array1<f64>, Array1<f64>) = (positions(train), positions(held_out));
    let r_squared = (0..depths.len()).map(|depth| {
        let rows: Vec<_> = states.iter().map(|states| states[depth].slice(s![1.., ..])).collect();
        let features = concatenate(Axis(0), &rows).expect("of one width");
        let (first, rest) = features.view().split_at(Axis(0), train * (n - 1));
        Ok(LinearFit::new(first, &trained)?.r_squared(rest, &told))
    });
    r_squared.collect()
}

/// ŷ = w·(x − x̄) + ȳ, by least squares with a ridge that only keeps the equations solvable.
pub(super) struct LinearFit {
    pub(super) mean: Array1<f64>,
    pub(super) weights: Array1<f64>,
    pub(super) level: f64,
}

/// The ridge, relative to the features' mean variance.
pub(super) const RIDGE: f64 = 1e-6;

impl LinearFit {
    /// Fits `targets` `[N]` with `features` `[N, M]`; an error where the equations have no solution, such as for
    /// features that are not finite.
    pub(super) fn new(features: ArrayView2<f64>, targets: &Array1<f64>) -> Result<Self> {
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
    pub(super) fn r_squared(&self, features: ArrayView2<f64>, targets: &Array1<f64>) -> f64 {
        let predicted = (&features - &self.mean).dot(&self.weights) + self.level;
        let squares = |x: Array1<f64>| x.mapv(|x| x * x).sum();
        1.0 - squares(targets - &predicted) / squares(targets - targets.mean().unwrap_or(0.0))
    }
}
