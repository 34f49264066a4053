//! Chooses the next token from logits.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rand::{Rng, RngExt};

use crate::error::{Error, Result};

/// How the next token is chosen.
///
/// p(i) ∝ exp(zᵢ / temperature) over the tokens that are kept: among the `top_k` most likely tokens, the smallest set
/// of the most likely whose share reaches `top_p`.
///
/// **Conventions**: the filters come in this order: temperature, top-k, top-p, each on the renormalised result of the
/// one before; that is the order of `transformers`. Temperature 0 is greedy: always the most likely token. Equal logits
/// are kept in order of their ids. At least one token is always kept.
///
/// **Source**: top-k: Fan et al. 2018 (arXiv 1805.04833); top-p: Holtzman et al. 2020 (arXiv 1904.09751).
///
/// ```
/// use rankscope::model::generate::Sampling;
/// let logits = [0.0, 2f32.ln(), f32::NEG_INFINITY, 5f32.ln()];
/// let all = Sampling::default().distribution(&logits)?; // 1 : 2 : 5, and never the third
/// assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 1, 3]);
/// assert!((all[2].1 - 5.0 / 8.0).abs() < 1e-7);
/// let two = Sampling { top_k: Some(2), ..Sampling::default() }.distribution(&logits)?;
/// assert_eq!((two[0].0, two[1].0), (3, 1));
/// assert!((two[0].1 - 5.0 / 7.0).abs() < 1e-7);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 always chooses the most likely token.
    pub temperature: f64,
    /// How many tokens are kept; `None` for all.
    pub top_k: Option<usize>,
    /// The share of the probability that is kept, in (0, 1]; `None` for all of it.
    pub top_p: Option<f64>,
}

impl Default for Sampling {
    /// The model's own distribution: temperature 1, no filter.
    fn default() -> Self {
        Sampling { temperature: 1.0, top_k: None, top_p: None }
    }
}

/// A token that may be drawn. Order: larger weights first, then smaller ids.
#[derive(PartialEq)]
struct Candidate {
    weight: f64,
    id: Reverse<u32>,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Sampling {
    /// Always the most likely token.
    pub fn greedy() -> Self {
        Sampling { temperature: 0.0, ..Sampling::default() }
    }

    /// An error unless every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::invalid("temperature", self.temperature, "0 (greedy) or a positive number"));
        }
        if self.top_k == Some(0) {
            return Err(Error::invalid("top-k", 0, "at least 1, or none to keep all tokens"));
        }
        match self.top_p {
            Some(p) if !(p > 0.0 && p <= 1.0) => {
                Err(Error::invalid("top-p", p, "a share above 0 and up to 1, or none to keep all tokens"))
            }
            _ => Ok(()),
        }
    }

    /// The tokens that may be drawn, with their probabilities, the most likely first where a filter is set and in order
    /// of ids where none is.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`Error::Invalid`] for logits without a finite number or with NaN.
    pub fn distribution(&self, logits: &[f32]) -> Result<Vec<(u32, f64)>> {
        self.check()?;
        let highest = highest(logits)?;
        if self.temperature == 0.0 {
            return Ok(vec![(highest as u32, 1.0)]);
        }
        let top = f64::from(logits[highest]);
        let weigh = |&logit: &f32| ((f64::from(logit) - top) / self.temperature).exp();
        let weights = (0u32..).zip(logits.iter().map(weigh)).filter(|(_, weight)| *weight > 0.0);
        let kept = match (self.top_k, self.top_p) {
            (None, None) => weights.collect(),
            (top_k, top_p) => likeliest(weights, top_k, top_p),
        };
        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        Ok(kept.into_iter().map(|(id, weight)| (id, weight / total)).collect())
    }

    /// Draws a token, with its probability among those that may be drawn.
    ///
    /// # Errors
    /// As [`distribution`](Self::distribution).
    pub fn draw(&self, logits: &[f32], random: &mut impl Rng) -> Result<(u32, f64)> {
        let all = self.distribution(logits)?;
        if let [only] = all[..] {
            return Ok(only);
        }
        let mut left: f64 = random.random();
        for &(id, probability) in &all {
            if left < probability {
                return Ok((id, probability));
            }
            left -= probability;
        }
        // Rounding may leave a remainder after the last token.
        Ok(*all.last().expect("at least one token is kept"))
    }
}

/// The index of the highest logit; the first of equal ones.
fn highest(logits: &[f32]) -> Result<usize> {
    let wrong = |got: &str| Error::invalid("logits", got, "numbers, one of them finite");
    let mut highest: Option<usize> = None;
    for (id, &logit) in logits.iter().enumerate() {
        if logit.is_nan() || logit == f32::INFINITY {
            return Err(wrong("not finite"));
        }
        if highest.is_none_or(|known| logit > logits[known]) {
            highest = Some(id);
        }
    }
    highest.filter(|&id| logits[id].is_finite()).ok_or_else(|| wrong("without a finite number"))
}

/// The `top_k` most likely tokens, and of these the fewest whose share of the total weight reaches `top_p`.
fn likeliest(
    weights: impl Iterator<Item = (u32, f64)>,
    top_k: Option<usize>,
    top_p: Option<f64>,
) -> Vec<(u32, f64)> {
    let mut heap: BinaryHeap<Candidate> =
        weights.map(|(id, weight)| Candidate { weight, id: Reverse(id) }).collect();
    let mut total: f64 = heap.iter().map(|candidate| candidate.weight).sum();
    let mut kept = Vec::new();
    if let Some(k) = top_k {
        kept.extend(std::iter::from_fn(|| heap.pop()).take(k));
        total = kept.iter().map(|candidate| candidate.weight).sum();
        heap = kept.drain(..).collect();
    }
    let (share, mut reached) = (top_p.unwrap_or(1.0), 0.0);
    // With p = 1 every token stays, even if rounding makes the sum smaller.
    while share == 1.0 || reached < share * total {
        let Some(next) = heap.pop() else { break };
        reached += next.weight;
        kept.push(next);
    }
    kept.into_iter().map(|candidate| (candidate.id.0, candidate.weight)).collect()
}
