//! Numerical rank of bidirectional softmax against what the series of exp allows.

use ndarray::Array2;

use crate::claim::{Draw, Evidence, Known, Outcome, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

const NUMPY: &str = "numpy, 6 other draws at n = 512";
/// D, scale, then mean and sd of rank f64, rank f32, effective rank.
type Row = (usize, f64, [(f64, f64); 3]);
#[allow(clippy::approx_constant)] // a spread of 6.28 is not 2π
const REFERENCE: [Row; 15] = [
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

/// The draws at one head size and scale.
pub(super) struct Point {
    pub head_size: usize,
    pub scale: f64,
    draws: Vec<Seen>,
}

/// All points at n.
pub(super) struct Map {
    pub n: usize,
    pub points: Vec<Point>,
}

impl Point {
    fn over(&self, of: fn(&Seen) -> f64) -> Sample {
        self.draws.iter().map(of).collect()
    }

    fn rank_f64(&self) -> Sample {
        self.over(|seen| seen.rank_f64)
    }

    /// Whether softmax leaves less than full rank in any draw, as f64 sees it.
    pub fn outcome(&self, n: usize) -> Outcome {
        if self.rank_f64().extremes().0 < n as f64 { Outcome::Holds } else { Outcome::Fails }
    }
}

impl Map {
    /// Where the rank is full in f64, and where it is not.
    pub fn in_words(&self) -> String {
        let n = self.n;
        let of = |outcome| self.points.iter().filter(move |point| point.outcome(n) == outcome);
        let mut sentences = Vec::new();
        let least = of(Outcome::Holds).min_by(|a, b| a.rank_f64().mean().total_cmp(&b.rank_f64().mean()));
        if let Some(least) = least {
            sentences.push(format!(
                "f64 does not see full rank at {}: at D = {}, scale {} it sees {} of {n} directions.",
                places(of(Outcome::Holds)),
                least.head_size,
                least.scale,
                short(least.rank_f64().mean())
            ));
        }
        if of(Outcome::Fails).count() > 0 {
            sentences.push(format!("It sees all {n} in every draw at {}.", places(of(Outcome::Fails))));
        }
        sentences.join(" ")
    }
}

/// "D = 1 (scale 0.1, 1), D = 8 (scale 0.1)" of points that are ordered by head size.
fn places<'a>(points: impl Iterator<Item = &'a Point>) -> String {
    let mut groups: Vec<(usize, Vec<String>)> = Vec::new();
    for Point { head_size, scale, .. } in points {
        match groups.last_mut() {
            Some((last, scales)) if last == head_size => scales.push(scale.to_string()),
            _ => groups.push((*head_size, vec![scale.to_string()])),
        }
    }
    let group =
        |(head_size, scales): &(usize, Vec<String>)| format!("D = {head_size} (scale {})", scales.join(", "));
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Map> {
    let n = settings.integer("n")?;
    let (seeds, scales) = (settings.seeds("seeds")?, settings.numbers("scales")?);
    let mut points = Vec::new();
    for head_size in settings.integers("head_sizes")? {
        for &scale in &scales {
            let stage = format!("softmax, D = {head_size}, scale {scale}");
            let draws = rank::many(&seeds, &stage, run, |&seed| {
                look(settings, &Draw::independent(n, head_size, seed), scale)
            })?;
            points.push(Point { head_size, scale, draws });
        }
    }
    Ok(Map { n, points })
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

/// C(n, k); infinite beyond what f64 holds.
pub(in crate::claim) fn binomial(n: usize, k: usize) -> f64 {
    (1..=k.min(n - k)).fold(1.0, |product, i| product * (n + 1 - i) as f64 / i as f64).round()
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, map: &Map) {
    map.points.iter().for_each(|point| point.report(evidence, map.n));
    let is_within = |seen: &Seen| seen.rank_f64 <= seen.bound_f64 && seen.rank_f32 <= seen.bound_f32;
    let draws = map.points.iter().flat_map(|point| &point.draws);
    let within: Sample = draws.map(|seen| f64::from(u8::from(is_within(seen)))).collect();
    let measured = evidence.measure_sample("within_series_bound_share", within, "");
    if *settings.device() == Device::Cpu {
        // The bound is about exp itself; f32 kernels add their own rounding, which is not in it.
        measured.expect(1.0, 0.0, "Weyl: the part cut off moves no σ by more than its norm");
    }
    picture(evidence, settings, map);
}

impl Point {
    fn report(&self, evidence: &mut Evidence, n: usize) {
        let Point { head_size, scale, .. } = self;
        let samples = [self.rank_f64(), self.over(|seen| seen.rank_f32), self.over(|seen| seen.effective)];
        let bounds = [self.over(|seen| seen.bound_f64), self.over(|seen| seen.bound_f32)];
        let text = format!(
            "D = {head_size}, scale {scale}: of {n} directions f64 keeps {} (the series allows {}), f32 {} ({}); effective \
             rank {}",
            samples[0], bounds[0], samples[1], bounds[1], samples[2]
        );
        evidence.weigh(self.outcome(n) == Outcome::Holds, text);
        let known = REFERENCE.iter().find(|known| n == 512 && (known.0, known.1) == (*head_size, *scale));
        let names = ["rank_f64", "rank_f32", "effective_rank"];
        for (index, (name, sample)) in names.into_iter().zip(samples).enumerate() {
            let measured = evidence.measure_sample(format!("{name}_d{head_size}_scale_{scale}"), sample, "");
            if let Some((_, _, known)) = known {
                let (mean, sd) = known[index];
                let known = Known::new(mean, sd, 6);
                match index {
                    2 => measured.expect_mean(known, NUMPY),
                    _ => measured.expect_mean_count(known, NUMPY),
                };
            }
        }
        for (name, bound) in ["bound_f64", "bound_f32"].into_iter().zip(bounds) {
            evidence.measure_sample(format!("series_{name}_d{head_size}_scale_{scale}"), bound, "");
        }
    }
}

fn picture(evidence: &mut Evidence, settings: &Settings, map: &Map) {
    let mut scales: Vec<f64> = map.points.iter().map(|point| point.scale).collect();
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    type Format = (&'static str, Kind, fn(&Seen) -> f64);
    let formats: [Format; 2] =
        [("f64", Kind::Bidirectional, |seen| seen.rank_f64), ("f32", Kind::Plain, |seen| seen.rank_f32)];
    let curves = scales.iter().flat_map(|&scale| {
        formats.map(|(format, kind, of)| {
            let points = map.points.iter().filter(|point| point.scale == scale);
            let points = points.map(|point| (point.head_size as f64, point.over(of).mean()));
            Curve::new(format!("{format}, scale {scale}"), kind, points)
        })
    });
    let figure = Lines {
        title: "Numerical rank of bidirectional softmax over the head size".into(),
        x: PlotAxis::log("head size D"),
        y: PlotAxis::log("numerical rank"),
        curves: curves.collect(),
        references: vec![Reference::level("full", map.n as f64)],
        settings: settings.record(),
    };
    let caption = format!(
        "Numerical rank of the bidirectional softmax at n = {}, by the tolerances of f64 and f32, over head size and \
         logit scale; mean over draws. In exact arithmetic all of them have full rank.",
        map.n
    );
    evidence.show("numerical-rank", caption, figure);
}
