//! Numerical rank as the sequence grows, and over the logit scale.

use super::super::{Draw, Evidence, Sample, Settings};
use super::{is_reference, seeds};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// What one draw loses under one mask.
struct Ranks {
    lost_f64: f64,
    /// Of the weights that the device computed.
    lost_f32: f64,
    effective: f64,
}

/// D = 16 and unit scale, numpy: n, draws, then mean and sd of what f64 and f32 lose causally and what f32
/// loses bidirectionally (f64 loses nothing there), and of the causal and bidirectional effective rank.
type Reference = (usize, usize, [(f64, f64); 5]);
const REFERENCE: [Reference; 6] = [
    (16, 40, [(0.0, 0.0), (0.15, 0.362), (0.0, 0.0), (9.109, 0.65), (9.938, 0.488)]),
    (32, 40, [(0.0, 0.0), (1.2, 0.405), (0.0, 0.0), (16.363, 0.567), (18.741, 0.561)]),
    (64, 40, [(0.85, 0.362), (3.2, 0.608), (0.0, 0.0), (30.37, 0.931), (34.436, 0.817)]),
    (128, 40, [(2.03, 0.276), (6.67, 0.616), (0.12, 0.335), (56.025, 1.3), (62.592, 1.17)]),
    (256, 20, [(4.25, 0.444), (14.65, 0.813), (0.7, 0.47), (102.55, 1.63), (111.85, 1.77)]),
    (512, 8, [(8.5, 0.535), (32.12, 0.641), (4.0, 0.535), (185.86, 2.55), (194.17, 2.86)]),
];

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let masks = [("causal", Mask::causal()), ("bidirectional", Mask::bidirectional())];
    let scale = settings.number("scale")?;
    let mut curves: Vec<Vec<(f64, Sample)>> = vec![Vec::new(); 4];
    for n in settings.integers("sizes")? {
        for (index, (name, mask)) in masks.iter().enumerate() {
            let ranks = over_draws(settings, (n, scale), mask, run)?;
            let over = |of: fn(&Ranks) -> f64| ranks.iter().map(of).collect::<Sample>();
            let (double, single) = (over(|ranks| ranks.lost_f64), over(|ranks| ranks.lost_f32));
            if *name == "causal" {
                let text = format!(
                    "n = {n}: of the {n} directions that exist exactly, {double} are lost to f64 and {single} to f32"
                );
                evidence.weigh(double.mean() == 0.0, text);
            }
            curves[2 * index].push((n as f64, double.clone()));
            curves[2 * index + 1].push((n as f64, single.clone()));
            evidence.measure_sample(format!("lost_f64_{name}_n{n}"), double, "directions");
            evidence.measure_sample(format!("lost_f32_{name}_n{n}"), single, "directions");
            evidence.measure_sample(format!("effective_rank_{name}_n{n}"), over(|ranks| ranks.effective), "");
        }
        expect(evidence, settings, n)?;
    }
    picture(evidence, settings, curves);
    Ok(())
}

/// The causal rank at `n` for each of `scales`.
pub(super) fn over_scales(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    // numpy, 40 draws at n = 128, D = 16.
    let reference = [
        // Equal scores: the Cesàro matrix, whose condition number grows only like 4n.
        (0.0, 0.0, 0.0),
        (0.1, 0.0, 0.0),
        (0.5, 0.38, 0.49),
        (1.0, 2.03, 0.276),
        (2.0, 3.72, 0.452),
        (4.0, 6.62, 0.586),
        (8.0, 11.55, 0.876),
    ];
    for scale in settings.numbers("scales")? {
        let ranks = over_draws(settings, (n, scale), &Mask::causal(), run)?;
        let lost: Sample = ranks.iter().map(|ranks| ranks.lost_f64).collect();
        let text = format!("logit scale {scale}, n = {n}: {lost} of {n} directions are lost to f64");
        evidence.weigh(lost.mean() == 0.0, text);
        let name = format!("lost_f64_causal_scale_{scale}");
        evidence.measure_sample(&name, lost, "directions");
        let known = reference.iter().find(|known| known.0 == scale);
        if let Some(&(_, mean, sd)) = known.filter(|_| n == 128)
            && settings.integer("head_size")? == 16
        {
            evidence.expect_mean(&name, (mean, sd, 40), "numpy, 40 draws at n = 128, D = 16")?;
        }
    }
    Ok(())
}

fn over_draws(settings: &Settings, (n, scale): (usize, f64), mask: &Mask, run: &Run) -> Result<Vec<Ranks>> {
    let head_size = settings.integer("head_size")?;
    rank::many(&seeds(settings, "seeds")?, &format!("rank at n = {n}"), run, |&seed| {
        let draw = Draw::independent(n, head_size, seed);
        let spectrum = Spectrum::of(draw.weights(scale, mask, &Device::Cpu)?.view())?;
        let lost = |spectrum: &Spectrum, tolerance| (n - spectrum.numerical_rank(tolerance)) as f64;
        let lost_f32 = match settings.device() {
            Device::Cpu => lost(&spectrum, Tolerance::F32),
            gpu => lost(&Spectrum::of(draw.weights(scale, mask, gpu)?.view())?, Tolerance::F32),
        };
        Ok(Ranks {
            lost_f64: lost(&spectrum, Tolerance::F64),
            lost_f32,
            effective: spectrum.effective_rank(),
        })
    })
}

fn expect(evidence: &mut Evidence, settings: &Settings, n: usize) -> Result<()> {
    let known = REFERENCE.iter().find(|known| known.0 == n);
    let Some((_, draws, stats)) = known.filter(|_| is_reference(settings).unwrap_or(false)) else {
        return Ok(());
    };
    let names = [
        "lost_f64_causal",
        "lost_f32_causal",
        "lost_f32_bidirectional",
        "effective_rank_causal",
        "effective_rank_bidirectional",
    ];
    for (name, (mean, sd)) in names.iter().zip(stats) {
        // A count that was the same in every draw of the reference may still differ in one of ours.
        let sd = sd.max(0.25);
        evidence.expect_mean(&format!("{name}_n{n}"), (*mean, sd, *draws), "numpy, D = 16, unit scale")?;
    }
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, curves: Vec<Vec<(f64, Sample)>>) {
    let looks = [
        ("causal, f64", Kind::Causal),
        ("causal, f32", Kind::Causal),
        ("bidirectional, f64", Kind::Bidirectional),
        ("bidirectional, f32", Kind::Bidirectional),
    ];
    let curve = |((name, kind), points): ((&str, Kind), Vec<(f64, Sample)>)| {
        let spread: Vec<f64> = points.iter().map(|(_, lost)| lost.sd()).collect();
        Curve::new(name, kind, points.iter().map(|(n, lost)| (*n, lost.mean()))).with_spread(spread)
    };
    let figure = Lines {
        title: "Directions lost to rounding as the sequence grows".into(),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::linear("n − numerical rank"),
        curves: looks.into_iter().zip(curves).map(curve).collect(),
        references: Vec::new(),
        settings: settings.record(),
    };
    let caption = "How many of the n directions that a causal matrix has exactly count as zero at the tolerances of \
                   f64 and f32, mean and standard deviation over draws; bidirectional attention of the same \
                   queries and keys beside it.";
    evidence.show("lost-directions", caption, figure);
}
