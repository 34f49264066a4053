//! The residual connection: I + A is well conditioned under either mask.

use ndarray::Array2;

use crate::claim::{Draw, Evidence, Known, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{self, Spectrum};
use crate::run::Run;

/// A condition number from which a layer's own mixing would count as nearly singular: it leaves half of the
/// digits of f32.
const MANY: f64 = 1e3;

/// D, scale, mean and sd of cond(I + A) causal, then bidirectional: numpy, 10 draws at n = 256.
type Row = (usize, f64, (f64, f64), (f64, f64));
const KNOWN: [Row; 6] = [
    (4, 0.1, (2.7118, 0.0126), (2.061, 0.0046)),
    (4, 1.0, (4.6245, 0.519), (2.8525, 0.113)),
    (16, 0.1, (2.6775, 0.00418), (2.0366, 0.0013)),
    (16, 1.0, (4.1837, 0.211), (2.4674, 0.0275)),
    (64, 0.1, (2.6619, 0.00424), (2.0252, 0.000945)),
    (64, 1.0, (3.7833, 0.135), (2.341, 0.0439)),
];

/// cond(I + A) at one head size and scale, causal and bidirectional.
pub(super) struct WithSkip {
    head_size: usize,
    scale: f64,
    condition: [Sample; 2],
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Vec<WithSkip>> {
    let (scales, head_sizes) = (settings.numbers("scales")?, settings.integers("head_sizes")?);
    let places = scales.iter().flat_map(|&scale| head_sizes.iter().map(move |&head_size| (head_size, scale)));
    let at = |(head_size, scale)| {
        Ok(WithSkip { head_size, scale, condition: conditions(settings, (head_size, scale), run)? })
    };
    places.map(at).collect()
}

/// cond(I + A) over the draws, causal and bidirectional.
fn conditions(settings: &Settings, (head_size, scale): (usize, f64), run: &Run) -> Result<[Sample; 2]> {
    let n = settings.integer("n")?;
    let stage = format!("residual, D = {head_size}, scale {scale}");
    let pairs = rank::many(&settings.seeds("seeds")?, &stage, run, |&seed| {
        let draw = Draw::independent(n, head_size, seed);
        let of = |mask| condition(draw.weights(scale, &mask, settings.device())?);
        Ok([of(Mask::causal())?, of(Mask::bidirectional())?])
    })?;
    Ok([0, 1].map(|mask| pairs.iter().map(|pair: &[f64; 2]| pair[mask]).collect()))
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, all: &[WithSkip]) -> Result<()> {
    let n = settings.integer("n")?;
    for at in all.chunk_by(|a, b| a.scale == b.scale) {
        weigh(evidence, at);
    }
    for WithSkip { head_size, scale, condition } in all {
        let known = KNOWN.iter().find(|known| n == 256 && (known.0, known.1) == (*head_size, *scale));
        let known = known.map(|known| [known.2, known.3]);
        for (which, mask) in ["causal", "bidirectional"].into_iter().enumerate() {
            let name = format!("condition_with_skip_{mask}_d{head_size}_scale_{scale}");
            let measured = evidence.measure_sample(name, condition[which].clone(), "");
            if let Some((mean, sd)) = known.map(|known| known[which]) {
                measured.expect_mean(Known::new(mean, sd, 10), "numpy, 10 draws at n = 256");
            }
        }
    }
    Ok(())
}

/// One scale, over its head sizes.
fn weigh(evidence: &mut Evidence, at: &[WithSkip]) {
    let all = |mask: usize| at.iter().flat_map(|at| at.condition[mask].values().iter().copied()).collect();
    let (causal, bidirectional): (Sample, Sample) = (all(0), all(1));
    let between = |sample: &Sample| {
        let (low, high) = sample.extremes();
        format!("{} to {}", short(low), short(high))
    };
    let text = format!(
        "scale {}: with the skip connection, cond(I + A) is {} causal and {} bidirectional, over all head sizes and \
         draws",
        at[0].scale,
        between(&causal),
        between(&bidirectional)
    );
    // Support: the bidirectional layer is nearly singular where the causal one is not.
    evidence.weigh(bidirectional.mean() > MANY && causal.mean() < MANY, text);
}

/// cond(I + A).
pub(super) fn condition(weights: Array2<f64>) -> Result<f64> {
    let with_skip = Array2::eye(weights.nrows()) + weights;
    Ok(Spectrum::of(with_skip.view())?.condition().map_or(f64::INFINITY, |condition| condition.value))
}
