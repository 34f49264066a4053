//! What one point of the experiment says.

use super::{Pair, Point};
use crate::claim::{Evidence, Sample};
use crate::device::Device;
use crate::error::Result;
use crate::numbers::short;
use crate::rank::{Condition, Spectrum};

/// Effective ranks and condition numbers, mixed and bidirectional, at n = 256 and scale 1 (3 draws).
const REFERENCE: [(usize, [f64; 2], [f64; 2]); 3] = [
    (4, [101.5, 46.3], [2.5e5, 8e6]),
    (16, [134.3, 127.5], [2e4, 2.5e4]),
    (64, [146.8, 160.9], [1.3e4, 1e4]),
];

/// Records everything about one point.
pub(super) fn point(evidence: &mut Evidence, point: &Point, pairs: &[Pair], device: &Device) -> Result<()> {
    side_by_side(evidence, point, pairs, device);
    in_layers(evidence, point, pairs);
    if *device == Device::Cpu {
        conditions(evidence, point, pairs);
    }
    if point.n == 256 && point.scale == 1.0 {
        expect_reference(evidence, point, device)?;
    }
    if point.scale == 0.0 {
        let name = format!("rank_bidirectional_{}", point.suffix());
        evidence.expect(name, 1.0, 1e-6, "logits of 0: every weight is 1/n");
    }
    Ok(())
}

fn over(pairs: &[Pair], of: impl Fn(&Pair) -> f64) -> Sample {
    pairs.iter().map(of).collect()
}

/// Heads side by side: their mean.
fn side_by_side(evidence: &mut Evidence, point: &Point, pairs: &[Pair], device: &Device) {
    let mixed = over(pairs, |pair| pair.mixed.effective_rank());
    let bidirectional = over(pairs, |pair| pair.bidirectional.effective_rank());
    let causal_alone = over(pairs, |pair| pair.causal_alone.effective_rank());
    let bidirectional_alone = over(pairs, |pair| pair.bidirectional_alone.effective_rank());
    let gain = mixed.minus(&bidirectional);
    let lacking =
        if *device == Device::Cpu { "" } else { "; condition numbers need entries in f64: cpu only" };
    let text = format!(
        "heads at scale {}, D = {}: the mean of two has effective rank {mixed} of {} with mixed directions, \
         {bidirectional} bidirectional; paired difference {gain} over {} draws (alone: causal {causal_alone}, \
         bidirectional {bidirectional_alone}){lacking}",
        point.scale,
        point.head_size,
        point.n,
        pairs.len()
    );
    evidence.weigh(gain.mean() > 0.0, text);
    let suffix = point.suffix();
    evidence.measure_sample(format!("rank_mixed_{suffix}"), mixed, "");
    evidence.measure_sample(format!("rank_bidirectional_{suffix}"), bidirectional, "");
    evidence.measure_sample(format!("gain_{suffix}"), gain, "");
    evidence.measure_sample(format!("rank_causal_alone_{suffix}"), causal_alone, "");
    evidence.measure_sample(format!("rank_bidirectional_alone_{suffix}"), bidirectional_alone, "");
}

/// Layers that alternate: the product of their weights.
fn in_layers(evidence: &mut Evidence, point: &Point, pairs: &[Pair]) {
    let mixed = over(pairs, |pair| pair.layers_mixed.effective_rank());
    let bidirectional = over(pairs, |pair| pair.layers_bidirectional.effective_rank());
    let gain = mixed.minus(&bidirectional);
    let text = format!(
        "layers at scale {}, D = {}: anti-causal after causal leaves effective rank {mixed}, bidirectional after \
         bidirectional {bidirectional}; paired difference {gain}",
        point.scale, point.head_size
    );
    evidence.weigh(gain.mean() > 0.0, text);
    let suffix = point.suffix();
    evidence.measure_sample(format!("rank_layers_mixed_{suffix}"), mixed, "");
    evidence.measure_sample(format!("rank_layers_bidirectional_{suffix}"), bidirectional, "");
    evidence.measure_sample(format!("layers_gain_{suffix}"), gain, "");
}

/// Condition numbers of the means, which need entries in f64: they are measured on the CPU alone.
fn conditions(evidence: &mut Evidence, point: &Point, pairs: &[Pair]) {
    let of = |spectrum: fn(&Pair) -> &Spectrum| -> (Sample, bool) {
        let all: Vec<Condition> = pairs.iter().filter_map(|pair| spectrum(pair).condition()).collect();
        let bound = all.iter().any(|condition| condition.is_lower_bound);
        (all.iter().map(|condition| condition.value.log10()).collect(), bound)
    };
    let (mixed, mixed_bound) = of(|pair| &pair.mixed);
    let (bidirectional, bidirectional_bound) = of(|pair| &pair.bidirectional);
    let said = |log: &Sample, is_bound: bool| {
        let at_least = if is_bound { "at least " } else { "" };
        format!("{at_least}{}", short(10f64.powf(log.mean())))
    };
    let text = format!(
        "heads at scale {}, D = {}: condition number {} with mixed directions, {} bidirectional (geometric means)",
        point.scale,
        point.head_size,
        said(&mixed, mixed_bound),
        said(&bidirectional, bidirectional_bound)
    );
    evidence.weigh(mixed.mean() < bidirectional.mean(), text);
    let suffix = point.suffix();
    evidence.measure_sample(format!("log10_condition_mixed_{suffix}"), mixed, "");
    evidence.measure_sample(format!("log10_condition_bidirectional_{suffix}"), bidirectional, "");
}

/// The reference's spread is not known: ours, over ours and its 3 draws, stands for it.
fn expect_reference(evidence: &mut Evidence, point: &Point, device: &Device) -> Result<()> {
    const SOURCE: &str = "3 draws of this project's reference, at our spread";
    const CONDITIONS: &str = "the same, whose mean condition number may be an arithmetic one";
    let Some((_, ranks, conditions)) = REFERENCE.iter().find(|(size, ..)| *size == point.head_size) else {
        return Ok(());
    };
    for (kind, index) in [("mixed", 0), ("bidirectional", 1)] {
        let rank = format!("rank_{kind}_{}", point.suffix());
        let sd = evidence.sample(&rank)?.sd();
        evidence.expect_mean(&rank, (ranks[index], sd, 3), SOURCE)?;
        if *device == Device::Cpu {
            let condition = format!("log10_condition_{kind}_{}", point.suffix());
            let sd = evidence.sample(&condition)?.sd();
            evidence.expect_mean(&condition, (conditions[index].log10(), sd, 3), CONDITIONS)?;
        }
    }
    Ok(())
}
