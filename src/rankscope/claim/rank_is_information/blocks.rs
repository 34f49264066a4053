//! What the earlier half of the tokens sends to the later one, and how different the outputs are.

use ndarray::{Array2, ArrayView2, s};

use super::super::{Draw, Evidence, Sample, Settings, gaussian};
use super::{is_clear, seeds};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
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
    block: [Spectrum; 2],
    /// Effective rank of A·V, and of V + A·V.
    context: [f64; 2],
    with_skip: [f64; 2],
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let mut shown = None;
    for head_size in settings.integers("head_sizes")? {
        for scale in settings.numbers("scales")? {
            let stage = format!("blocks, D = {head_size}, scale {scale}");
            let pairs =
                rank::many(&seeds(settings)?, &stage, run, |&seed| pair(settings, (head_size, scale), seed))?;
            record(evidence, settings, (head_size, scale), &pairs)?;
            if let Some(first) = pairs.into_iter().next().filter(|_| scale == 1.0 || shown.is_none()) {
                shown = Some((head_size, scale, first));
            }
        }
    }
    if let Some((head_size, scale, pair)) = shown {
        picture(evidence, settings, (head_size, scale), &pair);
    }
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
    let gain = block[0].minus(&block[1]);
    let text = format!(
        "D = {head_size}, scale {scale}: the block from the earlier to the later half has effective rank {} causal and \
         {} bidirectional; paired difference {gain}",
        block[0], block[1]
    );
    evidence.weigh(is_clear(Some(&gain)), text);
    let more = context[0].minus(&context[1]);
    let text = format!(
        "D = {head_size}, scale {scale}: the outputs A·V ({VALUE_WIDTH} columns) have effective rank {} causal and {} \
         bidirectional; with the skip connection {} and {}",
        context[0], context[1], with_skip[0], with_skip[1]
    );
    evidence.weigh(is_clear(Some(&more)), text);
    evidence.measure_sample(format!("block_gain_{at}"), gain, "");
    for (name, samples) in [("block_rank", block), ("context_rank", context), ("skip_rank", with_skip)] {
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

fn picture(evidence: &mut Evidence, settings: &Settings, (head_size, scale): (usize, f64), pair: &Pair) {
    let curve = |name: &str, kind, spectrum: &Spectrum| {
        let largest = spectrum.sigma_max().unwrap_or(1.0);
        let values = spectrum.values().iter().map(|sigma| sigma / largest).filter(|&value| value > 1e-16);
        Curve::new(name, kind, (1..).map(f64::from).zip(values))
    };
    let figure = Lines {
        title: "What the earlier half of the tokens sends to the later one".into(),
        x: PlotAxis::linear("index i"),
        y: PlotAxis::log("singular value relative to σ₁"),
        curves: vec![
            curve("causal", Kind::Causal, &pair.block[0]),
            curve("bidirectional", Kind::Bidirectional, &pair.block[1]),
        ],
        references: Vec::new(),
        settings: settings.record(),
    };
    let n = pair.block[0].cols() * 2;
    let caption = format!(
        "Singular values of the weights from the later half of {n} queries to the earlier half of the keys, one draw \
         with D = {head_size} and logit scale {scale}: the block through which the past reaches the future has the \
         same spectrum under both masks."
    );
    evidence.show("off-diagonal-block", caption, figure);
}
