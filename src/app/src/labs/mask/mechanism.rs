//! The ways from scores to weights that the lab compares.

use ndarray::Array2;
use rankscope::attention::Differential;
use rankscope::claim::{Draw, linear_weights};
use rankscope::mask::{Allowed, Positions};
use rankscope::ops::{FeatureMap, cpu};
use rankscope::rank::{ExactRank, exact_rank};
use rankscope::{Device, Mask, Result};
use serde::{Deserialize, Serialize};

/// A way from scores to weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// exp(s) over the sum of the row.
    #[default]
    Softmax,
    /// φ(q)·φ(k) over the sum of the row, with φ = elu + 1.
    Linear,
    /// Softmax with one more logit in the sum, to which no key belongs.
    Sink {
        /// That logit.
        logit: f64,
    },
    /// 1 / (1 + n·exp(−s)), each key for itself.
    Sigmoid,
    /// The difference A₁ − λ·A₂ of two softmaxes.
    Differential {
        /// λ.
        lambda: f64,
    },
}

impl Mechanism {
    /// One of each.
    pub fn all() -> [Mechanism; 5] {
        let lambda = f64::from(Differential::initial(0));
        [
            Mechanism::Softmax,
            Mechanism::Linear,
            Mechanism::Sink { logit: 0.0 },
            Mechanism::Sigmoid,
            Mechanism::Differential { lambda },
        ]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Softmax => "softmax",
            Mechanism::Linear => "linear",
            Mechanism::Sink { .. } => "learned sink",
            Mechanism::Sigmoid => "sigmoid",
            Mechanism::Differential { .. } => "differential",
        }
    }

    /// Formula and source.
    pub fn formula(self) -> &'static str {
        match self {
            Mechanism::Softmax => "exp(sₜₛ) / Σᵣ exp(sₜᵣ)",
            Mechanism::Linear => {
                "φ(qₜ)·φ(kₛ) / Σᵣ φ(qₜ)·φ(kᵣ), φ = elu + 1 (Katharopoulos et al. 2020, arXiv 2006.16236); \
                 it reads Q and K, so changed logits do not reach it"
            }
            Mechanism::Sink { .. } => "exp(sₜₛ) / (exp(b) + Σᵣ exp(sₜᵣ)) (gpt-oss, arXiv 2508.10925)",
            Mechanism::Sigmoid => "1 / (1 + n·exp(−sₜₛ)) (Ramapuram et al. 2024, arXiv 2409.04431)",
            Mechanism::Differential { .. } => {
                "A₁ − λ·A₂, two softmaxes of independent Q and K (Ye et al. 2024, arXiv 2410.05258)"
            }
        }
    }

    /// Whether it is the same mechanism, with any parameter.
    pub fn is_like(self, other: Mechanism) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// The rank that a theorem gives under the mask `pattern`, or why there is none.
    pub fn theorem(self, pattern: &Array2<bool>, head_size: usize) -> ExactRank {
        let n = pattern.nrows();
        match self {
            Mechanism::Differential { .. } => ExactRank {
                rank: None,
                reason: "no theorem: the difference of two weights may be 0 or negative, on the diagonal too"
                    .to_owned(),
            },
            Mechanism::Linear if pattern.iter().all(|&may| may) && head_size < n => ExactRank {
                rank: None,
                reason: format!(
                    "at most D = {head_size}: the weights are a product φ(Q)·φ(K)ᵀ, rows divided by numbers"
                ),
            },
            _ => exact_rank(pattern.view()),
        }
    }
}

/// Queries, keys and scores of one state.
pub struct Scores {
    draw: Draw,
    /// scale · Q·Kᵀ/√D, with the logits that were changed by hand.
    pub values: Array2<f64>,
    /// The scores of A₂ in differential attention.
    second: Array2<f64>,
}

/// Turns scores `[1, 1, n, n]` into weights, in place.
type Rows<'a> = &'a dyn Fn(&mut [f64], [usize; 4], &Allowed);

impl Scores {
    /// Scores of `draw` and, for differential attention, of `second`.
    pub fn new(draw: Draw, second: &Draw, scale: f64) -> Self {
        let (values, second) = (draw.scores(scale), second.scores(scale));
        Scores { draw, values, second }
    }

    /// The weights `[n, n]` of `mechanism` under the mask `pattern`, in f64 on the CPU.
    ///
    /// # Errors
    /// None for a pattern of the scores' size.
    pub fn weights(&self, mechanism: Mechanism, pattern: &Array2<bool>) -> Result<Array2<f64>> {
        let n = self.values.nrows();
        let mask = Mask::custom(pattern.clone());
        let allowed = Allowed::new(&mask, 1, n, n, Positions::suffix(n, n)?, None)?;
        let weigh = |scores: &Array2<f64>, of: Rows<'_>| {
            let mut values: Vec<f64> = scores.iter().copied().collect();
            of(&mut values, [1, 1, n, n], &allowed);
            Array2::from_shape_vec((n, n), values).expect("as many as there were")
        };
        let softmax = |scores: &Array2<f64>| weigh(scores, &cpu::masked_softmax);
        Ok(match mechanism {
            Mechanism::Softmax => softmax(&self.values),
            Mechanism::Linear => {
                let Draw { q, k } = &self.draw;
                linear_weights(q, k, FeatureMap::EluPlusOne, &mask, &Device::Cpu)?
            }
            Mechanism::Sink { logit } => {
                weigh(&self.values, &|values: &mut [f64], sizes: [usize; 4], allowed: &Allowed| {
                    cpu::masked_softmax_with_sinks(values, sizes, allowed, &[logit]);
                })
            }
            Mechanism::Sigmoid => {
                weigh(&self.values, &|values: &mut [f64], sizes: [usize; 4], allowed: &Allowed| {
                    cpu::masked_sigmoid(values, sizes, allowed, -(n as f64).ln());
                })
            }
            Mechanism::Differential { lambda } => softmax(&self.values) - softmax(&self.second) * lambda,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        Scores::new(Draw::independent(5, 2, 3), &Draw::independent(5, 2, 4), 1.5)
    }

    #[test]
    fn weights_follow_their_formulas() {
        let (scores, pattern) = (scores(), Mask::causal().pattern(5));
        let (s, second) = (&scores.values, &scores.second);
        let sum = |of: &Array2<f64>, t: usize| (0..=t).map(|r| of[(t, r)].exp()).sum::<f64>();
        let phi = |x: f64| if x > 0.0 { x + 1.0 } else { x.exp() };
        let features = |t: usize, r: usize| -> f64 {
            (0..2).map(|i| phi(scores.draw.q[(t, i)]) * phi(scores.draw.k[(r, i)])).sum()
        };
        let formula = |mechanism: Mechanism, t: usize, r: usize| match mechanism {
            Mechanism::Softmax => s[(t, r)].exp() / sum(s, t),
            Mechanism::Linear => features(t, r) / (0..=t).map(|r| features(t, r)).sum::<f64>(),
            Mechanism::Sink { logit } => s[(t, r)].exp() / (logit.exp() + sum(s, t)),
            Mechanism::Sigmoid => 1.0 / (1.0 + 5.0 * (-s[(t, r)]).exp()),
            Mechanism::Differential { lambda } => {
                s[(t, r)].exp() / sum(s, t) - lambda * second[(t, r)].exp() / sum(second, t)
            }
        };
        for mechanism in Mechanism::all() {
            let weights = scores.weights(mechanism, &pattern).unwrap();
            for ((t, r), &weight) in weights.indexed_iter() {
                let wanted = if r <= t { formula(mechanism, t, r) } else { 0.0 };
                assert!((weight - wanted).abs() < 1e-14, "{mechanism:?} ({t}, {r}): {weight} {wanted}");
            }
        }
    }

    #[test]
    fn the_triangular_theorem_holds_where_weights_are_positive() {
        let (causal, all) = (Mask::causal().pattern(5), Mask::bidirectional().pattern(5));
        let ranks =
            |pattern: &Array2<bool>| Mechanism::all().map(|mechanism| mechanism.theorem(pattern, 2).rank);
        assert_eq!(ranks(&causal), [Some(5), Some(5), Some(5), Some(5), None]);
        assert_eq!(ranks(&all), [None; 5]);
        assert!(Mechanism::Linear.theorem(&all, 2).reason.starts_with("at most D = 2"));
        assert!(Mechanism::Linear.theorem(&all, 5).reason.contains("dense"));
        let report =
            rankscope::rank::RankReport::of(scores().weights(Mechanism::Linear, &all).unwrap().view(), None);
        assert_eq!(report.unwrap().numerical_rank_f64, 2);
    }
}
