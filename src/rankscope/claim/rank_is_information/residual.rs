//! The residual connection: I + A is well conditioned under either mask.

use ndarray::Array2;

use super::super::{Draw, Evidence, Sample, Settings};
use super::seeds;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{self, Spectrum};
use crate::run::Run;

/// A condition number from which a layer's own mixing would count as nearly singular: it leaves half of the
/// digits of f32.
const MANY: f64 = 1e3;

/// D, scale, mean and sd of cond(I + A) causal, then bidirectional: numpy, 10 draws at n = 256.
type Known = (usize, f64, (f64, f64), (f64, f64));
const REFERENCE: [Known; 6] = [
    (4, 0.1, (2.7118, 0.0126), (2.061, 0.0046)),
    (4, 1.0, (4.6245, 0.519), (2.8525, 0.113)),
    (16, 0.1, (2.6775, 0.00418), (2.0366, 0.0013)),
    (16, 1.0, (4.1837, 0.211), (2.4674, 0.0275)),
    (64, 0.1, (2.6619, 0.00424), (2.0252, 0.000945)),
    (64, 1.0, (3.7833, 0.135), (2.341, 0.0439)),
];

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let head_sizes = settings.integers("head_sizes")?;
    for scale in settings.numbers("scales")? {
        let mut all: [Vec<f64>; 2] = Default::default();
        for &head_size in &head_sizes {
            let samples = conditions(settings, (head_size, scale), run)?;
            for (all, sample) in all.iter_mut().zip(&samples) {
                all.extend(sample.values());
            }
            record(evidence, settings, (head_size, scale), samples)?;
        }
        let [causal, bidirectional] = all.map(Sample::new);
        let between = |sample: &Sample| {
            let (low, high) = sample.extremes();
            format!("{} to {}", short(low), short(high))
        };
        let text = format!(
            "scale {scale}: with the skip connection, cond(I + A) is {} causal and {} bidirectional, over all head \
             sizes and draws",
            between(&causal),
            between(&bidirectional)
        );
        // Support: the bidirectional layer is nearly singular where the causal one is not.
        evidence.weigh(bidirectional.mean() > MANY && causal.mean() < MANY, text);
    }
    Ok(())
}

/// cond(I + A) over the draws, causal and bidirectional.
fn conditions(settings: &Settings, (head_size, scale): (usize, f64), run: &Run) -> Result<[Sample; 2]> {
    let n = settings.integer("n")?;
    let stage = format!("residual, D = {head_size}, scale {scale}");
    let pairs = rank::many(&seeds(settings)?, &stage, run, |&seed| {
        let draw = Draw::independent(n, head_size, seed);
        let of = |mask| condition(draw.weights(scale, &mask, settings.device())?);
        Ok([of(Mask::causal())?, of(Mask::bidirectional())?])
    })?;
    Ok([0, 1].map(|mask| pairs.iter().map(|pair: &[f64; 2]| pair[mask]).collect()))
}

fn record(
    evidence: &mut Evidence,
    settings: &Settings,
    (head_size, scale): (usize, f64),
    samples: [Sample; 2],
) -> Result<()> {
    let names = ["causal", "bidirectional"]
        .map(|mask| format!("condition_with_skip_{mask}_d{head_size}_scale_{scale}"));
    for (name, sample) in names.iter().zip(samples) {
        evidence.measure_sample(name, sample, "");
    }
    let n = settings.integer("n")?;
    let known = REFERENCE.iter().find(|known| n == 256 && (known.0, known.1) == (head_size, scale));
    if let Some((_, _, causal, bidirectional)) = known {
        for (name, (mean, sd)) in names.iter().zip([causal, bidirectional]) {
            evidence.expect_mean(name, (*mean, 1.5 * sd, 10), "numpy, 10 draws at n = 256")?;
        }
    }
    Ok(())
}

/// cond(I + A).
pub(super) fn condition(weights: Array2<f64>) -> Result<f64> {
    let with_skip = Array2::eye(weights.nrows()) + weights;
    Ok(Spectrum::of(with_skip.view())?.condition().map_or(f64::INFINITY, |condition| condition.value))
}
