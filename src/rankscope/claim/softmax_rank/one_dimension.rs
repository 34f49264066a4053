//! Head size 1: scores of rank one, whose softmax is exactly nonsingular.

use super::super::{Draw, Evidence, Sample, Settings};
use super::seeds;
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::precise::{self, Determinant, MOST_DIGITS};
use crate::rank::{Spectrum, Tolerance};
use crate::run::Run;

/// n, then mean and sd of log₁₀ |det|, of the rank in f64 and in f32, and of the effective rank: numpy and
/// mpmath (400 digits), 20 draws of the determinant and 40 of the ranks.
type Reference1 = (usize, [(f64, f64, usize); 4]);
const REFERENCE: [Reference1; 4] = [
    (4, [(-4.998, 1.045, 20), (4.0, 0.0, 40), (4.0, 0.0, 40), (2.0845, 0.279, 40)]),
    (8, [(-26.25, 3.763, 20), (8.0, 0.0, 40), (6.225, 0.53, 40), (2.5656, 0.265, 40)]),
    (16, [(-132.4, 10.88, 20), (12.55, 0.597, 40), (7.6, 0.591, 40), (2.9816, 0.25, 40)]),
    (32, [(-635.0, 44.19, 20), (14.975, 0.832, 40), (8.6, 0.632, 40), (3.3429, 0.239, 40)]),
];
/// The error of ln |det| at which the digits suffice.
const GOAL: f64 = 1e-10;

/// One draw at one size.
struct Seen {
    det: Determinant,
    /// The sign that the order of the queries and keys predicts.
    predicted: i8,
    rank_f64: f64,
    rank_f32: f64,
    effective: f64,
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (sizes, seeds) = (settings.integers("exact_sizes")?, seeds(settings)?);
    let total = sizes.len() * seeds.len();
    let (mut certain, mut as_predicted) = (Vec::new(), Vec::new());
    let mut points: [Vec<(f64, Sample)>; 3] = Default::default();
    for (index, &n) in sizes.iter().enumerate() {
        let mut draws = Vec::new();
        for (done, &seed) in seeds.iter().enumerate() {
            draws.push(look(n, seed, run)?);
            run.step("determinants of head size 1", index * seeds.len() + done + 1, total)?;
        }
        certain.extend(draws.iter().map(|seen| f64::from(u8::from(seen.det.is_certain()))));
        as_predicted.extend(draws.iter().map(|seen| f64::from(u8::from(seen.det.sign == seen.predicted))));
        record(evidence, n, &draws, &mut points)?;
    }
    let (certain, as_predicted) = (Sample::new(certain), Sample::new(as_predicted));
    evidence.weigh(
        certain.mean() < 1.0,
        format!(
            "D = 1: {} of {total} softmax matrices are certainly nonsingular, by a determinant whose error bound \
             excludes zero, though their scores have rank 1; {} signs are those that the order of queries and keys \
             predicts",
            certain.count_where(|is| is == 1.0),
            as_predicted.count_where(|is| is == 1.0)
        ),
    );
    evidence.measure_sample("certainly_nonsingular_share", certain, "");
    evidence.measure_sample("sign_as_predicted_share", as_predicted, "");
    for name in ["certainly_nonsingular_share", "sign_as_predicted_share"] {
        evidence.expect(name, 1.0, 0.0, "exp(x·y) is strictly totally positive");
    }
    picture(evidence, settings, points);
    Ok(())
}

fn look(n: usize, seed: u64, run: &Run) -> Result<Seen> {
    let draw = Draw::independent(n, 1, seed);
    // In f64 on the CPU, as the determinant beside it.
    let weights = draw.weights(1.0, &Mask::bidirectional(), &Device::Cpu)?;
    let spectrum = Spectrum::of(weights.view())?;
    let sign = |values: &ndarray::Array2<f64>| sign_of_order(&values.iter().copied().collect::<Vec<_>>());
    Ok(Seen {
        det: certain_determinant(&draw, run)?,
        predicted: sign(&draw.q) * sign(&draw.k),
        rank_f64: spectrum.numerical_rank(Tolerance::F64) as f64,
        rank_f32: spectrum.numerical_rank(Tolerance::F32) as f64,
        effective: spectrum.effective_rank(),
    })
}

/// The determinant, with twice the digits until its error bound is small.
fn certain_determinant(draw: &Draw, run: &Run) -> Result<Determinant> {
    let mut digits = 50;
    loop {
        let (q, k) = (draw.q.view(), draw.k.view());
        let weights = precise::attention_weights(q, k, 1.0, &Mask::bidirectional(), digits, run)?;
        let det = precise::determinant(&weights, run)?;
        if det.error < GOAL || 2 * digits > MOST_DIGITS / 4 {
            return Ok(det);
        }
        digits *= 2;
    }
}

/// The sign of the permutation that sorts `values`: −1 for an odd number of inversions.
///
/// exp(x·y) with ascending x and y has a positive determinant, and each swap changes its sign.
pub(super) fn sign_of_order(values: &[f64]) -> i8 {
    let pairs = (0..values.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    let inversions = pairs.filter(|&(j, i)| values[j] > values[i]).count();
    if inversions % 2 == 0 { 1 } else { -1 }
}

fn record(
    evidence: &mut Evidence,
    n: usize,
    draws: &[Seen],
    points: &mut [Vec<(f64, Sample)>; 3],
) -> Result<()> {
    let over = |of: fn(&Seen) -> f64| draws.iter().map(of).collect::<Sample>();
    let log10 = over(|seen| seen.det.log / std::f64::consts::LN_10);
    let ranks = [over(|seen| seen.rank_f64), over(|seen| seen.rank_f32), over(|seen| seen.effective)];
    let text = format!(
        "D = 1, n = {n}: log₁₀ |det| = {log10}, exactly full rank; numerical rank {} in f64 and {} in f32, effective \
         rank {}",
        ranks[0], ranks[1], ranks[2]
    );
    evidence.weigh(ranks[0].mean() < n as f64, text);
    let names = ["log10_det", "one_rank_f64", "one_rank_f32", "one_effective_rank"];
    let samples = [log10].into_iter().chain(ranks.clone());
    for (name, sample) in names.iter().zip(samples) {
        evidence.measure_sample(format!("{name}_n{n}"), sample, "");
    }
    if let Some((_, stats)) = REFERENCE.iter().find(|known| known.0 == n) {
        for (name, &(mean, sd, count)) in names.iter().zip(stats) {
            let name = format!("{name}_n{n}");
            evidence.expect_mean(
                &name,
                (mean, sd.max(0.25), count),
                "numpy and mpmath, D = 1, unit scale",
            )?;
        }
    }
    for (points, sample) in points.iter_mut().zip(ranks) {
        points.push((n as f64, sample));
    }
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, points: [Vec<(f64, Sample)>; 3]) {
    let exact: Vec<(f64, f64)> = points[0].iter().map(|(n, _)| (*n, *n)).collect();
    let names = ["numerical rank, f64", "numerical rank, f32", "effective rank"];
    let measured = names.into_iter().zip(points).map(|(name, points)| {
        let spread: Vec<f64> = points.iter().map(|(_, sample)| sample.sd()).collect();
        Curve::new(name, Kind::Plain, points.iter().map(|(n, sample)| (*n, sample.mean())))
            .with_spread(spread)
    });
    let exact = Curve::new("exact rank", Kind::Bidirectional, exact);
    let figure = Lines {
        title: "Head size 1: softmax of a matrix of rank one".into(),
        x: PlotAxis::linear("positions n"),
        y: PlotAxis::linear("rank"),
        curves: [exact].into_iter().chain(measured).collect(),
        references: vec![Reference::level("rank of the scores", 1.0)],
        settings: settings.record(),
    };
    let caption = "Rank of the bidirectional softmax of scores of rank one, over the positions: exact (certified by \
                   determinants in multi-precision), numerical and effective; mean and standard deviation over draws.";
    evidence.show("head-size-one", caption, figure);
}
