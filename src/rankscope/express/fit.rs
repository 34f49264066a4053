//! The best fit of a head of a given size to a pattern.

use ndarray::{Array2, ArrayView2, Zip};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::factors::{excess, log_softmax};
use super::minimise::{Limits, Minimum, Objective, minimise};
use super::represent::{Svd, check_head_size, svd, truncated};
use super::{Factors, Target};
use crate::error::{Error, Result};
use crate::run::Run;

/// The best head found for a pattern.
#[derive(Clone, Debug)]
pub struct BestFit {
    /// Its queries and keys `[n, D]`.
    pub factors: Factors,
    /// KL(P ‖ A), the mean over rows, in nats.
    pub kl: f64,
    /// KL(P ‖ A) of each row, in nats.
    pub row_kl: Vec<f64>,
    /// max |A − P|.
    pub max_error: f64,
    /// Steps of the descent that found it.
    pub steps: u64,
}

/// The effort of [`Fitting::best_fit`].
#[derive(Clone, Copy, Debug)]
pub struct Fitting {
    /// The number of descents, each from another start; the first starts from the singular vectors of log P.
    pub starts: usize,
    /// The most steps of each descent.
    pub steps: u64,
    /// A divergence, in nats, at which the pattern counts as reached and the search ends.
    pub enough: f64,
}

impl Default for Fitting {
    fn default() -> Self {
        Fitting { starts: 4, steps: 4000, enough: 1e-15 }
    }
}

/// The head of size `head_size` whose attention is nearest to `target`: the queries and keys that minimise the mean
/// over rows of KL(P ‖ softmax(Q·Kᵀ/√D)), with [`Fitting::default`] effort.
///
/// # Errors
/// As [`Fitting::best_fit`].
pub fn best_fit(target: &Target, head_size: usize, run: &Run) -> Result<BestFit> {
    Fitting::default().best_fit(target, head_size, run)
}

impl Fitting {
    /// The nearest head with free queries and keys, as in [`best_fit`].
    ///
    /// **Conventions**: L-BFGS from several starts that depend only on `run`'s seed; the best result counts. The
    /// problem is not convex, so for a small head the result is an upper bound of the true distance.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a head size of 0 or no starts; [`Error::Cancelled`].
    pub fn best_fit(&self, target: &Target, head_size: usize, run: &Run) -> Result<BestFit> {
        self.search(target, None, head_size, run)
    }

    /// The nearest head whose queries and keys are X·W_q and X·W_k for given embeddings `x` `[n, C]`.
    ///
    /// # Errors
    /// As [`best_fit`](Self::best_fit), and [`Error::Invalid`] for embeddings of another length, of no
    /// width, or not finite.
    pub fn best_fit_on(
        &self,
        target: &Target,
        x: &Array2<f64>,
        head_size: usize,
        run: &Run,
    ) -> Result<BestFit> {
        let (rows, width) = x.dim();
        if rows != target.positions() || width == 0 {
            let expected = format!("{} × 1 or wider", target.positions());
            return Err(Error::invalid("x", format!("{rows} × {width}"), expected));
        }
        // An orthonormal basis of the columns of X spans the same queries, and the descent converges better in it.
        let Svd { u, sigma, .. } = svd(x)?;
        let floor = rows.max(width) as f64 * f64::EPSILON * sigma[0];
        let rank = sigma.iter().filter(|&&value| value > floor).count();
        let basis = u.slice_move(ndarray::s![.., ..rank]);
        self.search(target, Some(&basis), head_size, run)
    }

    fn search(
        &self,
        target: &Target,
        basis: Option<&Array2<f64>>,
        head_size: usize,
        run: &Run,
    ) -> Result<BestFit> {
        check_head_size(head_size)?;
        if self.starts == 0 {
            return Err(Error::invalid("starts", 0, "at least 1"));
        }
        let divergence = Divergence { target, basis, head_size };
        let limits = Limits { steps: self.steps, enough: self.enough };
        let mut best: Option<Minimum> = None;
        for start in 0..self.starts {
            let start = divergence.start(start as u64, run.seed())?;
            let minimum = minimise(&divergence, start, limits, run)?;
            if best.as_ref().is_none_or(|best| minimum.value < best.value) {
                best = Some(minimum);
            }
            if best.as_ref().is_some_and(|best| best.value <= self.enough) {
                break;
            }
        }
        let best = best.expect("at least one start");
        let factors = divergence.factors(&best.x);
        let row_kl = factors.row_divergences(target);
        let kl = row_kl.iter().sum::<f64>() / row_kl.len() as f64;
        Ok(BestFit { max_error: factors.max_error(target), factors, kl, row_kl, steps: best.steps })
    }
}

/// The mean divergence as a function of W_q and W_k, one after the other.
struct Divergence<'a> {
    target: &'a Target,
    /// Orthonormal columns `[n, R]` whose span contains queries and keys; `None` for the whole space.
    basis: Option<&'a Array2<f64>>,
    head_size: usize,
}

impl Divergence<'_> {
    /// Rows of W_q and of W_k: R or n.
    fn rows(&self) -> usize {
        self.basis.map_or(self.target.positions(), |basis| basis.ncols())
    }

    fn factors(&self, x: &[f64]) -> Factors {
        let shape = (self.rows(), self.head_size);
        let (w_q, w_k) = x.split_at(x.len() / 2);
        let place = |weights: &[f64]| {
            let weights = ArrayView2::from_shape(shape, weights).expect("half of the numbers");
            self.basis.map_or_else(|| weights.to_owned(), |basis| basis.dot(&weights)) // [n, D]
        };
        Factors { query: place(w_q), key: place(w_k) }
    }

    /// The start of a descent: for the first, the singular vectors of log P with a little noise; for the others, noise
    /// alone.
    fn start(&self, index: u64, seed: u64) -> Result<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(index);
        let Factors { query, key } = truncated(self.target, self.head_size)?;
        let within = |of: Array2<f64>| self.basis.map_or(of.clone(), |basis| basis.t().dot(&of));
        let informed = within(query).into_iter().chain(within(key));
        // Logits from noise of size s have a spread of s², which is chosen equal to that of the target's logits.
        let logits = self.target.centred_log_weights();
        let spread = (logits.iter().map(|x| x * x).sum::<f64>() / logits.len() as f64).sqrt().max(0.1);
        let (keep, size) = if index == 0 { (1.0, 1e-3) } else { (0.0, spread.sqrt()) };
        Ok(informed
            .map(|value| {
                let noise: f64 = StandardNormal.sample(&mut random);
                keep * value + size * noise
            })
            .collect())
    }
}

impl Objective for Divergence<'_> {
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let factors = self.factors(x);
        let (n, root) = (self.target.positions() as f64, (self.head_size as f64).sqrt());
        let mut slope = log_softmax(&factors.logits(), self.target.allowed()); // ln A, [n, n]
        let mut value = 0.0;
        Zip::from(&mut slope)
            .and(self.target.log_weights())
            .and(self.target.weights())
            .and(self.target.allowed())
            .for_each(|entry, log_weight, weight, &is_allowed| {
                value += weight * excess(*entry - log_weight);
                // d KL / d logit = A − P.
                *entry = if is_allowed { (entry.exp() - weight) / (n * root) } else { 0.0 };
            });
        let by_query = slope.dot(&factors.key); // [n, D]
        let by_key = slope.t().dot(&factors.query); // [n, D]
        let within = |of: Array2<f64>| self.basis.map_or(of.clone(), |basis| basis.t().dot(&of));
        let gradient = within(by_query).into_iter().chain(within(by_key)).collect();
        (value / n, gradient)
    }
}
