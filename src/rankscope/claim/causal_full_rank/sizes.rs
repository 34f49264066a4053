//! Numerical rank as the sequence grows, and over the logit scale.

use super::NUMPY;
use crate::claim::chart::curve;
use crate::claim::{Draw, Evidence, Known, Outcome, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// What the draws lose to rounding under one mask, in directions.
pub(super) struct Lost {
    pub f64: Sample,
    /// Of the weights that the device computed.
    pub f32: Sample,
    pub effective: Sample,
}

impl Lost {
    /// Whether f64 sees full rank in every draw.
    pub fn outcome(&self) -> Outcome {
        if self.f64.count_where(|lost| lost > 0.0) == 0 { Outcome::Holds } else { Outcome::Fails }
    }
}

/// The mask on trial, beside bidirectional attention of the same draws.
pub(super) struct AtSize {
    pub n: usize,
    pub masked: Lost,
    pub bidirectional: Lost,
}

pub(super) struct AtScale {
    pub scale: f64,
    pub lost: Lost,
}

pub(super) fn over_sizes(settings: &Settings, mask: &Mask, run: &Run) -> Result<Vec<AtSize>> {
    let scale = settings.number("scale")?;
    let at = |n| {
        let masked = lost(settings, (n, scale), mask, run)?;
        Ok(AtSize { n, masked, bidirectional: lost(settings, (n, scale), &Mask::bidirectional(), run)? })
    };
    settings.integers("sizes")?.into_iter().map(at).collect()
}

pub(super) fn over_scales(settings: &Settings, mask: &Mask, run: &Run) -> Result<Vec<AtScale>> {
    let n = settings.integer("n")?;
    let at = |scale| Ok(AtScale { scale, lost: lost(settings, (n, scale), mask, run)? });
    settings.numbers("scales")?.into_iter().map(at).collect()
}

fn lost(settings: &Settings, (n, scale): (usize, f64), mask: &Mask, run: &Run) -> Result<Lost> {
    let head_size = settings.integer("head_size")?;
    let draws = rank::many(&settings.seeds("seeds")?, &format!("rank at n = {n}"), run, |&seed| {
        let draw = Draw::independent(n, head_size, seed);
        let spectrum = Spectrum::of(draw.weights(scale, mask, &Device::Cpu)?.view())?;
        let lost = |spectrum: &Spectrum, tolerance| (n - spectrum.numerical_rank(tolerance)) as f64;
        let lost_f32 = match settings.device() {
            Device::Cpu => lost(&spectrum, Tolerance::F32),
            gpu => lost(&Spectrum::of(draw.weights(scale, mask, gpu)?.view())?, Tolerance::F32),
        };
        Ok([lost(&spectrum, Tolerance::F64), lost_f32, spectrum.effective_rank()])
    })?;
    let [f64, f32, effective] = [0, 1, 2].map(|column| draws.iter().map(|draw| draw[column]).collect());
    Ok(Lost { f64, f32, effective })
}

/// Means with their standard deviations.
type Spreads = [(f64, f64); 5];

/// D = 16 and unit scale: n, draws, then mean and sd of what f64 and f32 lose causally and what f32 loses
/// bidirectionally (f64 loses nothing there), and of the causal and bidirectional effective rank.
const AT_SIZE: [(usize, usize, Spreads); 6] = [
    (16, 40, [(0.0, 0.0), (0.15, 0.362), (0.0, 0.0), (9.109, 0.65), (9.938, 0.488)]),
    (32, 40, [(0.0, 0.0), (1.2, 0.405), (0.0, 0.0), (16.363, 0.567), (18.741, 0.561)]),
    (64, 40, [(0.85, 0.362), (3.2, 0.608), (0.0, 0.0), (30.37, 0.931), (34.436, 0.817)]),
    (128, 40, [(2.03, 0.276), (6.67, 0.616), (0.12, 0.335), (56.025, 1.3), (62.592, 1.17)]),
    (256, 20, [(4.25, 0.444), (14.65, 0.813), (0.7, 0.47), (102.55, 1.63), (111.85, 1.77)]),
    (512, 8, [(8.5, 0.535), (32.12, 0.641), (4.0, 0.535), (185.86, 2.55), (194.17, 2.86)]),
];

/// D = 16 and n = 128: scale, then mean and sd of what f64 loses causally in 40 draws. At 0 the matrix is the
/// Cesàro matrix, whose condition number grows only like 4n.
const AT_SCALE: [(f64, f64, f64); 7] = [
    (0.0, 0.0, 0.0),
    (0.1, 0.0, 0.0),
    (0.5, 0.38, 0.49),
    (1.0, 2.03, 0.276),
    (2.0, 3.72, 0.452),
    (4.0, 6.62, 0.586),
    (8.0, 11.55, 0.876),
];

/// The numbers, under the name of the mask; `is_reference`: causal, D = 16, unit scale.
pub(super) fn report(
    evidence: &mut Evidence,
    settings: &Settings,
    (sizes, mask): (Vec<AtSize>, &str),
    is_reference: bool,
) {
    picture(evidence, settings, &sizes, mask);
    for AtSize { n, masked, bidirectional } in sizes {
        evidence.weigh(
            masked.outcome() == Outcome::Holds,
            format!("n = {n}: of {n} directions, {} are lost to f64 and {} to f32", masked.f64, masked.f32),
        );
        let known = AT_SIZE.iter().find(|known| is_reference && known.0 == n);
        let known = |column: usize| known.map(|(_, draws, all)| (all[column], *draws));
        let known = |column| known(column).map(|((mean, sd), draws)| Known::new(mean, sd, draws));
        let mut record = |name: &str, mask: &str, sample, known: Option<Known>| {
            let is_count = name != "effective_rank";
            let unit = if is_count { "directions" } else { "" };
            let measured = evidence.measure_sample(format!("{name}_{mask}_n{n}"), sample, unit);
            match known {
                Some(known) if is_count => measured.expect_mean_count(known, NUMPY),
                Some(known) => measured.expect_mean(known, NUMPY),
                None => measured,
            };
        };
        record("lost_f64", mask, masked.f64, known(0));
        record("lost_f32", mask, masked.f32, known(1));
        record("effective_rank", mask, masked.effective, known(3));
        if mask != "bidirectional" {
            record("lost_f64", "bidirectional", bidirectional.f64, None);
            record("lost_f32", "bidirectional", bidirectional.f32, known(2));
            record("effective_rank", "bidirectional", bidirectional.effective, known(4));
        }
    }
}

/// The numbers over scales, at n; `is_reference`: causal, D = 16, n = 128.
pub(super) fn report_scales(
    evidence: &mut Evidence,
    (n, scales): (usize, Vec<AtScale>),
    mask: &str,
    is_reference: bool,
) {
    for AtScale { scale, lost } in scales {
        let text = format!("logit scale {scale}, n = {n}: {} of {n} directions are lost to f64", lost.f64);
        evidence.weigh(lost.outcome() == Outcome::Holds, text);
        let name = format!("lost_f64_{mask}_scale_{scale}");
        let measured = evidence.measure_sample(name, lost.f64, "directions");
        if let Some((_, mean, sd)) = AT_SCALE.iter().find(|known| is_reference && known.0 == scale) {
            measured.expect_mean_count(Known::new(*mean, *sd, 40), NUMPY);
        }
    }
}

fn picture(evidence: &mut Evidence, settings: &Settings, sizes: &[AtSize], mask: &str) {
    let of = |kind, name: String, lost: &dyn Fn(&AtSize) -> Sample| {
        let points: Vec<_> = sizes.iter().map(|at| (at.n as f64, lost(at))).collect();
        curve(name, kind, &points)
    };
    let mut curves = vec![
        of(Kind::Causal, format!("{mask}, f64"), &|at| at.masked.f64.clone()),
        of(Kind::Causal, format!("{mask}, f32"), &|at| at.masked.f32.clone()),
    ];
    if mask != "bidirectional" {
        curves.push(of(Kind::Bidirectional, "bidirectional, f64".into(), &|at| at.bidirectional.f64.clone()));
        curves.push(of(Kind::Bidirectional, "bidirectional, f32".into(), &|at| at.bidirectional.f32.clone()));
    }
    let figure = Lines {
        title: "Directions lost to rounding as the sequence grows".into(),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::linear("n − numerical rank"),
        curves,
        references: Vec::new(),
        settings: settings.record(),
    };
    let caption = format!(
        "How many of the n directions of {mask} attention count as zero at the tolerances of f64 and f32, mean and \
         standard deviation over draws; bidirectional attention of the same queries and keys beside it."
    );
    evidence.show("lost-directions", caption, figure);
}
