//! Attention with a skip as a sum over paths.

use ndarray::Array2;

use super::nets::Sizes;
use super::theorem::norm;
use crate::claim::{Evidence, Sample};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::numbers::short;
use crate::rank::{self, residual_ratio};
use crate::run::Run;

/// By the mask's name: the paths by their length, and the largest error of their sum.
pub struct Paths([(&'static str, Vec<Length>, f64); 2]);

/// Under both masks.
pub fn measure(sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<Paths> {
    let (both, both_error) = under(sizes, &Mask::bidirectional(), seeds, run)?;
    let (causal, causal_error) = under(sizes, &Mask::causal(), seeds, run)?;
    Ok(Paths([("bidirectional", both, both_error), ("causal", causal, causal_error)]))
}

/// The paths of one length: how many, log₁₀ of their sum's residual ratio, and its ‖res‖ as a part of the
/// output's.
struct Length {
    /// C(L, k)·Hᵏ.
    count: f64,
    /// One value a draw.
    log_ratio: Sample,
    /// One value a draw.
    share: Sample,
}

/// Layers of the net that is taken apart.
const LAYERS: usize = 6;

/// Attention with a skip, taken apart by the length of paths; and the largest error of their sum.
fn under(sizes: &Sizes, mask: &Mask, seeds: &[u64], run: &Run) -> Result<(Vec<Length>, f64)> {
    let sizes = Sizes { layers: LAYERS, ..*sizes };
    let draws = rank::many(seeds, "paths", run, |&seed| {
        Stack::new(sizes.pure().with_skip(), seed)?.paths(&sizes.input(seed), mask, run)
    })?;
    let lengths = (0..=LAYERS).map(|k| Length {
        count: draws[0].by_length[k].0,
        log_ratio: draws.iter().map(|draw| residual_ratio(draw.by_length[k].1.view()).log10()).collect(),
        share: draws.iter().map(|draw| norm(&draw.by_length[k].1) / norm(&draw.output)).collect(),
    });
    let errors = draws.iter().map(|draw| {
        let zero = Array2::<f64>::zeros(draw.output.dim());
        let sum = draw.by_length.iter().fold(zero, |sum, (_, z)| sum + z);
        (sum - &draw.output).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
    });
    Ok((lengths.collect(), errors.fold(0.0, f64::max)))
}

impl Paths {
    /// What paths of each length contribute; the one of length 0 keeps the input.
    pub fn report(&self, evidence: &mut Evidence) {
        for (name, lengths, error) in &self.0 {
            let counts: Vec<_> = lengths.iter().map(|length| length.count.to_string()).collect();
            let ratios: Vec<_> =
                lengths.iter().map(|length| short(10f64.powf(length.log_ratio.mean()))).collect();
            let text = format!(
                "{LAYERS} layers of {name} attention with a skip are a sum of {} paths; of lengths 0 to {LAYERS} there \
                 are {}, and their residual ratios are {}. The one path of length 0, which no layer touches, has a \
                 residual of {} times the output's",
                lengths.iter().map(|length| length.count).sum::<f64>(),
                counts.join(", "),
                ratios.join(", "),
                lengths[0].share
            );
            evidence.weigh(false, text);
            for (k, length) in lengths.iter().enumerate() {
                evidence.measure(format!("paths_{name}_count_length{k}"), length.count, "paths");
                let ratio = format!("paths_{name}_log10_ratio_length{k}");
                evidence.measure_sample(ratio, length.log_ratio.clone(), "");
                evidence.measure_sample(format!("paths_{name}_share_length{k}"), length.share.clone(), "");
            }
            let error = evidence.measure(format!("paths_{name}_error"), *error, "");
            error.expect(0.0, 1e-9, "the paths add up to the output");
        }
    }
}
