//! Claim: a small head cannot express every attention pattern of a long sequence.

mod sweep;

use std::path::Path;

use ndarray::{array, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::prelude::*;
use crate::express::{self, BestFit, Fitting, Target};
use crate::figure::{Heatmap, Scale};
use crate::rank::precise::{self, Precise};
use sweep::{Side, Sweep, plot, plot_fit, sides};

pub(super) const TOLERANCE: Parameter =
    set("tolerance", "nats below which a pattern counts as reached", Number(1e-13, 1e-3), ["1e-9"; 2]);
pub(super) const STARTS: Parameter = set("starts", "descents of each fit", Integer(1, 50), ["3", "6"]);
/// The description of the setting `scale`.
pub(super) const LOGITS: &str = "standard deviation of the logits that patterns are drawn from";
/// The value at which a divergence that is only rounding is drawn.
pub(super) const FLOOR: f64 = 1e-17;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "head-size-bottleneck",
        group: Group::Matrices,
        statement: "A small head cannot express every attention pattern of a long sequence.",
        source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 1",
        exact: "With head size and width of at least n, every positive pattern of n positions is reachable. Given \
                embeddings of rank n, a head of size D reaches P exactly where the logarithms of P, centred row by \
                row, have rank D or less: n − 1 for almost every P, so D = n − 1 is enough and no less is. Under the \
                causal mask only the entries on and below the diagonal count: almost every P needs D of at least \
                ⌊n/2⌋, the rank of the block that all its rows see, and that is enough for almost every P: with m = ⌊n/2⌋ \
                set k₁ = 0 and k₂ … k₍ₘ₊₁₎ to unit vectors, read the queries off, and solve for the other keys, at most \
                m equations each. Any permutation, however sharp, needs D = 2 only; a nearest-neighbour task of Amsel, Yehudai and Bruna 2024 (arXiv 2407.16153) is \
                out of reach of small heads unless there are exponentially many.",
        reconsider: "A family of patterns that models need and whose centred logarithms are of low rank.",
    },
    parameters: &[
        set("n", "positions of the patterns that heads are fitted to", Integer(2, 32), ["12", "16"]),
        set("head_sizes", TRIED, Integers(1, 31), HEAD_SIZES),
        set("scale", LOGITS, Number(0.0, 5.0), ["2"; 2]),
        TOLERANCE,
        STARTS,
        set("seeds", "patterns", Integer(1, 100), ["3", "8"]),
        set("permutation_n", "positions of the permutations", Integers(2, 512), PERMUTATIONS),
        set("target", "a .npy or .csv file with a pattern of one's own; empty for none", Text, [""; 2]),
    ],
    decide,
};

const TRIED: &str = "head sizes D to fit; those of n and more reach everything and are left out";
const HEAD_SIZES: [&str; 2] = ["1,2,3,4,5,6,7,8,9,10,11", "1,2,3,4,5,6,7,8,9,10,12,14,15"];
const PERMUTATIONS: [&str; 2] = ["16,64,256", "16,64,256,512"];

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    // First the steps that fail for a wrong setting, before seconds of fitting.
    let pattern = load(settings)?;
    let (n, mut evidence) = (settings.integer("n")?, Evidence::new(settings));
    construction(&mut evidence, settings, run)?;
    counterexample(&mut evidence, settings, run)?;
    let permutation = permutations(&mut evidence, settings, run)?;
    let [bidirectional, causal] = sides(n);
    let sweeps = [Sweep::measure(settings, bidirectional, run)?, Sweep::measure(settings, causal, run)?];
    sweeps.iter().for_each(|sweep| sweep.report(&mut evidence));
    truncation(&mut evidence, &sweeps[0].targets)?;
    plot(&mut evidence, &sweeps);
    if let Some((target, is_causal)) = pattern {
        file(&mut evidence, settings, &target, is_causal, run)?;
    }
    let [without, under] = sweeps.each_ref().map(Sweep::in_words);
    let because = format!("Best fits to drawn patterns of {n} positions: {without}; {under}.{permutation}");
    let floating =
        Floating::over(sweeps.iter().flat_map(|sweep| (0..sweep.fits.len()).map(|at| sweep.outcome(at))));
    Ok((evidence, Verdict::of(Some(exact(n, &sweeps)), Some((floating, because)), None)))
}

/// The settings of the search: its accuracy is well below the tolerance, so that a value near the tolerance is due to
/// the pattern and not to the search.
pub(super) fn fitting(settings: &Settings) -> Result<Fitting> {
    let enough = (settings.number("tolerance")? * 1e-4).min(1e-14);
    Ok(Fitting { starts: settings.integer("starts")?, enough, ..Fitting::default() })
}

/// Decimal digits of the determinants that certify ranks.
const DIGITS: usize = 100;

/// The least size of a head that reaches `target`, certified; `None` if the determinant cannot be told from 0.
///
/// Softmax fixes logits up to a constant on each row, so that in a block of k rows that all see k + 1 keys the
/// differences to the last of those keys are fixed, and their matrix has rank D at most. For a drawn pattern it has
/// rank k. Without a mask k = n − 1; under the causal mask the rows from ⌊n/2⌋ on see the keys up to ⌊n/2⌋, so
/// k = ⌊n/2⌋.
pub(super) fn least_head(target: &Target, run: &Run) -> Result<Option<usize>> {
    let n = target.positions();
    let is_causal = n > 1 && !target.allowed()[(0, 1)];
    let (k, first) = if is_causal { (n / 2, n / 2) } else { (n - 1, 0) };
    // With a last row of ones, the determinant equals that of the differences, without rounding them.
    let mut bordered = Array2::ones((k + 1, k + 1));
    bordered.slice_mut(s![..k, ..]).assign(&target.log_weights().slice(s![first..first + k, ..=k]));
    let det = precise::determinant(&Precise::of(bordered.view(), DIGITS)?, run)?;
    Ok(det.is_certain().then_some(k))
}

fn exact(n: usize, sweeps: &[Sweep; 2]) -> (Exact, String) {
    if n == 2 {
        let because = "With 2 positions the smallest head, D = 1, reaches every pattern, as the logarithms have rank 1 \
                       once each row is centred.";
        return (Exact::Refuted, because.to_owned());
    }
    let [certain, causal] = sweeps.each_ref().map(|sweep| sweep.least.iter().flatten().count());
    if certain == 0 {
        return (Exact::Open, "No drawn pattern certainly needs more than the smallest head.".to_owned());
    }
    let all = sweeps[0].least.len();
    let mut because = format!(
        "The logarithms of {certain} of {all} drawn patterns of {n} positions have rank {} once each row is centred, by \
         determinants certified not to be 0, and a head of size D has logits of rank D: no head below {0} reaches them, \
         and one of {0} reaches every pattern.",
        n - 1
    );
    if causal > 0 {
        because += &format!(" Under the causal mask {causal} of {all} need {} at least.", n / 2);
    }
    (Exact::Proved, because)
}

fn largest_error(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    (a - b).iter().fold(0.0f64, |most, x| most.max(x.abs()))
}

/// n and D = C of the construction.
const SIZES: [(usize, usize); 6] = [(4, 4), (8, 8), (32, 32), (128, 128), (8, 12), (32, 64)];

/// Theorem 1: weights for a drawn pattern and drawn embeddings, where D = C is at least n.
fn construction(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (seed, mask, mut most) = (settings.seed()?, Mask::bidirectional(), 0.0f64);
    for (done, (n, size)) in SIZES.into_iter().enumerate() {
        run.step("construction", done, SIZES.len())?;
        let target = Target::random(n, settings.number("scale")?, &mask, seed)?;
        let built = express::represent(&target, &gaussian(n, size, seed, 1), size)?;
        let source = "Theorem 1: exact, up to rounding times the condition of X";
        let measured = evidence.measure(format!("construction_error_n{n}_d{size}"), built.max_error, "");
        measured.expect(0.0, 1e-9, source);
        most = most.max(built.max_error);
        if settings.device().is_gpu() {
            let (query, key) = (&built.factors.query, &built.factors.key);
            let weights = attention_weights(query, key, 1.0, &mask, settings.device())?;
            let error = largest_error(&weights, target.weights());
            evidence.measure(format!("construction_error_on_device_n{n}_d{size}"), error, "");
        }
    }
    let text = format!(
        "A head as large as the sequence reaches a drawn pattern by construction: largest error {} over n/D = {} (f64 on \
         the CPU)",
        short(most),
        SIZES.map(|(n, size)| format!("{n}/{size}")).join(", ")
    );
    evidence.weigh(most < 1e-6, text);
    Ok(())
}

/// d = 1, n = 2, X = [1, 0]: the second token has logits of 0 for all weights.
fn counterexample(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (left, right, tolerance) = (0.75f64, 0.25f64, settings.number("tolerance")?);
    let target = Target::new(array![[0.5, 0.5], [left, right]], &Mask::bidirectional())?;
    let (run, fitting) = (run.clone().with_seed(settings.seed()?), fitting(settings)?);
    let furthest_row = |x: Array2<f64>| -> Result<f64> {
        Ok(fitting.best_fit_on(&target, &x, 1, &run)?.row_kl.into_iter().fold(0.0, f64::max))
    };
    let (narrow, wide) = (furthest_row(array![[1.0], [0.0]])?, furthest_row(Array2::eye(2))?);
    let theory = left * (left / 0.5).ln() + right * (right / 0.5).ln();
    let measured = evidence.measure("counterexample_kl_nats", narrow, "nats");
    measured.expect(theory, 1e-9, "KL((3/4, 1/4) ‖ (1/2, 1/2))");
    evidence.measure("counterexample_width_2_kl_nats", wide, "nats");
    let text = format!(
        "n = 2, head size 1, embeddings [1, 0] of width 1: minimised over the weights, a row stays {} nats away",
        short(narrow)
    );
    evidence.weigh(narrow > tolerance, text).at("n", 2).at("head_size", 1).at("width", 1);
    let text = format!(
        "with embeddings of width 2 the same head of size 1 comes within {} nats: that counterexample is about the \
         embedding, not the head",
        short(wide)
    );
    evidence.weigh(wide > tolerance, text).at("n", 2).at("head_size", 1);
    Ok(())
}

/// The weight that a permutation head leaves for all other keys.
const REST: f64 = 1e-3;

/// Permutations by keys on a circle, with each query in the direction of its key; returns a sentence on the longest.
fn permutations(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<String> {
    let sizes = settings.integers("permutation_n")?;
    for &n in &sizes {
        run.check()?;
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed()?));
        let scale = express::permutation_scale(n, REST);
        let head = express::permutation_head(&order, scale)?;
        let mask = Mask::bidirectional();
        let weights = attention_weights(&head.query, &head.key, 1.0, &mask, settings.device())?;
        let least = order.iter().enumerate().fold(1.0, |least, (i, &j)| f64::min(least, weights[(i, j)]));
        // The two neighbours have REST together; with n = 2 there is only one neighbour, which has half as much.
        let theory = 1.0 / (1.0 + if n == 2 { REST / 2.0 } else { REST });
        let source = "the softmax of a key and its neighbours on the circle";
        evidence.measure(format!("permutation_attention_n{n}"), least, "").expect(theory, 1e-4, source);
        evidence.measure(format!("permutation_logit_scale_n{n}"), scale, "");
        let text = format!(
            "n = {n}: a head of size 2 gives every key of a drawn permutation at least {least:.5} of its query's \
             attention, at the price of logits of {}",
            short(scale)
        );
        evidence.weigh(least < 0.9, text).at("n", n).at("head_size", 2).at("pattern", "permutation");
    }
    let n = sizes.into_iter().max().unwrap_or(0);
    let scale = short(express::permutation_scale(n, REST));
    Ok(format!(" A permutation of {n} positions takes a head of 2 only, with logits of {scale}."))
}

/// The threshold without a mask, checked without a search: the centred log P, truncated to rank n − 2 and to n − 1.
fn truncation(evidence: &mut Evidence, targets: &[Target]) -> Result<()> {
    let n = targets.first().map_or(0, Target::positions);
    for size in n.saturating_sub(2).max(1)..n {
        let error = |target| Ok(express::represent_centred(target, &Array2::eye(n), size)?.max_error);
        let errors = targets.iter().map(error).collect::<Result<Vec<f64>>>()?;
        let measured = evidence.record(format!("truncation_error_d{size}"), &Sample::new(errors));
        if size + 1 == n {
            measured.expect(0.0, 1e-11, "the centred log P has rank n − 1 at most");
        }
    }
    Ok(())
}

/// The most positions of a pattern that the claim fits; this takes minutes at most.
const MOST: usize = 64;

/// The pattern that the settings name, if any, and whether it is causal.
fn load(settings: &Settings) -> Result<Option<(Target, bool)>> {
    let path = settings.text("target")?;
    if path.is_empty() {
        return Ok(None);
    }
    let (target, is_causal) = Target::load_either(Path::new(path))?;
    match target.positions() {
        2..=MOST => Ok(Some((target, is_causal))),
        n => Err(Error::invalid("positions of target", n, format!("from 2 to {MOST}"))),
    }
}

/// The user's pattern: constructs a head for it, and fits smaller heads to it.
fn file(e: &mut Evidence, settings: &Settings, target: &Target, is_causal: bool, run: &Run) -> Result<()> {
    let (n, tolerance) = (target.positions(), settings.number("tolerance")?);
    let error = express::represent(target, &Array2::eye(n), n)?.max_error;
    e.measure("target_construction_error", error, "");
    let (fitting, run) = (fitting(settings)?, run.clone().with_seed(settings.seed()?));
    let Side { theory, name, .. } = &sides(n)[usize::from(is_causal)];
    // All sizes up to the threshold, or, for a long sequence, powers of two and the two sizes around the threshold.
    let is_tried = |size: &usize| *theory <= 16 || size.is_power_of_two() || size + 1 >= *theory;
    let (mut reached, mut first) = (None, None);
    for size in (1..=*theory).filter(is_tried) {
        run.step("fits to the file", size, *theory)?;
        let fit = fitting.best_fit(target, size, &run)?;
        e.measure(format!("target_kl_d{size}"), fit.kl, "nats");
        e.measure(format!("target_max_error_d{size}"), fit.max_error, "");
        reached = reached.or((fit.kl < tolerance).then_some(size));
        first.get_or_insert((size, fit));
    }
    let text = match reached {
        Some(size) => format!("a head of size {size} reaches it"),
        None => format!("no head up to size {theory} reaches it within {} nats", short(tolerance)),
    };
    let error = short(error);
    let text = format!("the pattern of the file, {n} positions, {name}: {text}; construction error {error}");
    e.weigh(reached.is_none_or(|size| size > 1), text);
    if let Some(size) = reached {
        e.measure("target_threshold", size as f64, "");
    }
    if let Some((size, fit)) = first {
        plot_fit(e, "file", target, size, &fit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_head_is_certified_for_drawn_patterns_and_not_for_uniform_ones() {
        let least = |n: usize, mask: Mask, scale: f64| {
            least_head(&Target::random(n, scale, &mask, 3).unwrap(), &Run::default()).unwrap()
        };
        assert_eq!(least(5, Mask::bidirectional(), 1.0), Some(4));
        assert_eq!([5, 6].map(|n| least(n, Mask::causal(), 1.0)), [Some(2), Some(3)]);
        assert_eq!(least(5, Mask::bidirectional(), 0.0), None);
    }
}
