//! Numerical rank of bidirectional softmax against what the series of exp allows.

use ndarray::Array2;

use super::super::{Draw, Evidence, Sample, Settings};
use super::{binomial, seeds};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// D, scale, then mean and sd of rank f64, rank f32, effective rank: numpy, 6 draws at n = 512.
type Known = (usize, f64, [(f64, f64); 3]);
#[allow(clippy::approx_constant)] // a spread of 6.28 is not 2π
const REFERENCE: [Known; 15] = [
    (1, 0.1, [(10.0, 0.0), (4.333, 0.516), (1.4176, 0.0187)]),
    (1, 0.5, [(15.667, 0.516), (7.833, 0.408), (3.1835, 0.228)]),
    (1, 1.0, [(19.5, 0.548), (10.167, 0.408), (4.3235, 0.153)]),
    (2, 0.1, [(46.333, 1.21), (10.0, 0.0), (1.7172, 0.0271)]),
    (2, 0.5, [(96.167, 1.72), (26.833, 0.753), (5.9518, 0.429)]),
    (2, 1.0, [(135.33, 2.42), (41.667, 1.86), (11.311, 0.655)]),
    (3, 0.1, [(140.67, 4.08), (20.0, 0.0), (1.9937, 0.0374)]),
    (3, 0.5, [(306.83, 5.56), (59.0, 2.1), (9.4444, 0.566)]),
    (3, 1.0, [(411.5, 4.59), (106.83, 3.71), (22.702, 1.24)]),
    (4, 0.1, [(316.17, 4.36), (32.167, 1.72), (2.2681, 0.0501)]),
    (4, 0.5, [(503.17, 2.32), (108.83, 4.17), (13.685, 0.806)]),
    (4, 1.0, [(512.0, 0.0), (195.33, 5.47), (36.615, 1.73)]),
    (8, 0.1, [(512.0, 0.0), (54.0, 3.58), (3.4203, 0.0887)]),
    (8, 0.5, [(512.0, 0.0), (329.33, 6.28), (37.195, 1.8)]),
    (8, 1.0, [(512.0, 0.0), (460.67, 3.88), (104.99, 3.13)]),
];

/// One draw at one head size and scale; f64 weights on the CPU but for `rank_f32`.
struct Seen {
    rank_f64: f64,
    rank_f32: f64,
    effective: f64,
    bound_f64: f64,
    bound_f32: f64,
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    let (head_sizes, scales) = (settings.integers("head_sizes")?, settings.numbers("scales")?);
    evidence.measure("positions", n as f64, "");
    let mut within = Vec::new();
    let mut points: Vec<Vec<(f64, f64)>> = vec![Vec::new(); 2 * scales.len()];
    for &head_size in &head_sizes {
        for (index, &scale) in scales.iter().enumerate() {
            let stage = format!("softmax, D = {head_size}, scale {scale}");
            let draws = rank::many(&seeds(settings)?, &stage, run, |&seed| {
                look(settings, &Draw::independent(n, head_size, seed), scale)
            })?;
            within.extend(draws.iter().map(|seen| {
                f64::from(u8::from(seen.rank_f64 <= seen.bound_f64 && seen.rank_f32 <= seen.bound_f32))
            }));
            points[2 * index].push((head_size as f64, mean(&draws, |seen| seen.rank_f64)));
            points[2 * index + 1].push((head_size as f64, mean(&draws, |seen| seen.rank_f32)));
            record(evidence, (n, head_size, scale), &draws)?;
        }
    }
    let within = Sample::new(within);
    evidence.measure_sample("within_series_bound_share", within, "");
    if *settings.device() == Device::Cpu {
        // The bound is about exp itself; f32 kernels add their own rounding, which is not in it.
        evidence.expect(
            "within_series_bound_share",
            1.0,
            0.0,
            "Weyl: the part cut off moves no σ by more than its norm",
        );
    }
    picture(evidence, settings, &scales, points);
    Ok(())
}

fn mean(draws: &[Seen], of: fn(&Seen) -> f64) -> f64 {
    draws.iter().map(of).collect::<Sample>().mean()
}

fn look(settings: &Settings, draw: &Draw, scale: f64) -> Result<Seen> {
    let weights = draw.weights(scale, &Mask::bidirectional(), &Device::Cpu)?;
    let spectrum = Spectrum::of(weights.view())?;
    let rank_f32 = match settings.device() {
        Device::Cpu => spectrum.numerical_rank(Tolerance::F32),
        gpu => {
            let weights = draw.weights(scale, &Mask::bidirectional(), gpu)?;
            Spectrum::of(weights.view())?.numerical_rank(Tolerance::F32)
        }
    };
    let (scores, head_size) = (draw.scores(scale), draw.q.ncols());
    let bound = |tolerance| rank_bound(&scores, head_size, spectrum.threshold(tolerance));
    Ok(Seen {
        rank_f64: spectrum.numerical_rank(Tolerance::F64) as f64,
        rank_f32: rank_f32 as f64,
        effective: spectrum.effective_rank(),
        bound_f64: bound(Tolerance::F64),
        bound_f32: bound(Tolerance::F32),
    })
}

/// The most singular values above `threshold` that softmax of `scores`, of rank `head_size`, can have.
///
/// Cut at degree p, the series of exp leaves rank C(D+p, p), and normalising rows keeps it. By Weyl's
/// inequality no further singular value exceeds the norm of what is cut off. There, by Taylor's theorem,
/// |exp s − Σ_{k ≤ p} sᵏ/k!| ≤ |s|^(p+1)/(p+1)! · max(1, exp s).
pub(super) fn rank_bound(scores: &Array2<f64>, head_size: usize, threshold: f64) -> f64 {
    let sums: Vec<f64> = scores.outer_iter().map(|row| row.iter().map(|s| s.exp()).sum()).collect();
    // |s|^(p+1)/(p+1)! · max(1, exp s) / Σ exp s, from p = 0 on.
    let mut rest = Array2::from_shape_fn(scores.dim(), |(row, col)| {
        let score = scores[(row, col)];
        score.abs() * score.exp().max(1.0) / sums[row]
    });
    for degree in 0.. {
        let norm = rest.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        let bound = binomial(head_size + degree, degree);
        if norm <= threshold || bound >= scores.nrows() as f64 {
            return bound.min(scores.nrows() as f64);
        }
        rest.zip_mut_with(scores, |entry, score| *entry *= score.abs() / (degree + 2) as f64);
    }
    unreachable!("the bound grows with every degree")
}

fn record(evidence: &mut Evidence, (n, head_size, scale): (usize, usize, f64), draws: &[Seen]) -> Result<()> {
    let over = |of: fn(&Seen) -> f64| draws.iter().map(of).collect::<Sample>();
    let samples = [over(|seen| seen.rank_f64), over(|seen| seen.rank_f32), over(|seen| seen.effective)];
    let bounds = [over(|seen| seen.bound_f64), over(|seen| seen.bound_f32)];
    let text = format!(
        "D = {head_size}, scale {scale}: of {n} directions f64 keeps {} (the series allows {}), f32 {} ({}); effective \
         rank {}",
        samples[0], bounds[0], samples[1], bounds[1], samples[2]
    );
    evidence.weigh(samples[0].mean() < n as f64, text);
    let at = format!("d{head_size}_scale_{scale}");
    let names = ["rank_f64", "rank_f32", "effective_rank"].map(|name| format!("{name}_{at}"));
    for (name, sample) in names.iter().zip(samples) {
        evidence.measure_sample(name, sample, "");
    }
    for (name, bound) in ["bound_f64", "bound_f32"].into_iter().zip(bounds) {
        evidence.measure_sample(format!("series_{name}_{at}"), bound, "");
    }
    let known = REFERENCE.iter().find(|known| n == 512 && (known.0, known.1) == (head_size, scale));
    if let Some((_, _, stats)) = known {
        for (name, &(mean, sd)) in names.iter().zip(stats) {
            // Six draws know their standard deviation only roughly.
            let sd = if name.starts_with("rank") { (1.5 * sd).max(0.5) } else { 1.5 * sd };
            evidence.expect_mean(name, (mean, sd, 6), "numpy, 6 draws at n = 512")?;
        }
    }
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, scales: &[f64], points: Vec<Vec<(f64, f64)>>) {
    let formats = [("f64", Kind::Bidirectional), ("f32", Kind::Plain)];
    let curves = points.into_iter().enumerate().map(|(index, points)| {
        let (format, kind) = formats[index % 2];
        Curve::new(format!("{format}, scale {}", scales[index / 2]), kind, points)
    });
    let n = settings.integer("n").unwrap_or(0);
    let figure = Lines {
        title: "Numerical rank of bidirectional softmax over the head size".into(),
        x: PlotAxis::log("head size D"),
        y: PlotAxis::log("numerical rank"),
        curves: curves.collect(),
        references: vec![Reference::level("full", n as f64)],
        settings: settings.record(),
    };
    let caption = format!(
        "Numerical rank of the bidirectional softmax at n = {n}, by the tolerances of f64 and f32, over head size and \
         logit scale; mean over draws. In exact arithmetic all of them have full rank."
    );
    evidence.show("numerical-rank", caption, figure);
}
