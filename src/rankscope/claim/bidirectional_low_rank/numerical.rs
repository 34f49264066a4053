//! Numerical ranks, of weights that are computed in f64 on the CPU whatever the device.

use super::super::{Draw, Evidence, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// The head size and the factor on the logits at which ranks are followed over n.
const HEAD_SIZE: usize = 16;
const SCALE: f64 = 1.0;

/// Of both masks: causal, bidirectional.
type Pair = [Spectrum; 2];

fn spectra(draw: &Draw, scale: f64, run: &Run) -> Result<Pair> {
    let of = |mask: Mask| {
        run.check()?;
        Spectrum::of(draw.weights(scale, &mask, &Device::Cpu)?.view())
    };
    Ok([of(Mask::causal())?, of(Mask::bidirectional())?])
}

fn draws(settings: &Settings, n: usize, head_size: usize, scale: f64, run: &Run) -> Result<Vec<Pair>> {
    let seed = settings.seed()?;
    let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| seed + draw).collect();
    let stage = format!("ranks at n = {n}");
    rank::many(&seeds, &stage, run, |&seed| spectra(&Draw::independent(n, head_size, seed), scale, run))
}

fn sample(pairs: &[Pair], mask: usize, of: impl Fn(&Spectrum) -> f64) -> Sample {
    pairs.iter().map(|pair| of(&pair[mask])).collect()
}

/// Where the argument is at its best: a small head and small logits, at a coarse tolerance.
pub(super) fn tolerance(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let tolerance = Tolerance::relative(1e-3)?;
    let pairs = draws(settings, 64, 2, 0.5, run)?;
    let rank = |mask| sample(&pairs, mask, |spectrum| spectrum.numerical_rank(tolerance) as f64);
    let (causal, bidirectional) = (rank(0), rank(1));
    let text = format!(
        "n = 64, D = 2, logits halved: of 64 directions, {bidirectional} bidirectional and {causal} causal ones \
         are above 10⁻³ of the first (f64 on the CPU)"
    );
    evidence.weigh(causal.mean() > bidirectional.mean(), text);
    evidence.measure_sample("rank_at_1e-3_bidirectional", bidirectional, "");
    evidence.measure_sample("rank_at_1e-3_causal", causal, "");
    evidence.expect_mean("rank_at_1e-3_bidirectional", (13.175, 1.01, 40), NUMPY)?;
    evidence.expect_mean("rank_at_1e-3_causal", (61.55, 0.639, 40), NUMPY)
}

/// What numpy 2.4 gives over 40 draws of its own generator.
pub(super) const NUMPY: &str = "numpy, 40 other draws";

/// What numpy gives at D = 16 and unit scale: n, then mean ± sd of the numerical rank, causal and
/// bidirectional, in f32 and in f64.
type Known = (usize, [[(f64, f64); 2]; 2]);
const REFERENCE: &[Known] = &[
    (32, [[(30.8, 0.405), (32.0, 0.0)], [(32.0, 0.0), (32.0, 0.0)]]),
    (64, [[(60.8, 0.608), (64.0, 0.0)], [(63.15, 0.362), (64.0, 0.0)]]),
    (128, [[(121.3, 0.616), (127.9, 0.335)], [(126.0, 0.276), (128.0, 0.0)]]),
    (256, [[(241.5, 0.877), (255.3, 0.483)], [(251.7, 0.474), (256.0, 0.0)]]),
];

const MASKS: [(&str, Kind); 2] = [("causal", Kind::Causal), ("bidirectional", Kind::Bidirectional)];

/// Effective rank, and numerical rank in f32 and f64, as n grows.
pub(super) fn over_sizes(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let mut sizes = settings.integers("sizes")?;
    sizes.sort_unstable();
    sizes.dedup();
    let mut all = Vec::new();
    for &n in &sizes {
        all.push((n, draws(settings, n, HEAD_SIZE, SCALE, run)?));
    }
    for (n, pairs) in &all {
        for (mask, (name, _)) in MASKS.iter().enumerate() {
            let f32 = sample(pairs, mask, |spectrum| spectrum.numerical_rank(Tolerance::F32) as f64);
            let f64 = sample(pairs, mask, |spectrum| spectrum.numerical_rank(Tolerance::F64) as f64);
            evidence.measure_sample(format!("rank_f32_{name}_n{n}"), f32, "");
            evidence.measure_sample(format!("rank_f64_{name}_n{n}"), f64, "");
        }
        expect(evidence, *n)?;
    }
    weigh(evidence, &all)?;
    evidence.show("over-n", caption(), picture(settings, &all));
    Ok(())
}

fn expect(evidence: &mut Evidence, n: usize) -> Result<()> {
    let Some((_, reference)) = REFERENCE.iter().find(|(size, _)| *size == n) else { return Ok(()) };
    for (dtype, by_mask) in ["f32", "f64"].into_iter().zip(reference) {
        for ((name, _), &(mean, sd)) in MASKS.iter().zip(by_mask) {
            // A count that was the same in all 40 draws may still differ by one in some other draw.
            evidence.expect_mean(&format!("rank_{dtype}_{name}_n{n}"), (mean, sd.max(0.3), 40), NUMPY)?;
        }
    }
    Ok(())
}

fn weigh(evidence: &mut Evidence, all: &[(usize, Vec<Pair>)]) -> Result<()> {
    // What rounding adds to a computed singular value stays below that tolerance: above it, none is zero.
    let is_full = |pair: &&&Pair| pair[1].numerical_rank(Tolerance::F64) == pair[1].values().len();
    let draws: Vec<&Pair> = all.iter().flat_map(|(_, pairs)| pairs).collect();
    let full = draws.iter().filter(is_full).count();
    let share = full as f64 / draws.len() as f64;
    let text = format!(
        "D = {HEAD_SIZE}: in {full} of {} draws over all n, every singular value of the bidirectional matrix \
         exceeds n · 2⁻⁵² · σ₁, the tolerance under which rounding stays: none of these matrices is singular",
        draws.len()
    );
    evidence.weigh(share < 1.0, text);
    evidence.measure("share_full_rank_f64", share, "");
    if let Some((n, _)) = all.last() {
        for dtype in ["f32", "f64"] {
            let (causal, bidirectional) = (
                evidence.sample(&format!("rank_{dtype}_causal_n{n}"))?.clone(),
                evidence.sample(&format!("rank_{dtype}_bidirectional_n{n}"))?.clone(),
            );
            let text = format!(
                "n = {n}, D = {HEAD_SIZE}, unit scale: numerical rank in {dtype} {bidirectional} bidirectional, \
                 {causal} causal (f64 on the CPU)"
            );
            evidence.weigh(bidirectional.mean() < causal.mean(), text);
        }
    }
    Ok(())
}

fn caption() -> String {
    format!(
        "Ranks of attention weights as a share of n, over n, at D = {HEAD_SIZE} and unit scale, mean ± sd over \
         draws: solid lines are the effective rank, dashed ones the numerical rank in f32, dotted ones in f64."
    )
}

fn picture(settings: &Settings, all: &[(usize, Vec<Pair>)]) -> Lines {
    let share = |rank: f64, spectrum: &Spectrum| rank / spectrum.values().len() as f64;
    type Measure<'a> = (&'a str, &'a dyn Fn(&Spectrum) -> f64);
    let measures: [Measure; 3] = [
        ("effective", &|spectrum| share(spectrum.effective_rank(), spectrum)),
        ("numerical f32", &|spectrum| share(spectrum.numerical_rank(Tolerance::F32) as f64, spectrum)),
        ("numerical f64", &|spectrum| share(spectrum.numerical_rank(Tolerance::F64) as f64, spectrum)),
    ];
    let curves = measures.iter().flat_map(|&(measure, of)| {
        MASKS.iter().enumerate().map(move |(mask, &(name, kind))| {
            let samples: Vec<_> = all.iter().map(|(n, pairs)| (*n as f64, sample(pairs, mask, of))).collect();
            let points = samples.iter().map(|(n, sample)| (*n, sample.mean()));
            let spread = samples.iter().map(|(_, sample)| sample.sd());
            Curve::new(format!("{name}, {measure}"), kind, points).with_spread(spread)
        })
    });
    Lines {
        title: "Ranks of attention weights over n".into(),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::linear("rank / n"),
        curves: curves.collect(),
        references: vec![Reference::level("exact rank", 1.0)],
        settings: settings.record(),
    }
}
