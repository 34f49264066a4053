//! The limit of small logits, where the argument is right: J/n against the Cesàro matrix.

use super::super::{Draw, Evidence, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// n, and of the Cesàro matrix (cᵢⱼ = 1/i for j ≤ i) the effective rank and σ₁/σ_min, by numpy.
const CESARO: &[(usize, f64, f64)] = &[
    (16, 8.58371810, 39.9800953),
    (32, 13.6018806, 88.7984025),
    (64, 21.0640998, 191.327200),
    (128, 31.9967735, 403.795093),
    (256, 47.8209974, 840.206409),
    (512, 70.4955639, 1731.20087),
    (1024, 102.709132, 3542.58077),
];

/// Logits times 0, in f64 on the CPU: no draw matters.
pub(super) fn limit(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let mut sizes = settings.integers("sizes")?;
    sizes.sort_unstable();
    sizes.dedup();
    let seed = settings.seed()?;
    let spectra = rank::many(&sizes, "uniform attention", run, |&n| {
        let draw = Draw::independent(n, 1, seed);
        let of = |mask: Mask| {
            run.check()?;
            Spectrum::of(draw.weights(0.0, &mask, &Device::Cpu)?.view())
        };
        Ok((of(Mask::causal())?, of(Mask::bidirectional())?))
    })?;
    for (&n, (causal, bidirectional)) in sizes.iter().zip(&spectra) {
        let condition = causal.condition().map_or(f64::INFINITY, |condition| condition.value);
        evidence.measure(format!("uniform_effective_rank_causal_n{n}"), causal.effective_rank(), "");
        evidence.measure(format!("uniform_condition_causal_n{n}"), condition, "");
        evidence.measure(format!("uniform_rank_bidirectional_n{n}"), rank_f64(bidirectional), "");
        evidence.expect(format!("uniform_rank_bidirectional_n{n}"), 1.0, 0.0, "J/n is of rank 1");
        if let Some(&(_, rank, condition)) = CESARO.iter().find(|(size, ..)| *size == n) {
            let source = "the Cesàro matrix by numpy";
            evidence.expect(format!("uniform_effective_rank_causal_n{n}"), rank, 1e-6 * rank, source);
            evidence.expect(format!("uniform_condition_causal_n{n}"), condition, 1e-6 * condition, source);
        }
    }
    if let (Some(n), Some((causal, bidirectional))) = (sizes.last(), spectra.last()) {
        weigh(evidence, *n, causal, bidirectional);
    }
    Ok(())
}

fn rank_f64(spectrum: &Spectrum) -> f64 {
    spectrum.numerical_rank(Tolerance::F64) as f64
}

fn weigh(evidence: &mut Evidence, n: usize, causal: &Spectrum, bidirectional: &Spectrum) {
    let short = crate::numbers::short;
    let text = format!(
        "in the limit of zero logits and n = {n}, bidirectional attention is the matrix of 1/n with f64 rank {}, \
         causal attention the Cesàro matrix with f64 rank {}",
        rank_f64(bidirectional),
        rank_f64(causal)
    );
    evidence.weigh(rank_f64(bidirectional) < rank_f64(causal), text);
    let share = causal.effective_rank() / n as f64;
    let text = format!(
        "the full rank of that Cesàro matrix is an effective rank of {} of {n}, {} of it",
        short(causal.effective_rank()),
        short(share)
    );
    // Below a half, the causal side of the comparison is of low effective rank as well.
    evidence.weigh(share >= 0.5, text);
}
