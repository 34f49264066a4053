//! Head size 1: scores of rank one, whose softmax has a rank that is known exactly.

use ndarray::Array2;

use crate::claim::chart::curve;
use crate::claim::{Draw, Evidence, Exact, Known, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::precise::{self, Determinant, MOST_DIGITS};
use crate::rank::{Spectrum, Tolerance};
use crate::run::Run;

/// n, then log₁₀ |det|, the ranks in f64 and in f32, and the effective rank.
type Reference1 = (usize, [Known; 4]);
const NUMPY: &str = "numpy and mpmath (400 digits), other draws, D = 1, unit scale";
const REFERENCE: [Reference1; 4] = [
    (4, known([(-4.998, 1.045), (4.0, 0.0), (4.0, 0.0), (2.0845, 0.279)])),
    (8, known([(-26.25, 3.763), (8.0, 0.0), (6.225, 0.53), (2.5656, 0.265)])),
    (16, known([(-132.4, 10.88), (12.55, 0.597), (7.6, 0.591), (2.9816, 0.25)])),
    (32, known([(-635.0, 44.19), (14.975, 0.832), (8.6, 0.632), (3.3429, 0.239)])),
];

/// Over 20 draws of the determinant and 40 of the ranks.
const fn known([det, f64, f32, effective]: [(f64, f64); 4]) -> [Known; 4] {
    [
        Known::new(det.0, det.1, 20),
        Known::new(f64.0, f64.1, 40),
        Known::new(f32.0, f32.1, 40),
        Known::new(effective.0, effective.1, 40),
    ]
}

/// The error of ln |det| at which the digits suffice.
const GOAL: f64 = 1e-10;

/// The draws of one size.
pub(super) struct AtSize {
    pub n: usize,
    draws: Vec<Seen>,
}

/// One draw.
struct Seen {
    /// By the theorem of [`exact_ranks`].
    exact: usize,
    /// Where the rank is full: by the determinant, whether it is.
    det: Option<Determinant>,
    /// The sign that the order of the queries and keys predicts for it.
    predicted: i8,
    rank_f64: f64,
    rank_f32: f64,
    effective: f64,
}

/// Queries and keys of head size 1 of n tokens, of which the first `distinct` are drawn and the others repeat
/// them.
pub(in crate::claim) fn tokens(n: usize, distinct: usize, seed: u64) -> Draw {
    let mut draw = Draw::independent(n, 1, seed);
    for token in distinct..n {
        draw.q[(token, 0)] = draw.q[(token % distinct, 0)];
        draw.k[(token, 0)] = draw.k[(token % distinct, 0)];
    }
    draw
}

/// The exact ranks of the scores of a head of size 1 and of their softmax.
///
/// exp(x·y) is strictly totally positive: its matrix for distinct xᵢ and distinct yⱼ has no minor that is 0, and
/// softmax only divides its rows. So the rank is the number of distinct queries, or of distinct keys, whichever
/// is less.
pub(in crate::claim) fn exact_ranks(draw: &Draw) -> [usize; 2] {
    let distinct = |values: &Array2<f64>| {
        let mut values: Vec<f64> = values.iter().copied().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values.len()
    };
    let is_zero = |values: &Array2<f64>| values.iter().all(|&value| value == 0.0);
    let scores = usize::from(!is_zero(&draw.q) && !is_zero(&draw.k));
    [scores, distinct(&draw.q).min(distinct(&draw.k))]
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Vec<AtSize>> {
    let (sizes, seeds) = (settings.integers("exact_sizes")?, settings.seeds("seeds")?);
    let distinct = settings.integer("distinct")?;
    let mut found = Vec::new();
    for (index, &n) in sizes.iter().enumerate() {
        let mut draws = Vec::new();
        for (done, &seed) in seeds.iter().enumerate() {
            draws.push(look(&tokens(n, distinct, seed), run)?);
            let done = index * seeds.len() + done + 1;
            run.step("determinants of head size 1", done, sizes.len() * seeds.len())?;
        }
        found.push(AtSize { n, draws });
    }
    Ok(found)
}

fn look(draw: &Draw, run: &Run) -> Result<Seen> {
    // In f64 on the CPU, as the determinant beside it.
    let weights = draw.weights(1.0, &Mask::bidirectional(), &Device::Cpu)?;
    let spectrum = Spectrum::of(weights.view())?;
    let sign = |values: &Array2<f64>| sign_of_order(&values.iter().copied().collect::<Vec<_>>());
    let [_, exact] = exact_ranks(draw);
    let is_full = exact == draw.q.nrows();
    Ok(Seen {
        exact,
        det: if is_full { Some(certain_determinant(draw, run)?) } else { None },
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

/// Whether softmax leaves the rank below n, and what decided.
pub(super) fn judge(sizes: &[AtSize]) -> (Exact, String) {
    let all = || sizes.iter().flat_map(|at| at.draws.iter().map(|seen| (at.n, seen)));
    if let Some((n, seen)) = all().find(|(n, seen)| seen.exact < *n) {
        let because = format!(
            "Tokens with the same query and key have the same weights. With D = 1 and {} distinct tokens of {n}, the \
             softmax has rank {0}: exp(x·y) is strictly totally positive, so the distinct ones alone count.",
            seen.exact
        );
        return (Exact::Proved, because);
    }
    let smallest = all().filter_map(|(_, seen)| seen.det).map(|det| log10(&det)).fold(0.0, f64::min);
    let (draws, largest) = (all().count(), sizes.iter().map(|at| at.n).max().unwrap_or(0));
    let because = format!(
        "With D = 1 the scores have rank 1, and the softmax has full rank in all {draws} draws of up \
         to {largest} tokens, the determinants (down to 10^{smallest:.0}) certified not to be 0. It has at every n where \
         all queries and all keys differ, and for almost all inputs of larger heads."
    );
    (Exact::Refuted, because)
}

fn log10(det: &Determinant) -> f64 {
    det.log / std::f64::consts::LN_10
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, sizes: &[AtSize]) {
    let share = |of: fn(&Seen, &Determinant) -> bool| -> Sample {
        let seen = sizes.iter().flat_map(|at| &at.draws);
        seen.filter_map(|seen| Some(f64::from(u8::from(of(seen, seen.det.as_ref()?))))).collect()
    };
    let certain = share(|_, det| det.is_certain());
    if certain.count() > 0 {
        let as_predicted = share(|seen, det| det.sign == seen.predicted);
        let text = format!(
            "D = 1: {} of {} softmax matrices of distinct tokens are certainly nonsingular, by a determinant whose error \
             bound excludes zero, though their scores have rank 1; {} signs are those that the order of queries and keys \
             predicts",
            certain.count_where(|is| is == 1.0),
            certain.count(),
            as_predicted.count_where(|is| is == 1.0)
        );
        evidence.weigh(false, text);
        let source = "exp(x·y) is strictly totally positive";
        evidence.measure_sample("certainly_nonsingular_share", certain, "").expect(1.0, 0.0, source);
        evidence.measure_sample("sign_as_predicted_share", as_predicted, "").expect(1.0, 0.0, source);
    }
    sizes.iter().for_each(|at| at.report(evidence));
    picture(evidence, settings, sizes);
}

impl AtSize {
    fn over(&self, of: fn(&Seen) -> f64) -> Sample {
        self.draws.iter().map(of).collect()
    }

    fn report(&self, evidence: &mut Evidence) {
        let n = self.n;
        let exact = self.over(|seen| seen.exact as f64);
        let ranks = [self.over(|s| s.rank_f64), self.over(|s| s.rank_f32), self.over(|s| s.effective)];
        let text = format!(
            "D = 1, n = {n}: of exact rank {}, f64 sees {} and f32 {}; effective rank {}",
            exact.mean(),
            ranks[0],
            ranks[1],
            ranks[2]
        );
        evidence.weigh(ranks[0].mean() < n as f64, text);
        let is_distinct = exact.extremes().0 == n as f64;
        let known = REFERENCE.iter().find(|known| is_distinct && known.0 == n).map(|known| known.1);
        if is_distinct {
            let log: Sample = self.draws.iter().filter_map(|seen| seen.det.as_ref().map(log10)).collect();
            let measured = evidence.measure_sample(format!("log10_det_n{n}"), log, "");
            if let Some([known, ..]) = known {
                measured.expect_mean(known, NUMPY);
            }
        }
        let names = ["one_rank_f64", "one_rank_f32", "one_effective_rank"];
        for (index, (name, sample)) in names.into_iter().zip(ranks).enumerate() {
            let measured = evidence.measure_sample(format!("{name}_n{n}"), sample, "");
            match known.map(|known| known[index + 1]) {
                Some(known) if index < 2 => measured.expect_mean_count(known, NUMPY),
                Some(known) => measured.expect_mean(known, NUMPY),
                None => measured,
            };
        }
    }
}

fn picture(evidence: &mut Evidence, settings: &Settings, sizes: &[AtSize]) {
    type Column = (&'static str, fn(&Seen) -> f64);
    let columns: [Column; 3] = [
        ("numerical rank, f64", |seen| seen.rank_f64),
        ("numerical rank, f32", |seen| seen.rank_f32),
        ("effective rank", |seen| seen.effective),
    ];
    let measured = columns.into_iter().map(|(name, of)| {
        let points: Vec<_> = sizes.iter().map(|at| (at.n as f64, at.over(of))).collect();
        curve(name, Kind::Plain, &points)
    });
    let exact = sizes.iter().map(|at| (at.n as f64, at.over(|seen| seen.exact as f64).mean()));
    let exact = Curve::new("exact rank", Kind::Bidirectional, exact);
    let figure = Lines {
        title: "Head size 1: softmax of a matrix of rank one".into(),
        x: PlotAxis::linear("positions n"),
        y: PlotAxis::linear("rank"),
        curves: [exact].into_iter().chain(measured).collect(),
        references: vec![Reference::level("rank of the scores", 1.0)],
        settings: settings.record(),
    };
    let caption = "Rank of the bidirectional softmax of scores of rank one, over the positions: exact (a theorem, \
                   checked by determinants in multi-precision), numerical and effective; mean and standard deviation \
                   over draws.";
    evidence.show("head-size-one", caption, figure);
}
