//! Attention matrices whose rank is known exactly, and what share of their weight leaves its own token.

use ndarray::{Array2, ArrayView2};

use crate::claim::{Evidence, attention_weights};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::exact_rank;

/// The logit of every token with itself in the sharp example; all others are 0.
const SHARP: f64 = 32.0;

/// A matrix of attention weights.
#[derive(Debug)]
pub(super) struct Example {
    /// In words.
    pub name: &'static str,
    /// By a theorem.
    pub rank: usize,
    pub flow: f64,
}

/// The share of the weights that leaves its own token: 1 − tr(A)/n.
pub(super) fn flow(weights: ArrayView2<f64>) -> f64 {
    1.0 - weights.diag().sum() / weights.nrows() as f64
}

impl Example {
    /// Of a matrix whose rank follows from the places of its zeros, or from all its rows being equal; `None` for
    /// any other.
    pub fn of(name: &'static str, weights: &Array2<f64>) -> Option<Self> {
        let by_pattern = exact_rank(weights.mapv(|weight| weight != 0.0).view()).rank;
        let is_one_row = weights.rows().into_iter().all(|row| row == weights.row(0));
        let rank = by_pattern.or(is_one_row.then_some(1))?;
        Some(Example { name, rank, flow: flow(weights.view()) })
    }
}

/// Full rank without flow, and flow without rank.
pub(super) fn measure(n: usize) -> Result<Vec<Example>> {
    let weights = |tokens: &Array2<f64>, scale: f64, mask| {
        attention_weights(tokens, tokens, scale, &mask, &Device::Cpu)
    };
    // Scores of SHARP · I, and of 0.
    let sharp = weights(&Array2::eye(n), SHARP * (n as f64).sqrt(), Mask::causal())?;
    let uniform = weights(&Array2::zeros((n, 1)), 1.0, Mask::bidirectional())?;
    let examples = [
        Example::of("sharp causal attention", &sharp),
        Example::of("uniform bidirectional attention", &uniform),
    ];
    Ok(examples.into_iter().flatten().collect())
}

/// Two examples of which the one of higher rank sends less.
pub(super) fn inversion(examples: &[Example]) -> Option<[&Example; 2]> {
    let pairs = examples.iter().flat_map(|high| examples.iter().map(move |low| [high, low]));
    pairs.into_iter().find(|[high, low]| high.rank > low.rank && high.flow < low.flow)
}

pub(super) fn report(evidence: &mut Evidence, examples: &[Example], n: usize) {
    for example in examples {
        let name = example.name.split(' ').next().unwrap_or(example.name);
        evidence.measure(format!("{name}_rank"), example.rank as f64, "");
        evidence.measure(format!("{name}_flow"), example.flow, "");
    }
    if let Some(pair) = inversion(examples) {
        evidence.weigh(false, in_words(pair, n));
    }
}

/// The two of an inversion.
pub(super) fn in_words([high, low]: [&Example; 2], n: usize) -> String {
    let percent = |flow: f64| format!("{:.1} %", 100.0 * flow.abs());
    format!(
        "{} of {n} tokens has rank {} and sends {} of its weight to other tokens; {} has rank {} and sends {}",
        high.name,
        high.rank,
        percent(high.flow),
        low.name,
        low.rank,
        percent(low.flow)
    )
}
