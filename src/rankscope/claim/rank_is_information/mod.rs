//! Claim: full rank means more information flows.
//!
//! Rank is compared with the information that really passes: from the earlier half of the tokens to the later half,
//! through a stack of layers, and beside a residual connection.

mod heads;
mod powers;

use ndarray::s;

use super::prelude::*;
use crate::rank::{EPSILON_F32, EPSILON_F64, exact_rank};
pub(super) use heads::{is_above_0, kendall};
use heads::{look, trained};
use powers::powers;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "rank-is-information",
        group: Group::Matrices,
        statement: "Attention of full rank lets more information flow between tokens.",
        source: "As commonly read into Su Jianlin, kexue.fm 9529 (2023), where full rank stands for more expressive \
                 attention",
        exact: "Rank bounds what a matrix can pass on: A·V has rank at most that of A. The converse is false: \
                attention that is nearly the identity has full rank and passes next to nothing between tokens. What \
                earlier tokens send to later ones goes through the block below the diagonal, and there the causal \
                weights are the bidirectional ones with each row rescaled: the same rank, exactly.",
        reconsider: "A measure of flow by which the matrix of higher rank carries more at every size and scale.",
    },
    parameters: &[
        set("n", "positions", Integer(4, 1024), ["256"; 2]),
        set("head_sizes", "head sizes D", Integers(1, 1024), ["4,16,64", "4,8,16,32,64"]),
        set("scales", LOGIT_SCALES, Numbers(0.0, 16.0), ["0.1,1,4", "0.1,0.5,1,2,4"]),
        set("powers_n", "positions of the matrix whose powers are taken", Integer(4, 256), ["32"; 2]),
        set("powers_head_size", "its head size D", Integer(1, 1024), ["8"; 2]),
        set("seeds", "draws", Integer(2, 1000), ["6", "20"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str = "in f64 the powers of A (power_…), the examples of exact rank, the products A·V and all \
                      spectra; the device computes the weights of the blocks and beside the skip connection";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (n, mut evidence) = (settings.integer("n")?, Evidence::new(settings));
    let models = trained::each(&mut evidence, settings, run, |subject| {
        subject.heads(subject.trained_mask(), run, look)
    })?;
    let examples = examples(n)?;
    for example in &examples {
        let name = example.name.split(' ').next().unwrap_or(example.name);
        evidence.measure(format!("{name}_rank"), example.rank as f64, "");
        evidence.measure(format!("{name}_flow"), example.flow, "");
    }
    let exact = exact(&examples, n);
    if exact.0 == Exact::Refuted {
        evidence.weigh(false, exact.1.trim_end_matches('.'));
    }
    let floating = floating(&mut evidence, settings, run)?;
    powers(&mut evidence, settings, run)?;
    let trained = trained(&mut evidence, &models);
    evidence.note_cpu(settings, ON_CPU);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), Some(trained))))
}

/// An attention matrix whose rank is known by a theorem.
struct Example {
    name: &'static str,
    rank: usize,
    flow: f64,
}

/// The share of the weights that tokens give to other tokens: 1 − tr(A)/n.
fn flow(weights: ArrayView2<f64>) -> f64 {
    1.0 - weights.diag().sum() / weights.nrows() as f64
}

impl Example {
    /// The example of a matrix whose rank follows from the positions of its zeros, or from all its rows being equal;
    /// `None` for any other matrix.
    fn of(name: &'static str, weights: &Array2<f64>) -> Option<Self> {
        let by_pattern = exact_rank(weights.mapv(|weight| weight != 0.0).view()).rank;
        let is_one_row = weights.rows().into_iter().all(|row| row == weights.row(0));
        let rank = by_pattern.or(is_one_row.then_some(1))?;
        Some(Example { name, rank, flow: flow(weights.view()) })
    }
}

/// The logit of every token with itself in the sharp example; all others are 0.
const SHARP: f64 = 32.0;

/// Two examples: full rank without flow, and flow without rank.
fn examples(n: usize) -> Result<Vec<Example>> {
    let weights = |tokens: &Array2<f64>, scale: f64, mask: Mask| {
        attention_weights(tokens, tokens, scale, &mask, &Device::Cpu)
    };
    // Scores of SHARP · I, and of 0.
    let sharp = weights(&Array2::eye(n), SHARP * (n as f64).sqrt(), Mask::causal())?;
    let uniform = weights(&Array2::zeros((n, 1)), 1.0, Mask::bidirectional())?;
    let sharp = Example::of("sharp causal attention", &sharp);
    Ok(sharp.into_iter().chain(Example::of("uniform bidirectional attention", &uniform)).collect())
}

/// Refuted if of two examples the one of higher rank has less flow.
fn exact(examples: &[Example], n: usize) -> (Exact, String) {
    let mut pairs = examples.iter().flat_map(|high| examples.iter().map(move |low| (high, low)));
    let Some((high, low)) = pairs.find(|(high, low)| high.rank > low.rank && high.flow < low.flow) else {
        return (Exact::Open, "No example here has more rank and sends less.".to_owned());
    };
    let percent = |flow: f64| format!("{:.1} %", 100.0 * flow.abs());
    let because = format!(
        "{} of {n} tokens has rank {} and sends {} of its weight to other tokens; {} has rank {} and sends {}",
        high.name,
        high.rank,
        percent(high.flow),
        low.name,
        low.rank,
        percent(low.flow)
    );
    (Exact::Refuted, sentence(&because))
}

/// The number of columns of the values V.
const VALUE_WIDTH: usize = 64;

/// In turn under the causal and the bidirectional mask: effective ranks of the whole matrix, of the block from the
/// later half of the queries to the earlier half of the keys, of A·V and of V + A·V; and cond(I + A).
type Point = (Place, [Sample; 10]);

/// The weights of one draw: causal, bidirectional.
fn both(n: usize, place: &Place, seed: u64, device: &Device) -> Result<[Array2<f64>; 2]> {
    let draw = Draw::independent(n, place.head_size, seed);
    let weights = |mask| draw.weights(place.scale, &mask, device);
    Ok([weights(Mask::causal())?, weights(Mask::bidirectional())?])
}

/// The spectrum of the block by which the later half of the queries (rows) attends to the earlier half of the keys.
fn block(weights: &Array2<f64>) -> Result<Spectrum> {
    let n = weights.nrows();
    Spectrum::of(weights.slice(s![n / 2.., ..n / 2]))
}

/// cond(I + A).
fn condition(weights: &Array2<f64>) -> Result<f64> {
    let with_skip = Array2::eye(weights.nrows()) + weights;
    Ok(Spectrum::of(with_skip.view())?.condition().map_or(f64::INFINITY, |condition| condition.value))
}

/// Whether a paired difference is above zero; `None` unless its distance from zero is more than two standard errors and
/// more than 0.01, a hundredth of a direction.
pub(super) fn is_clear(gain: &Sample) -> Option<bool> {
    let is_away = gain.mean().abs() > (2.0 * gain.standard_error()).max(0.01);
    is_away.then(|| gain.mean() > 0.0)
}

/// Whether the mask of higher effective rank carries more from the earlier to the later half.
fn outcome((_, [causal, both, block, block_both, ..]): &Point) -> Outcome {
    let clear = is_clear(&causal.minus(both)).zip(is_clear(&block.minus(block_both)));
    Outcome::compared(clear.map(|(rank, carried)| rank == carried))
}

/// A condition number from which a layer's own mixing would count as nearly singular: with it, half of the digits of
/// f32 remain.
const MANY: f64 = 1e3;

fn floating(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<(Floating, String)> {
    let (n, device) = (settings.integer("n")?, settings.device());
    let points = sweep(Place::all(settings)?, &settings.seeds("seeds")?, "blocks", run, |place, seed| {
        let (both, values) = (both(n, place, seed, device)?, gaussian(n, VALUE_WIDTH, seed, 2));
        let effective =
            |matrix: &Array2<f64>| Ok::<f64, Error>(Spectrum::of(matrix.view())?.effective_rank());
        let mut numbers = [0.0; 10];
        for (which, weights) in both.iter().enumerate() {
            let context = weights.dot(&values);
            numbers[which] = effective(weights)?;
            numbers[2 + which] = block(weights)?.effective_rank();
            numbers[4 + which] = effective(&context)?;
            numbers[6 + which] = effective(&(context + &values))?;
            numbers[8 + which] = condition(weights)?;
        }
        Ok(numbers)
    })?;
    for point in &points {
        let (place, [causal, both, block, block_both, context, context_both, skip, skip_both, ..]) = point;
        let text = format!(
            "{place}: of effective rank {causal} causal and {both} bidirectional, the block from the earlier to the later \
             half has {block} and {block_both}; paired difference {}",
            block.minus(block_both)
        );
        place.locate(evidence.weigh(outcome(point) == Outcome::Holds, text));
        let text = format!(
            "{place}: the outputs A·V ({VALUE_WIDTH} columns) have effective rank {context} causal and {context_both} \
             bidirectional; with the skip connection {skip} and {skip_both}"
        );
        place.locate(evidence.weigh(is_clear(&context.minus(context_both)) == Some(true), text));
        let names = ["rank", "block_rank", "context_rank", "skip_rank", "condition_with_skip"];
        for (column, name) in names.into_iter().enumerate() {
            for (which, (mask, _)) in MASKS.into_iter().enumerate() {
                evidence.record(place.name(&format!("{name}_{mask}")), &point.1[2 * column + which]);
            }
        }
    }
    for scale in settings.numbers("scales")? {
        let at = points.iter().filter(|(place, _)| place.scale == scale);
        let [causal, bidirectional]: [Sample; 2] =
            [8, 9].map(|column| at.clone().flat_map(|(_, s)| s[column].values().to_vec()).collect());
        let between = |(low, high): (f64, f64)| format!("{} to {}", short(low), short(high));
        let text = format!(
            "scale {scale}: with the skip connection, cond(I + A) is {} causal and {} bidirectional, over all head sizes \
             and draws",
            between(causal.extremes()),
            between(bidirectional.extremes())
        );
        // Support: the bidirectional layer is nearly singular where the causal one is not.
        evidence.weigh(bidirectional.mean() > MANY && causal.mean() < MANY, text).at("scale", scale);
    }
    plot_blocks(evidence, settings, &points)?;
    let [(more, places), (less, other_places)] = [Outcome::Holds, Outcome::Opposite].map(|wanted| {
        let at = points.iter().filter(|point| outcome(point) == wanted);
        let words: Vec<_> = at.map(|(place, _)| place.to_string()).collect();
        let listed = if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) };
        (words.len(), listed)
    });
    let because = format!(
        "Of the causal and the bidirectional mask, the one of higher effective rank carries more from the earlier to the \
         later half of the tokens at {more} of {} points{places}, and less at {less}{other_places}.",
        points.len()
    );
    Ok((Floating::over(points.iter().map(outcome)), because))
}

/// Relative singular values below this are not drawn.
const LOWEST: f64 = 1e-9;

/// The blocks of the last head size, at up to three scales; one draw.
fn plot_blocks(evidence: &mut Evidence, settings: &Settings, points: &[Point]) -> Result<()> {
    let Some((Place { head_size, .. }, _)) = points.last() else { return Ok(()) };
    let n = settings.integer("n")?;
    let mut curves = Vec::new();
    for (place, _) in points.iter().filter(|(place, _)| place.head_size == *head_size).take(3) {
        let both = both(n, place, settings.seed()?, settings.device())?;
        for ((mask, kind), weights) in MASKS.into_iter().zip(&both) {
            let values = block(weights)?.relative().into_iter().filter(|&value| value > LOWEST);
            let name = format!("{mask}, scale {}", place.scale);
            curves.push(Curve::new(name, kind, (1..).map(f64::from).zip(values)));
        }
    }
    let (format, epsilon) = match settings.device() {
        Device::Cpu => ("f64", EPSILON_F64),
        Device::Gpu(_) => ("f32", EPSILON_F32),
    };
    let floor = Some(n.div_ceil(2) as f64 * epsilon).filter(|&floor| floor > LOWEST);
    let references =
        floor.map(|floor| Reference::floor(format!("{format} tolerance"), floor)).into_iter().collect();
    let caption = format!(
        "Singular values of the weights from the later half of {n} queries to the earlier half of the keys, the block \
         through which the past reaches the future, with D = {head_size} at each logit scale; one draw under both masks."
    );
    let axes = [PlotAxis::linear("index i"), PlotAxis::log("singular value relative to σ₁")];
    let title = "What the earlier half of the tokens sends to the later one";
    evidence.plot("off-diagonal-block", caption, lines(title, axes, curves, references));
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::powers::distance_from_limit;
    use super::*;

    /// Matrices made by hand go through the same functions as the examples.
    #[test]
    fn both_words_in_exact_arithmetic_are_reached() {
        let ruling = |matrices: &[&Array2<f64>]| {
            let examples: Vec<_> = matrices.iter().map(|a| Example::of("by hand", a).unwrap()).collect();
            exact(&examples, 3).0
        };
        let (identity, uniform) = (Array2::eye(3), Array2::from_elem((3, 3), 1.0 / 3.0));
        let first_token = array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
        let forward = array![[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.5, 0.4, 0.1]];
        assert_eq!(ruling(&[&identity, &uniform]), Exact::Refuted);
        assert_eq!(ruling(&[&identity, &first_token]), Exact::Refuted);
        // More rank, and not less weight on other tokens: (0 + 0.9 + 0.9)/3 is not below 2/3, so this is no
        // counterexample.
        assert_eq!(ruling(&[&forward]), Exact::Open);
        let still = array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(ruling(&[&forward, &still]), Exact::Open);
        // It is neither triangular nor of equal rows, so its rank is not known without computing.
        assert!(Example::of("dense", &array![[0.5, 0.5], [0.25, 0.75]]).is_none());
    }

    #[test]
    fn flow_distance_and_condition_by_hand() {
        let weights = array![[1.0, 0.0], [0.25, 0.75]];
        assert_eq!(flow(weights.view()), 0.125);
        assert_eq!(distance_from_limit(&weights), 0.75);
        // I + I has equal singular values.
        assert_eq!(condition(&Array2::eye(5)).unwrap(), 1.0);
        assert!((condition(&array![[2.0, 0.0], [0.0, 0.5]]).unwrap() - 2.0).abs() < 1e-14);
    }

    /// In the block below the diagonal the causal weights are the bidirectional ones, with each row multiplied by a
    /// factor.
    #[test]
    fn the_blocks_differ_only_by_a_factor_for_each_row() {
        let [causal, bidirectional] = both(22, &Place { head_size: 3, scale: 1.5 }, 4, &Device::Cpu).unwrap();
        for row in 11..22 {
            let factor = |col: usize| causal[(row, col)] / bidirectional[(row, col)];
            assert!(factor(0) >= 1.0);
            assert!((1..11).all(|col| (factor(col) / factor(0) - 1.0).abs() < 1e-12));
        }
    }
}
