//! The limit of small logits, where the argument is right: J/n against the Cesàro matrix.

use crate::claim::{Draw, Evidence};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
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

/// Spectra of uniform attention at n: causal, bidirectional.
pub(super) struct Uniform {
    n: usize,
    causal: Spectrum,
    bidirectional: Spectrum,
}

/// Logits times 0, in f64 on the CPU: no draw matters.
pub(super) fn measure(sizes: &[usize], run: &Run) -> Result<Vec<Uniform>> {
    rank::many(sizes, "uniform attention", run, |&n| {
        let draw = Draw::independent(n, 1, 0);
        let of = |mask: Mask| {
            run.check()?;
            Spectrum::of(draw.weights(0.0, &mask, &Device::Cpu)?.view())
        };
        Ok(Uniform { n, causal: of(Mask::causal())?, bidirectional: of(Mask::bidirectional())? })
    })
}

fn rank_f64(spectrum: &Spectrum) -> f64 {
    spectrum.numerical_rank(Tolerance::F64) as f64
}

pub(super) fn report(evidence: &mut Evidence, sizes: &[Uniform]) {
    for Uniform { n, causal, bidirectional } in sizes {
        let known = CESARO.iter().find(|known| known.0 == *n);
        let condition = causal.condition().map_or(f64::INFINITY, |condition| condition.value);
        for (what, value, known) in [
            ("effective_rank", causal.effective_rank(), known.map(|known| known.1)),
            ("condition", condition, known.map(|known| known.2)),
        ] {
            let measured = evidence.measure(format!("uniform_{what}_causal_n{n}"), value, "");
            if let Some(known) = known {
                measured.expect(known, 1e-6 * known, "the Cesàro matrix by numpy");
            }
        }
        let rank = evidence.measure(format!("uniform_rank_bidirectional_n{n}"), rank_f64(bidirectional), "");
        rank.expect(1.0, 0.0, "J/n is of rank 1");
    }
    let Some(Uniform { n, causal, bidirectional }) = sizes.last() else { return };
    let text = format!(
        "in the limit of zero logits and n = {n}, bidirectional attention is the matrix of 1/n with f64 rank {}, \
         causal attention the Cesàro matrix with f64 rank {}",
        rank_f64(bidirectional),
        rank_f64(causal)
    );
    evidence.weigh(rank_f64(bidirectional) < rank_f64(causal), text);
    let share = causal.effective_rank() / *n as f64;
    let text = format!(
        "the full rank of that Cesàro matrix is an effective rank of {} of {n}, {} of it",
        short(causal.effective_rank()),
        short(share)
    );
    // Below a half, the causal side of the comparison is of low effective rank as well.
    evidence.weigh(share >= 0.5, text);
}
