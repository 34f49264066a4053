//! The head that produces a pattern, or comes nearest to it.

use std::sync::Arc;

use ndarray::{Array2, s};
use rankscope::express::{Factors, Fitting, Target, represent_centred};
use rankscope::{Error, Result, Run};

use super::state::{MOST_POSITIONS, Source, TheoremLab};
use crate::heatmap::Matrix;
use crate::lab::Part;

/// How the head was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// From the singular vectors of the centred log P: exact.
    Constructed,
    /// From keys on a circle, with D = 2.
    Circle,
    /// By descent.
    Fitted,
}

/// A head and how near it comes.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Its head size.
    pub head_size: usize,
    /// Its attention weights.
    pub weights: Arc<Matrix>,
    /// Weights minus pattern.
    pub difference: Arc<Matrix>,
    /// W_q `[n, D]`, where the embeddings are the unit vectors.
    pub w_q: Arc<Matrix>,
    /// W_k `[n, D]`.
    pub w_k: Arc<Matrix>,
    /// KL(P ‖ A), the mean over rows, in nats.
    pub kl: f64,
    /// max |A − P|.
    pub max_error: f64,
    /// How it was found.
    pub how: How,
}

/// KL of the best head by its size, as far as it is known: for no mask, and for the causal one.
pub type Curves = [Vec<(usize, f64)>; 2];

/// A piece of the answer.
#[derive(Debug)]
pub enum News {
    /// The pattern.
    Target(Arc<Matrix>),
    /// The head.
    Reached(Reached),
    /// Heads of other sizes.
    Curves(Curves),
}

/// All that the views show.
#[derive(Debug, Default)]
pub struct Answer {
    /// The pattern.
    pub target: Part<Arc<Matrix>>,
    /// The head.
    pub reached: Part<Reached>,
    /// Heads of all sizes.
    pub curves: Part<Curves>,
}

/// A head, its KL, and how it was found.
type Head = (Factors, f64, How);

/// Heads that are known for the last pattern.
#[derive(Default)]
pub struct Memory {
    logits: Array2<f64>,
    /// By mask and head size.
    heads: [Vec<Option<Head>>; 2],
}

impl Memory {
    /// Computes the answer of `state`; see [`State::compute`](crate::lab::State::compute).
    ///
    /// # Errors
    /// Errors of a file, and of the library.
    pub fn compute(&mut self, state: &TheoremLab, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        let logits = state.logits()?;
        let n = logits.nrows();
        if !(2..=MOST_POSITIONS).contains(&n) {
            let expected = format!("from 2 to {MOST_POSITIONS}: larger ones are fitted by the command line");
            return Err(Error::invalid("positions of the pattern", n, expected));
        }
        if self.logits != logits {
            (self.logits, self.heads) = (logits.clone(), Default::default());
        }
        let targets = [TheoremLab::target(&logits, false)?, TheoremLab::target(&logits, true)?];
        let target = &targets[usize::from(state.causal)];
        tell(News::Target(Arc::new(Matrix::masked(target.weights().clone(), target.allowed().clone()))));
        tell(News::Curves(self.curves()));
        let (factors, kl, how) = self.head(state, target, state.causal, state.head_size, run)?;
        tell(News::Reached(reached(target, &factors, kl, how)));
        // Small heads first, where the fits are quick, under both masks in turn; the wanted mask before the other.
        for size in 1..n {
            for causal in [state.causal, !state.causal] {
                run.step("best heads of all sizes", size, n)?;
                self.head(state, &targets[usize::from(causal)], causal, size, run)?;
            }
            tell(News::Curves(self.curves()));
        }
        Ok(())
    }

    /// The best head of a size, from memory where it is known.
    fn head(
        &mut self,
        state: &TheoremLab,
        target: &Target,
        causal: bool,
        size: usize,
        run: &Run,
    ) -> Result<Head> {
        let known = &mut self.heads[usize::from(causal)];
        known.resize(known.len().max(size + 1), None);
        if let Some(known) = &known[size] {
            return Ok(known.clone());
        }
        let found = best(state, target, size, run)?;
        known[size] = Some(found.clone());
        Ok(found)
    }

    fn curves(&self) -> Curves {
        self.heads.each_ref().map(|heads| {
            heads.iter().enumerate().filter_map(|(size, head)| Some((size, head.as_ref()?.1))).collect()
        })
    }
}

/// The head of `size` that comes nearest to `target`.
fn best(state: &TheoremLab, target: &Target, size: usize, run: &Run) -> Result<Head> {
    let n = target.positions();
    let mean = |factors: &Factors| factors.row_divergences(target).iter().sum::<f64>() / n as f64;
    if size + 1 >= n {
        let factors = represent_centred(target, &Array2::eye(n), size)?.factors;
        let kl = mean(&factors);
        return Ok((factors, kl, How::Constructed));
    }
    let fitting = Fitting { starts: 2, steps: 2000, enough: 1e-14 };
    let fit = fitting.best_fit(target, size, run)?;
    if let (Source::Permutation { seed }, 2..) = (&state.source, size) {
        let head = widened(state.circle(*seed)?, size);
        let kl = mean(&head);
        if kl < fit.kl {
            return Ok((head, kl, How::Circle));
        }
    }
    Ok((fit.factors, fit.kl, How::Fitted))
}

/// A head of a larger size, filled up with zeros; the larger queries keep the logits the same despite the larger √D.
fn widened(head: Factors, size: usize) -> Factors {
    let (n, narrow) = head.query.dim();
    let wide = |x: &Array2<f64>, factor: f64| {
        let mut wide = Array2::zeros((n, size));
        wide.slice_mut(s![.., ..narrow]).assign(&(x * factor));
        wide
    };
    let factor = (size as f64 / narrow as f64).sqrt();
    Factors { query: wide(&head.query, factor), key: wide(&head.key, 1.0) }
}

fn reached(target: &Target, factors: &Factors, kl: f64, how: How) -> Reached {
    let weights = factors.weights(target.allowed());
    let difference = &weights - target.weights();
    let masked = |values: Array2<f64>| Arc::new(Matrix::masked(values, target.allowed().clone()));
    Reached {
        head_size: factors.head_size(),
        max_error: factors.max_error(target),
        weights: masked(weights),
        difference: masked(difference),
        w_q: Arc::new(Matrix::new(factors.query.clone())),
        w_k: Arc::new(Matrix::new(factors.key.clone())),
        kl,
        how,
    }
}
