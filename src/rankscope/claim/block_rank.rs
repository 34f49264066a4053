//! Claim: full rank is what causal softmax attention has and linear attention lacks.

use super::draw::{Gate, decay_weights, state_space_weights, tolerance};
use super::linear_weights;
use super::prelude::*;
use crate::ops::FeatureMap;
use crate::random::fan_in;
use crate::rank::{block_ranks, exact_rank, log_abs_det};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "block-rank",
        group: Group::Matrices,
        statement: "Full rank is what causal softmax attention has and linear attention lacks.",
        source: "As read from Su Jianlin, kexue.fm 9529 (2023); blocks below the diagonal: Dao & Gu 2024 (arXiv \
                 2405.21060), on semiseparable matrices",
        exact: "Both are lower triangular, and both have full rank where no weight on the diagonal is 0: always with \
                softmax and with elu + 1; with a decay alone always, and with a state-space head for almost all inputs. \
                What differs are the blocks A[i.., ..i] below the diagonal, which hold what the first i tokens send to \
                the later ones. Where a recurrent state carries it, of D numbers for each channel of the values, no \
                block has a rank above D, and with a decay alone none above 1. Softmax has no such bound: for almost \
                all inputs its blocks have the full rank min(i, n − i).",
        reconsider: "A feature map with zeros, such as relu (feature_map=relu), which leaves zeros on the diagonal.",
    },
    parameters: &[
        set("n", "positions", Integer(4, 1024), ["128", "256"]),
        set("head_sizes", "head sizes D", Integers(1, 256), ["2,8,16", "1,2,4,8,16,32,64"]),
        set("step", STEP, Integer(1, 512), ["8"; 2]),
        set("feature_map", "φ of linear attention", Word(&["elu+1", "relu"]), ["elu+1"; 2]),
        set("seeds", "draws", Integer(2, 1000), ["5", "10"]),
    ],
    decide,
};

const STEP: &str = "positions from a cut between earlier and later tokens to the next";

/// The mechanisms that compute causal weights.
#[derive(Clone, Copy)]
enum Mechanism {
    Softmax,
    Linear,
    StateSpace,
    Decay,
}

impl Mechanism {
    const ALL: [Mechanism; 4] =
        [Mechanism::Softmax, Mechanism::Linear, Mechanism::StateSpace, Mechanism::Decay];

    /// Its name in measurements, its name in words, and the kind of its curve.
    fn names(self) -> (&'static str, &'static str, Kind) {
        match self {
            Mechanism::Softmax => ("softmax", "softmax", Kind::Causal),
            Mechanism::Linear => ("linear", "linear attention", Kind::Custom),
            Mechanism::StateSpace => ("state_space", "state space", Kind::Window),
            Mechanism::Decay => ("decay", "a decay alone", Kind::Plain),
        }
    }
}

/// β of the decays log a = −softplus(w·k + β), where w·k has variance 1: at w·k = 0 a token multiplies all earlier
/// weights by 0.95.
const BIAS: f64 = -3.0;

/// The settings that all draws share.
struct Experiment<'a> {
    n: usize,
    map: FeatureMap,
    cuts: Vec<usize>,
    device: &'a Device,
    run: &'a Run,
}

/// The measurements of one matrix of weights.
struct Look {
    /// The rank of the block below the diagonal, for each cut.
    blocks: Vec<usize>,
    /// The effective rank of the block from the earlier to the later half.
    effective: f64,
    /// The numerical rank of the whole matrix.
    whole: usize,
    /// ln |det A|, where no entry of the diagonal is 0.
    log_det: Option<f64>,
    /// Whether the positions of the zeros prove full rank.
    is_full: bool,
}

/// The draws of one head size, for each mechanism.
struct Row {
    head_size: usize,
    looks: [Vec<Look>; 4],
}

impl Row {
    fn sample(&self, mechanism: Mechanism, of: impl Fn(&Look) -> f64) -> Sample {
        self.looks[mechanism as usize].iter().map(of).collect()
    }

    fn largest(&self, mechanism: Mechanism) -> Sample {
        self.sample(mechanism, |look| look.blocks.iter().copied().max().unwrap_or(0) as f64)
    }

    fn whole(&self, mechanism: Mechanism) -> Sample {
        self.sample(mechanism, |look| look.whole as f64)
    }

    /// The number of draws in which the positions of the zeros prove that this mechanism's matrix has full rank.
    fn full(&self, mechanism: Mechanism) -> usize {
        self.looks[mechanism as usize].iter().filter(|look| look.is_full).count()
    }

    /// Whether the rank of the whole matrix differs between softmax and linear attention: paired by draw, by more than
    /// two standard errors.
    fn outcome(&self) -> Outcome {
        let more = self.whole(Mechanism::Softmax).minus(&self.whole(Mechanism::Linear));
        match Ahead::of(&more) {
            Ahead::Neither if more.extremes() == (0.0, 0.0) => Outcome::Fails,
            ahead => Outcome::compared(ahead.is_causal()),
        }
    }
}

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (n, step) = (settings.integer("n")?, settings.integer("step")?);
    if step >= n {
        return Err(Error::invalid("step", step, format!("1 to n − 1 = {}", n - 1)));
    }
    let map = if settings.text("feature_map")? == "relu" { FeatureMap::Relu } else { FeatureMap::EluPlusOne };
    let experiment =
        Experiment { n, map, cuts: (step..n).step_by(step).collect(), device: settings.device(), run };
    let rows = experiment.rows(&settings.ascending("head_sizes")?, &settings.seeds("seeds")?)?;
    let mut evidence = Evidence::new(settings);
    rows.iter().for_each(|row| experiment.report(&mut evidence, row));
    if let Some(row) = rows.get((rows.len() - 1) / 2) {
        experiment.plot(&mut evidence, row);
    }
    let verdict = Verdict::of(Some(exact(&rows, map)), Some(floating(&rows, n)), None);
    Ok((evidence, verdict))
}

impl Experiment<'_> {
    fn rows(&self, head_sizes: &[usize], seeds: &[u64]) -> Result<Vec<Row>> {
        let of = |&head_size: &usize| Mechanism::ALL.into_iter().map(move |of| (of, head_size));
        let all = head_sizes.iter().flat_map(of);
        let all: Vec<_> =
            all.flat_map(|(of, size)| seeds.iter().map(move |&seed| (of, size, seed))).collect();
        let looks = rank::many(&all, "blocks below the diagonal", self.run, |place| self.look(place))?;
        let mut looks = looks.into_iter();
        let mut draws = || looks.by_ref().take(seeds.len()).collect();
        let row = |&head_size: &usize| Row { head_size, looks: Mechanism::ALL.map(|_| draws()) };
        Ok(head_sizes.iter().map(row).collect())
    }

    fn look(&self, &(mechanism, head_size, seed): &(Mechanism, usize, u64)) -> Result<Look> {
        self.run.check()?;
        let draw = Draw::independent(self.n, head_size, seed);
        let gate = Gate { weight: fan_in(1, head_size, seed, 2), bias: BIAS };
        let weights = match mechanism {
            Mechanism::Softmax => draw.weights(1.0, &Mask::causal(), self.device),
            Mechanism::Linear => linear_weights(&draw.q, &draw.k, self.map, &Mask::causal(), self.device),
            Mechanism::StateSpace => state_space_weights(&draw, &gate, self.device),
            Mechanism::Decay => decay_weights(&draw, &gate, self.device),
        }?;
        let (zero, half) = (tolerance(self.device), self.n / 2);
        Ok(Look {
            blocks: block_ranks(weights.view(), &self.cuts, zero)?,
            effective: Spectrum::of(weights.slice(ndarray::s![half.., ..half]))?.effective_rank(),
            whole: Spectrum::of(weights.view())?.numerical_rank(zero),
            log_det: log_abs_det(weights.view())?.value,
            is_full: exact_rank(weights.mapv(|weight| weight != 0.0).view()).rank == Some(self.n),
        })
    }

    fn report(&self, evidence: &mut Evidence, row: &Row) {
        let (n, head_size) = (self.n, row.head_size);
        let all = |of: fn(&Row, Mechanism) -> Sample| {
            Mechanism::ALL.map(|which| format!("{} {}", which.names().1, of(row, which))).join(", ")
        };
        let (wholes, blocks) = (all(Row::whole), all(Row::largest));
        let text = format!("D = {head_size}: as wholes of {n} directions, the numerical ranks are {wholes}");
        evidence.weigh(row.outcome() == Outcome::Holds, text).at("head_size", head_size);
        let text = format!(
            "D = {head_size}: the largest blocks below the diagonal have the numerical ranks {blocks}"
        );
        let is_larger = row.largest(Mechanism::Softmax).mean() > row.largest(Mechanism::Linear).mean();
        evidence.weigh(is_larger, text).at("head_size", head_size);
        let most = self.cuts.iter().map(|&cut| cut.min(n - cut)).max().unwrap_or(0);
        for mechanism in Mechanism::ALL {
            let name = |what: &str| format!("{what}_{}_d{head_size}", mechanism.names().0);
            let measured = evidence.record(name("largest_block_rank"), &row.largest(mechanism));
            // The expected rank of a block below the diagonal. Softmax has no bound; a state space has at most D.
            let bound = match mechanism {
                Mechanism::Linear => Some(head_size),
                Mechanism::Decay => Some(1),
                Mechanism::Softmax | Mechanism::StateSpace => None,
            };
            if let Some(bound) = bound.filter(|_| *self.device == Device::Cpu) {
                let source = "a product of an (n − i) × D and a D × i matrix";
                measured.expect(bound.min(most) as f64, 0.0, source);
            }
            evidence.record(name("effective_rank_block"), &row.sample(mechanism, |look| look.effective));
            evidence.record(name("numerical_rank"), &row.whole(mechanism));
            let share = row.full(mechanism) as f64 / row.looks[mechanism as usize].len() as f64;
            evidence.measure(name("full_rank_share"), share, "");
            let log_dets = row.sample(mechanism, |look| look.log_det.unwrap_or(f64::NEG_INFINITY));
            if log_dets.mean().is_finite() {
                evidence.measure_sample(name("log_det"), log_dets, "nats");
            }
        }
    }

    /// Block ranks over the cut, with a curve for each mechanism.
    fn plot(&self, evidence: &mut Evidence, row: &Row) {
        let (n, head_size) = (self.n, row.head_size);
        let of = |mechanism: Mechanism| {
            let rank = |at: usize| row.sample(mechanism, |look| look.blocks[at] as f64);
            let points = self.cuts.iter().enumerate().map(|(at, &cut)| (cut as f64, rank(at)));
            let (_, name, kind) = mechanism.names();
            curve(name, kind, points)
        };
        let caption = format!(
            "Numerical rank of the block A[i.., ..i], by which the first i of {n} tokens reach the later ones, at \
             D = {head_size}; mean and standard deviation over draws. With a recurrent state it is D or less, and there \
             the curve of linear attention lies over that of the state space; the dashed curve is the most that a block \
             of this size can have."
        );
        let most = (1..n).map(|cut| (cut as f64, cut.min(n - cut) as f64));
        let references =
            vec![Reference::curve("min(i, n − i)", most), Reference::level("D", head_size as f64)];
        // Linear attention is drawn over state-space attention, because the two curves coincide.
        let curves =
            [Mechanism::Softmax, Mechanism::StateSpace, Mechanism::Linear, Mechanism::Decay].map(of).into();
        let axes = [PlotAxis::linear("cut i"), PlotAxis::log("numerical rank of the block")];
        let title = format!("Rank of the blocks below the diagonal at D = {head_size}");
        evidence.plot("block-rank", caption, lines(title, axes, curves, references));
    }
}

/// Whether linear attention lacks full rank in exact arithmetic.
fn exact(rows: &[Row], map: FeatureMap) -> (Exact, String) {
    let draws: usize = rows.iter().map(|row| row.looks[Mechanism::Linear as usize].len()).sum();
    let full: usize = rows.iter().map(|row| row.full(Mechanism::Linear)).sum();
    let softmax: usize = rows.iter().map(|row| row.full(Mechanism::Softmax)).sum();
    let bound = "What it lacks is rank below the diagonal: there the weight of token t on s is φ(qₜ)·φ(kₛ) over the sum of \
                 row t, so no block has a rank above D";
    if full == 0 {
        let because = format!(
            "With {map} none of {draws} draws of linear attention has a diagonal without zeros, and {softmax} of \
             softmax do; with elu + 1 none of either has a zero. {bound}."
        );
        return (Exact::Open, because);
    }
    let because = format!(
        "With {map}, {full} of {draws} draws of causal linear attention are lower triangular without a zero on the \
         diagonal, which makes them of full rank, as {softmax} of softmax are. {bound}."
    );
    (Exact::Refuted, because)
}

/// Whether the rank of the whole matrix differs between the two in floating point, for each head size.
fn floating(rows: &[Row], n: usize) -> (Floating, String) {
    let pairs = |of: fn(&Row, Mechanism) -> Sample| {
        let pair = |row: &Row| {
            let [softmax, linear] =
                [Mechanism::Softmax, Mechanism::Linear].map(|which| short(of(row, which).mean()));
            format!("{softmax} and {linear} at D = {}", row.head_size)
        };
        rows.iter().map(pair).collect::<Vec<_>>().join(", ")
    };
    let because = format!(
        "Of {n} directions, softmax and linear attention keep {}. Their largest blocks below the diagonal have the \
         ranks {}.",
        pairs(Row::whole),
        pairs(Row::largest)
    );
    (Floating::over(rows.iter().map(Row::outcome)), because)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(head_size: usize, softmax: &[usize], linear: &[usize], is_full: bool) -> Row {
        let looks = |wholes: &[usize]| {
            let look = |&whole: &usize| {
                let blocks = vec![1, head_size];
                Look { blocks, effective: 1.0, whole, log_det: None, is_full }
            };
            wholes.iter().map(look).collect::<Vec<_>>()
        };
        Row { head_size, looks: [looks(softmax), looks(linear), looks(linear), looks(linear)] }
    }

    #[test]
    fn every_word_is_reached() {
        let (same, short) = (|| row(3, &[9, 9], &[9, 9], true), || row(4, &[9, 9], &[5, 6], false));
        let word = |rows: &[Row]| floating(rows, 9).0;
        assert_eq!(word(&[short()]), Floating::Everywhere);
        assert_eq!(word(&[short(), same()]), Floating::InOneRegion);
        assert_eq!(word(&[short(), row(6, &[5, 6], &[9, 9], true)]), Floating::Reverses);
        assert_eq!(word(&[same()]), Floating::Nowhere);
        assert_eq!(word(&[row(5, &[9, 8], &[8, 9], false)]), Floating::NotResolved);
        let word = |row: Row| exact(&[row], FeatureMap::Relu);
        assert_eq!(word(row(2, &[9, 8], &[9, 9], true)).0, Exact::Refuted);
        let (ruling, because) = word(short());
        assert_eq!(ruling, Exact::Open);
        assert!(because.starts_with("With relu none of 2 draws"), "{because}");
    }
}
