//! What the earlier half of the tokens sends to the later one, and how different the outputs are.

use ndarray::{Array2, ArrayView2, s};

use super::super::{Draw, Evidence, Sample, Settings, gaussian};
use super::{Order, is_clear, seeds};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::rank::{self, EPSILON_F32, EPSILON_F64, Spectrum, Tolerance};
use crate::run::Run;

/// Columns of the values V whose mixture is looked at.
const VALUE_WIDTH: usize = 64;

/// The share of the weights that leaves its own token: 1 − tr(A)/n.
pub(super) fn flow(weights: ArrayView2<f64>) -> f64 {
    1.0 - weights.diag().sum() / weights.nrows() as f64
}

/// Full rank without flow, and flow without rank.
pub(super) fn identity(evidence: &mut Evidence, settings: &Settings) -> Result<()> {
    let n = settings.integer("n")?;
    let uniform = Array2::from_elem((n, n), 1.0 / n as f64);
    let cases = [("identity", Array2::eye(n)), ("uniform", uniform)];
    for (name, weights) in &cases {
        let rank = Spectrum::of(weights.view())?.numerical_rank(Tolerance::F64);
        evidence.measure(format!("{name}_rank"), rank as f64, "");
        evidence.measure(format!("{name}_flow"), flow(weights.view()), "");
    }
    let of = |name: &str| evidence.value(name);
    let (rank, none) = (of("identity_rank")?, of("identity_flow")?);
    let (one, all) = (of("uniform_rank")?, of("uniform_flow")?);
    let text = format!(
        "the identity has rank {rank} of {n} and sends {:.1} % of its weight to other tokens; the uniform matrix has \
         rank {one} and sends {:.1} %, though the same message to all",
        100.0 * none,
        100.0 * all
    );
    evidence.weigh(none > all, text);
    evidence.expect("identity_rank", n as f64, 0.0, "det I = 1");
    evidence.expect("identity_flow", 0.0, 0.0, "by definition");
    evidence.expect("uniform_rank", 1.0, 0.0, "J/n is an outer product");
    Ok(())
}

/// One draw, under the causal and the bidirectional mask.
struct Pair {
    /// Effective rank of the whole matrix.
    whole: [f64; 2],
    block: [Spectrum; 2],
    /// Effective rank of A·V, and of V + A·V.
    context: [f64; 2],
    with_skip: [f64; 2],
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let mut shown = Vec::new();
    for head_size in settings.integers("head_sizes")? {
        for scale in settings.numbers("scales")? {
            let stage = format!("blocks, D = {head_size}, scale {scale}");
            let pairs =
                rank::many(&seeds(settings)?, &stage, run, |&seed| pair(settings, (head_size, scale), seed))?;
            record(evidence, settings, (head_size, scale), &pairs)?;
            shown.extend(pairs.into_iter().next().map(|first| (head_size, scale, first)));
        }
    }
    picture(evidence, settings, &shown);
    Ok(())
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

fn record(
    evidence: &mut Evidence,
    settings: &Settings,
    (head_size, scale): (usize, f64),
    pairs: &[Pair],
) -> Result<()> {
    let at = format!("d{head_size}_scale_{scale}");
    let over = |of: &dyn Fn(&Pair) -> f64| pairs.iter().map(of).collect::<Sample>();
    let both = |of: fn(&Pair, usize) -> f64| [over(&|pair| of(pair, 0)), over(&|pair| of(pair, 1))];
    let block = both(|pair, mask| pair.block[mask].effective_rank());
    let context = both(|pair, mask| pair.context[mask]);
    let with_skip = both(|pair, mask| pair.with_skip[mask]);
    let whole = both(|pair, mask| pair.whole[mask]);
    let (gain, rank_gain) = (block[0].minus(&block[1]), whole[0].minus(&whole[1]));
    let text = format!(
        "D = {head_size}, scale {scale}: of effective rank {} causal and {} bidirectional, the block from the earlier to \
         the later half has {} and {}; paired difference {gain}",
        whole[0], whole[1], block[0], block[1]
    );
    evidence.weigh(Order::of(&rank_gain, &gain) == Order::Same, text);
    let more = context[0].minus(&context[1]);
    let text = format!(
        "D = {head_size}, scale {scale}: the outputs A·V ({VALUE_WIDTH} columns) have effective rank {} causal and {} \
         bidirectional; with the skip connection {} and {}",
        context[0], context[1], with_skip[0], with_skip[1]
    );
    evidence.weigh(is_clear(&more) == Some(true), text);
    evidence.measure_sample(format!("rank_gain_{at}"), rank_gain, "");
    evidence.measure_sample(format!("block_gain_{at}"), gain, "");
    for (name, samples) in
        [("rank", whole), ("block_rank", block), ("context_rank", context), ("skip_rank", with_skip)]
    {
        for (mask, sample) in ["causal", "bidirectional"].into_iter().zip(samples) {
            evidence.measure_sample(format!("{name}_{mask}_{at}"), sample, "");
        }
    }
    expect(evidence, settings, (head_size, scale), &at)
}

fn expect(
    evidence: &mut Evidence,
    settings: &Settings,
    (head_size, scale): (usize, f64),
    at: &str,
) -> Result<()> {
    // numpy, 20 draws at n = 256, unit scale: causal, then bidirectional.
    let reference = [
        (4, (21.712, 0.859), (21.718, 0.827)),
        (8, (43.039, 1.7), (43.497, 1.87)),
        (16, (61.728, 1.08), (62.436, 1.1)),
        (64, (79.547, 0.88), (80.805, 0.804)),
    ];
    let known = reference.iter().find(|known| known.0 == head_size);
    if let Some((_, causal, bidirectional)) = known.filter(|_| scale == 1.0)
        && settings.integer("n")? == 256
    {
        for (mask, (mean, sd)) in [("causal", causal), ("bidirectional", bidirectional)] {
            let name = format!("block_rank_{mask}_{at}");
            evidence.expect_mean(&name, (*mean, *sd, 20), "numpy, 20 draws at n = 256")?;
        }
    }
    Ok(())
}

/// Relative singular values below this are not drawn.
const LOWEST: f64 = 1e-9;

/// The blocks of the last head size, at up to three scales.
fn picture(evidence: &mut Evidence, settings: &Settings, shown: &[(usize, f64, Pair)]) {
    let Some((head_size, _, last)) = shown.last() else { return };
    let n = last.block[0].rows() + last.block[0].cols();
    let mut curves = Vec::new();
    for (_, scale, pair) in shown.iter().filter(|entry| entry.0 == *head_size).take(3) {
        let kinds = [("causal", Kind::Causal), ("bidirectional", Kind::Bidirectional)];
        for ((name, kind), spectrum) in kinds.into_iter().zip(&pair.block) {
            let largest = spectrum.sigma_max().unwrap_or(1.0);
            let values =
                spectrum.values().iter().map(|sigma| sigma / largest).filter(|&value| value > LOWEST);
            curves.push(Curve::new(format!("{name}, scale {scale}"), kind, (1..).map(f64::from).zip(values)));
        }
    }
    let rows = last.block[0].rows().max(last.block[0].cols()) as f64;
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
