//! Numerical ranks, of weights that are computed in f64 on the CPU whatever the device.

use super::NUMPY;
use crate::claim::chart::curve;
use crate::claim::{Draw, Evidence, Known, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// The head size and the factor on the logits at which ranks are followed over n.
const HEAD_SIZE: usize = 16;
const SCALE: f64 = 1.0;

/// Of both masks: causal, bidirectional.
type Pair = [Spectrum; 2];

/// The names of both masks, and their looks.
const MASKS: [(&str, Kind); 2] = [("causal", Kind::Causal), ("bidirectional", Kind::Bidirectional)];

/// Ranks of one size under both masks.
pub(super) struct AtSize {
    pub n: usize,
    f32: [Sample; 2],
    f64: [Sample; 2],
    effective: [Sample; 2],
}

impl AtSize {
    /// How many draws keep full rank bidirectionally as f64 sees it, and how many there are.
    ///
    /// What rounding adds to a computed singular value stays below that tolerance: above it, none is zero.
    pub fn full(&self) -> (usize, usize) {
        let ranks = &self.f64[1];
        (ranks.count_where(|rank| rank == self.n as f64), ranks.count())
    }
}

/// Ranks at n = 64, D = 2 and scale 0.5, at the tolerance 10⁻³: causal, bidirectional.
pub(super) struct Coarse([Sample; 2]);

fn spectra(draw: &Draw, scale: f64, run: &Run) -> Result<Pair> {
    let of = |mask: Mask| {
        run.check()?;
        Spectrum::of(draw.weights(scale, &mask, &Device::Cpu)?.view())
    };
    Ok([of(Mask::causal())?, of(Mask::bidirectional())?])
}

fn draws(settings: &Settings, n: usize, head_size: usize, scale: f64, run: &Run) -> Result<Vec<Pair>> {
    let seeds = settings.seeds("seeds")?;
    let stage = format!("ranks at n = {n}");
    rank::many(&seeds, &stage, run, |&seed| spectra(&Draw::independent(n, head_size, seed), scale, run))
}

fn sample(pairs: &[Pair], mask: usize, of: impl Fn(&Spectrum) -> f64) -> Sample {
    pairs.iter().map(|pair| of(&pair[mask])).collect()
}

/// Where the argument is at its best: a small head and small logits, at a coarse tolerance.
pub(super) fn coarse(settings: &Settings, run: &Run) -> Result<Coarse> {
    let tolerance = Tolerance::relative(1e-3)?;
    let pairs = draws(settings, 64, 2, 0.5, run)?;
    Ok(Coarse([0, 1].map(|mask| sample(&pairs, mask, |spectrum| spectrum.numerical_rank(tolerance) as f64))))
}

impl Coarse {
    pub fn report(self, evidence: &mut Evidence) {
        let [causal, bidirectional] = self.0;
        let text = format!(
            "n = 64, D = 2, logits halved: of 64 directions, {bidirectional} bidirectional and {causal} causal ones \
             are above 10⁻³ of the first (f64 on the CPU)"
        );
        evidence.weigh(causal.mean() > bidirectional.mean(), text);
        let measured = evidence.measure_sample("rank_at_1e-3_bidirectional", bidirectional, "");
        measured.expect_mean(Known::new(13.175, 1.01, 40), NUMPY);
        let measured = evidence.measure_sample("rank_at_1e-3_causal", causal, "");
        measured.expect_mean(Known::new(61.55, 0.639, 40), NUMPY);
    }
}

/// What numpy gives at D = 16 and unit scale: n, then mean ± sd of the numerical rank, causal and
/// bidirectional, in f32 and in f64.
type Row = (usize, [[(f64, f64); 2]; 2]);
const KNOWN: &[Row] = &[
    (32, [[(30.8, 0.405), (32.0, 0.0)], [(32.0, 0.0), (32.0, 0.0)]]),
    (64, [[(60.8, 0.608), (64.0, 0.0)], [(63.15, 0.362), (64.0, 0.0)]]),
    (128, [[(121.3, 0.616), (127.9, 0.335)], [(126.0, 0.276), (128.0, 0.0)]]),
    (256, [[(241.5, 0.877), (255.3, 0.483)], [(251.7, 0.474), (256.0, 0.0)]]),
];

/// Effective rank, and numerical rank in f32 and f64, as n grows.
pub(super) fn over_sizes(settings: &Settings, sizes: &[usize], run: &Run) -> Result<Vec<AtSize>> {
    let at = |&n: &usize| {
        let pairs = draws(settings, n, HEAD_SIZE, SCALE, run)?;
        let both = |of: &dyn Fn(&Spectrum) -> f64| [0, 1].map(|mask| sample(&pairs, mask, of));
        Ok(AtSize {
            n,
            f32: both(&|spectrum| spectrum.numerical_rank(Tolerance::F32) as f64),
            f64: both(&|spectrum| spectrum.numerical_rank(Tolerance::F64) as f64),
            effective: both(&|spectrum| spectrum.effective_rank()),
        })
    };
    sizes.iter().map(at).collect()
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, sizes: &[AtSize]) {
    for AtSize { n, f32, f64, .. } in sizes {
        let known = KNOWN.iter().find(|known| known.0 == *n);
        for (format, (dtype, ranks)) in [("f32", f32), ("f64", f64)].into_iter().enumerate() {
            for (mask, (name, _)) in MASKS.iter().enumerate() {
                let measured =
                    evidence.measure_sample(format!("rank_{dtype}_{name}_n{n}"), ranks[mask].clone(), "");
                if let Some((_, known)) = known {
                    let (mean, sd) = known[format][mask];
                    measured.expect_mean_count(Known::new(mean, sd, 40), NUMPY);
                }
            }
        }
    }
    weigh(evidence, sizes);
    let caption = format!(
        "Ranks of attention weights as a share of n, over n, at D = {HEAD_SIZE} and unit scale, mean ± sd over \
         draws: solid lines are the effective rank, dashed ones the numerical rank in f32, dotted ones in f64."
    );
    evidence.show("over-n", caption, picture(settings, sizes));
}

fn weigh(evidence: &mut Evidence, sizes: &[AtSize]) {
    let (full, all) = sizes.iter().map(AtSize::full).fold((0, 0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
    let text = format!(
        "D = {HEAD_SIZE}: in {full} of {all} draws over all n, every singular value of the bidirectional matrix \
         exceeds n · 2⁻⁵² · σ₁, the tolerance under which rounding stays: none of these matrices is singular"
    );
    evidence.weigh(full < all, text);
    evidence.measure("share_full_rank_f64", full as f64 / all as f64, "");
    let Some(AtSize { n, f32, f64, .. }) = sizes.last() else { return };
    for (dtype, [causal, bidirectional]) in [("f32", f32), ("f64", f64)] {
        let text = format!(
            "n = {n}, D = {HEAD_SIZE}, unit scale: numerical rank in {dtype} {bidirectional} bidirectional, \
             {causal} causal (f64 on the CPU)"
        );
        evidence.weigh(bidirectional.mean() < causal.mean(), text);
    }
}

fn picture(settings: &Settings, sizes: &[AtSize]) -> Lines {
    type Measure = (&'static str, fn(&AtSize) -> &[Sample; 2]);
    let measures: [Measure; 3] =
        [("effective", |at| &at.effective), ("numerical f32", |at| &at.f32), ("numerical f64", |at| &at.f64)];
    let curves = measures.iter().flat_map(|&(measure, of)| {
        MASKS.iter().enumerate().map(move |(mask, &(name, kind))| {
            let share = |at: &AtSize| of(at)[mask].values().iter().map(|rank| rank / at.n as f64).collect();
            let points: Vec<_> = sizes.iter().map(|at| (at.n as f64, share(at))).collect();
            curve(format!("{name}, {measure}"), kind, &points)
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
