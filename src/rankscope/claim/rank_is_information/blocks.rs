//! What the earlier half of the tokens sends to the later one, and how different the outputs are.

use ndarray::{Array2, s};

use super::is_clear;
use crate::claim::{Draw, Evidence, Known, Outcome, Sample, Settings, gaussian};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::{self, EPSILON_F32, EPSILON_F64, Spectrum};
use crate::run::Run;

/// Columns of the values V whose mixture is looked at.
const VALUE_WIDTH: usize = 64;

/// One draw, under the causal and the bidirectional mask.
struct Pair {
    /// Effective rank of the whole matrix.
    whole: [f64; 2],
    block: [Spectrum; 2],
    /// Effective rank of A·V, and of V + A·V.
    context: [f64; 2],
    with_skip: [f64; 2],
}

/// Both masks at one head size and scale, over draws: causal, bidirectional.
pub(super) struct At {
    pub head_size: usize,
    pub scale: f64,
    whole: [Sample; 2],
    block: [Sample; 2],
    context: [Sample; 2],
    with_skip: [Sample; 2],
    /// The blocks of the first draw.
    shown: [Spectrum; 2],
}

impl At {
    /// Whether the mask of higher effective rank carries more from the earlier to the later half.
    pub fn outcome(&self) -> Outcome {
        outcome(&self.whole[0].minus(&self.whole[1]), &self.block[0].minus(&self.block[1]))
    }
}

/// From the paired differences of the rank and of what is carried.
pub(super) fn outcome(rank: &Sample, carried: &Sample) -> Outcome {
    match (is_clear(rank), is_clear(carried)) {
        (Some(rank), Some(carried)) if rank == carried => Outcome::Holds,
        (Some(_), Some(_)) => Outcome::Opposite,
        _ => Outcome::Unclear,
    }
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Vec<At>> {
    let mut found = Vec::new();
    for head_size in settings.integers("head_sizes")? {
        for scale in settings.numbers("scales")? {
            let stage = format!("blocks, D = {head_size}, scale {scale}");
            let seeds = settings.seeds("seeds")?;
            let pairs = rank::many(&seeds, &stage, run, |&seed| pair(settings, (head_size, scale), seed))?;
            let both = |of: &dyn Fn(&Pair, usize) -> f64| {
                [0, 1].map(|mask| pairs.iter().map(|pair| of(pair, mask)).collect::<Sample>())
            };
            found.push(At {
                head_size,
                scale,
                whole: both(&|pair, mask| pair.whole[mask]),
                block: both(&|pair, mask| pair.block[mask].effective_rank()),
                context: both(&|pair, mask| pair.context[mask]),
                with_skip: both(&|pair, mask| pair.with_skip[mask]),
                shown: pairs.into_iter().next().expect("two draws at least").block,
            });
        }
    }
    Ok(found)
}

fn pair(settings: &Settings, (head_size, scale): (usize, f64), seed: u64) -> Result<Pair> {
    let n = settings.integer("n")?;
    let draw = Draw::independent(n, head_size, seed);
    let values = gaussian(n, VALUE_WIDTH, seed, 2);
    let weights = |mask| draw.weights(scale, &mask, settings.device());
    let weights = [weights(Mask::causal())?, weights(Mask::bidirectional())?];
    // Rows are queries: the later half attends to the earlier one.
    let block = |weights: &Array2<f64>| Spectrum::of(weights.slice(s![n / 2.., ..n / 2]));
    let effective = |matrix: &Array2<f64>| Ok(Spectrum::of(matrix.view())?.effective_rank());
    let context = [weights[0].dot(&values), weights[1].dot(&values)];
    Ok(Pair {
        whole: [effective(&weights[0])?, effective(&weights[1])?],
        block: [block(&weights[0])?, block(&weights[1])?],
        context: [effective(&context[0])?, effective(&context[1])?],
        with_skip: [effective(&(&context[0] + &values))?, effective(&(&context[1] + &values))?],
    })
}

/// numpy, 20 draws at n = 256, unit scale: D; effective rank of the block, causal, then bidirectional.
const KNOWN: [(usize, [(f64, f64); 2]); 4] = [
    (4, [(21.712, 0.859), (21.718, 0.827)]),
    (8, [(43.039, 1.7), (43.497, 1.87)]),
    (16, [(61.728, 1.08), (62.436, 1.1)]),
    (64, [(79.547, 0.88), (80.805, 0.804)]),
];

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, all: &[At]) -> Result<()> {
    let n = settings.integer("n")?;
    for at in all {
        weigh(evidence, at);
        let At { head_size, scale, .. } = at;
        let place = format!("d{head_size}_scale_{scale}");
        let known = KNOWN.iter().find(|known| known.0 == *head_size && *scale == 1.0 && n == 256);
        for (name, samples) in [
            ("rank", &at.whole),
            ("block_rank", &at.block),
            ("context_rank", &at.context),
            ("skip_rank", &at.with_skip),
        ] {
            for (which, mask) in ["causal", "bidirectional"].into_iter().enumerate() {
                let sample = samples[which].clone();
                let measured = evidence.measure_sample(format!("{name}_{mask}_{place}"), sample, "");
                if let Some((_, known)) = known.filter(|_| name == "block_rank") {
                    let (mean, sd) = known[which];
                    measured.expect_mean(Known::new(mean, sd, 20), "numpy, 20 draws at n = 256");
                }
            }
        }
    }
    picture(evidence, settings, all);
    Ok(())
}

fn weigh(evidence: &mut Evidence, at: &At) {
    let At { head_size, scale, whole, block, context, with_skip, .. } = at;
    let text = format!(
        "D = {head_size}, scale {scale}: of effective rank {} causal and {} bidirectional, the block from the earlier to \
         the later half has {} and {}; paired difference {}",
        whole[0],
        whole[1],
        block[0],
        block[1],
        block[0].minus(&block[1])
    );
    evidence.weigh(at.outcome() == Outcome::Holds, text);
    let text = format!(
        "D = {head_size}, scale {scale}: the outputs A·V ({VALUE_WIDTH} columns) have effective rank {} causal and {} \
         bidirectional; with the skip connection {} and {}",
        context[0], context[1], with_skip[0], with_skip[1]
    );
    evidence.weigh(is_clear(&context[0].minus(&context[1])) == Some(true), text);
}

/// Relative singular values below this are not drawn.
const LOWEST: f64 = 1e-9;

/// The blocks of the last head size, at up to three scales.
fn picture(evidence: &mut Evidence, settings: &Settings, all: &[At]) {
    let Some(At { head_size, shown: last, .. }) = all.last() else { return };
    let n = last[0].rows() + last[0].cols();
    let mut curves = Vec::new();
    for At { scale, shown, .. } in all.iter().filter(|at| at.head_size == *head_size).take(3) {
        let kinds = [("causal", Kind::Causal), ("bidirectional", Kind::Bidirectional)];
        for ((name, kind), spectrum) in kinds.into_iter().zip(shown) {
            let largest = spectrum.sigma_max().unwrap_or(1.0);
            let values =
                spectrum.values().iter().map(|sigma| sigma / largest).filter(|&value| value > LOWEST);
            curves.push(Curve::new(format!("{name}, scale {scale}"), kind, (1..).map(f64::from).zip(values)));
        }
    }
    let rows = last[0].rows().max(last[0].cols()) as f64;
    let (format, epsilon) = match settings.device() {
        Device::Cpu => ("f64", EPSILON_F64),
        Device::Gpu(_) => ("f32", EPSILON_F32),
    };
    let floor = Some(rows * epsilon).filter(|&floor| floor > LOWEST);
    let figure = Lines {
        title: "What the earlier half of the tokens sends to the later one".into(),
        x: PlotAxis::linear("index i"),
        y: PlotAxis::log("singular value relative to σ₁"),
        curves,
        references: floor
            .map(|floor| Reference::floor(format!("{format} tolerance"), floor))
            .into_iter()
            .collect(),
        settings: settings.record(),
    };
    let caption = format!(
        "Singular values of the weights from the later half of {n} queries to the earlier half of the keys, the block \
         through which the past reaches the future, with D = {head_size} at each logit scale; one draw under both masks."
    );
    evidence.show("off-diagonal-block", caption, figure);
}
