//! Claim: softmax raises the rank of the scores.
//!
//! exp is a series of Hadamard powers of the scores, and each power has its own rank. Very sharp softmax is the other
//! extreme: each row picks one key, and the rank is how many keys are picked.

use super::prelude::*;
use super::softmax_rank::{binomial, exact_ranks, over_heads, rank_in_f32, tokens};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "softmax-raises-rank",
        group: Group::Matrices,
        statement: "Softmax raises the rank of the scores.",
        source: "Su Jianlin, kexue.fm 9529 (2023), on bidirectional attention",
        exact: "For almost all queries and keys of head size D below n the scores have rank D and their softmax rank n. \
                The term Sᵏ/k! of exp, entry by entry, adds up to C(D+k−1, k) dimensions. Not so for all inputs: equal \
                tokens have equal rows, and scores with the rows (1, 0) and (2, 1) fall from rank 2 to rank 1, since \
                softmax does not see a constant on a row.",
        reconsider: "Scores of full rank, which nothing can raise, or logits so sharp that each row picks one key.",
    },
    parameters: &[
        set("n", "positions", Integer(2, 512), ["128", "256"]),
        set("head_sizes", "head sizes D", Integers(1, 1024), HEAD_SIZES),
        set("scales", LOGIT_SCALES, Numbers(0.001, 1e6), ["0.1,1,10,1000", "0.1,1,10,100,1000"]),
        set("distinct", DISTINCT, Integer(1, 512), ["512"; 2]),
        set("powers_n", "positions of the Hadamard powers", Integer(8, 512), ["256"; 2]),
        set("seeds", "draws", Integer(2, 100), ["3", "10"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const HEAD_SIZES: [&str; 2] = ["1,4,16,64,112", "1,2,4,8,16,32,64,128,192,240"];
const DISTINCT: &str =
    "tokens that differ in the matrices of head size 1, whose rank is exact; the others repeat them";

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str =
    "in f64 scores, weights and ranks of the draws; the device computes those of trained models";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (n, distinct) = (settings.integer("n")?, settings.integer("distinct")?);
    let mut evidence = Evidence::new(settings);
    let models = trained::each(&mut evidence, settings, run, |subject| {
        subject.heads(&Mask::bidirectional(), run, rank_in_f32)
    })?;
    let draws: Vec<[usize; 2]> =
        settings.seeds("seeds")?.iter().map(|&seed| exact_ranks(&tokens(n, distinct, seed))).collect();
    powers(&mut evidence, settings, run)?;
    let floating = floating(&mut evidence, settings, run)?;
    let trained = trained(&mut evidence, &models);
    evidence.note_cpu(settings, ON_CPU);
    Ok((evidence, Verdict::of(Some(exact(n, &draws)), Some(floating), Some(trained))))
}

/// The ruling from the exact ranks of scores and softmax for D = 1, draw by draw.
fn exact(n: usize, draws: &[[usize; 2]]) -> (Exact, String) {
    if let Some([scores, weights]) = draws.iter().find(|[scores, weights]| weights <= scores) {
        let because = format!(
            "Refuted by example: {n} tokens with the same key have scores of rank {scores} and weights of 1/{n}, of \
             rank {weights}."
        );
        return (Exact::Refuted, because);
    }
    let weights = draws.iter().map(|draw| draw[1]).min().unwrap_or(0);
    let because = format!(
        "With D = 1 the scores of {n} tokens have rank 1 and their softmax rank {weights}, the number of distinct \
         queries or keys, as exp(x·y) is strictly totally positive. For larger D below n the rank goes from D to n for \
         almost all inputs."
    );
    (Exact::Proved, because)
}

const DEGREES: std::ops::RangeInclusive<usize> = 1..=6;

/// The largest rank of the k-th Hadamard power of a matrix of rank `head_size`: (q·k)ᵏ is a sum over the monomials of
/// degree k in `head_size` variables.
fn bound(head_size: usize, degree: usize, n: usize) -> f64 {
    binomial(head_size + degree - 1, degree).min(n as f64)
}

/// Hadamard powers S∘…∘S of the scores, and the bound C(D+k−1, k) on their rank: they show how exp raises the rank.
fn powers(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (n, seed, head_sizes) = (settings.integer("powers_n")?, settings.seed()?, [1, 2, 3, 4]);
    let cases = head_sizes.iter().flat_map(|&head_size| DEGREES.map(move |degree| (head_size, degree)));
    let found = sweep(cases, &[seed], "Hadamard powers", run, |&(head_size, degree), seed| {
        let power = Draw::independent(n, head_size, seed).scores(1.0).mapv(|score| score.powi(degree as i32));
        Ok([Spectrum::of(power.view())?.numerical_rank(Tolerance::F64) as f64])
    })?;
    for ((head_size, degree), [rank]) in &found {
        let measured = evidence.measure(format!("power_rank_d{head_size}_k{degree}"), rank.mean(), "");
        measured.expect(bound(*head_size, *degree, n), 0.0, "C(D+k−1, k), for almost all draws");
    }
    let raised = found.iter().filter(|((head_size, _), [rank])| rank.mean() > *head_size as f64).count();
    let reached = found.iter().filter(|((d, degree), [rank])| rank.mean() == bound(*d, *degree, n)).count();
    let text = format!(
        "n = {n}: {reached} of {} Hadamard powers have exactly the rank that C(D+k−1, k) allows, {raised} of them more \
         than the scores: each term of exp adds rank, and only so much",
        found.len()
    );
    evidence.weigh(reached == found.len(), text).at("n", n);
    let curve = |head_size: usize| {
        let points = found.iter().filter(|((d, _), _)| *d == head_size);
        let points = points.map(|((_, degree), [rank])| (*degree as f64, rank.clone()));
        means(format!("D = {head_size}"), Kind::Plain, points)
    };
    let reference = |head_size: usize| {
        let points = DEGREES.map(|degree| (degree as f64, bound(head_size, degree, n)));
        let of = if head_size == 1 { "k".to_owned() } else { format!("k+{}", head_size - 1) };
        Reference::curve(format!("C({of}, k)"), points)
    };
    let (curves, references) = (head_sizes.map(curve).into(), head_sizes.map(reference).into());
    let caption = format!(
        "Numerical rank of the k-th Hadamard power of QKᵀ/√D at n = {n}, one draw for each head size, on the bounds \
         C(D+k−1, k)."
    );
    let axes = [PlotAxis::linear("degree k"), PlotAxis::linear("numerical rank in f64")];
    let figure = lines("Rank of the Hadamard powers of the scores", axes, curves, references);
    evidence.plot("hadamard-powers", caption, figure);
    Ok(())
}

/// The ranks of scores and weights, and the number of keys that have the largest score of some row.
fn look(draw: &Draw, scale: f64) -> Result<[f64; 3]> {
    let (scores, weights) = (draw.scores(scale), draw.weights(scale, &Mask::bidirectional(), &Device::Cpu)?);
    let largest = |row: ndarray::ArrayView1<f64>| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    let picked: std::collections::BTreeSet<_> = scores.outer_iter().filter_map(largest).collect();
    let rank = |matrix: &Array2<f64>| -> Result<f64> {
        Ok(Spectrum::of(matrix.view())?.numerical_rank(Tolerance::F64) as f64)
    };
    Ok([rank(&scores)?, rank(&weights)?, picked.len() as f64])
}

/// Ranks of scores and weights, and the keys picked, at one head size and scale.
type Point = (Place, [Sample; 3]);

fn outcome((_, [scores, weights, _]): &Point) -> Outcome {
    match weights.minus(scores).extremes() {
        (least, _) if least > 0.0 => Outcome::Holds,
        (_, most) if most < 0.0 => Outcome::Opposite,
        (least, most) if least == 0.0 && most == 0.0 => Outcome::Fails,
        _ => Outcome::Unclear,
    }
}

/// The numerical ranks in f64, over head size and scale.
fn floating(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<(Floating, String)> {
    let n = settings.integer("n")?;
    let map = sweep(Place::all(settings)?, &settings.seeds("seeds")?, "softmax", run, |place, seed| {
        look(&Draw::independent(n, place.head_size, seed), place.scale)
    })?;
    let words = |(place, [scores, weights, _]): &Point| {
        format!("from {} to {} at {place}", scores.mean(), short(weights.mean()))
    };
    for point in &map {
        let (place, [scores, weights, picked]) = point;
        let words = words(point);
        let text =
            format!("n = {n}: softmax takes the rank {words}; {picked} keys are the largest of some row");
        place.locate(evidence.weigh(outcome(point) == Outcome::Holds, text));
        let source = "rank Q·Kᵀ = min(D, n) for almost all draws";
        let measured = evidence.record(place.name("rank_scores"), scores);
        measured.expect(place.head_size.min(n) as f64, 0.0, source);
        evidence.record(place.name("rank_weights"), weights);
        evidence.measure_sample(place.name("keys_picked"), picked.clone(), "keys");
    }
    plot(evidence, n, &map);
    let of = |wanted| map.iter().filter(move |point| outcome(point) == wanted);
    let gain = |(_, [scores, weights, _]): &Point| weights.minus(scores).mean();
    let mut because = format!(
        "At n = {n} softmax raises the rank that f64 sees at {} of {} points of head size and logit scale.",
        of(Outcome::Holds).count(),
        map.len()
    );
    if let Some(most) = of(Outcome::Holds).max_by(|a, b| gain(a).total_cmp(&gain(b))) {
        because += &format!(" It raises it most {}.", words(most));
    }
    if let Some(lowest) = of(Outcome::Opposite).min_by(|a, b| gain(a).total_cmp(&gain(b))) {
        because += &format!(
            " It lowers the rank at {}, most {}: there nearly every row picks one key, and the rank is near the number of \
             keys picked, {}.",
            of(Outcome::Opposite).count(),
            words(lowest),
            short(lowest.1[2].mean())
        );
    }
    Ok((Floating::over(map.iter().map(outcome)), because))
}

fn plot(evidence: &mut Evidence, n: usize, map: &[Point]) {
    let curves = by_scale(map, 1)
        .map(|(scale, points)| curve(format!("softmax, scale {scale}"), Kind::Plain, points))
        .collect();
    let scores = by_scale(map, 0).next().map_or(Vec::new(), |(_, points)| points);
    let scores = scores.into_iter().map(|(head_size, rank)| (head_size, rank.mean()));
    let axes = [PlotAxis::log("head size D"), PlotAxis::linear("numerical rank in f64")];
    let references = vec![Reference::curve("scores", scores)];
    let caption = format!(
        "Numerical rank in f64 of the bidirectional softmax at n = {n} over the head size, at each logit scale, and that \
         of the scores; mean and standard deviation over draws. At large scales every row picks one key."
    );
    let title = "Rank of the softmax over the rank of the scores";
    evidence.plot("rank-over-head-size", caption, lines(title, axes, curves, references));
}

/// Whether a head has a higher rank than its size on all texts; `None` where the texts differ.
fn is_raised(model: &Heads<f64>, ranks: &Sample) -> Option<bool> {
    match ranks.count_where(|rank| rank > model.head_size as f64) {
        0 => Some(false),
        count => (count == ranks.count()).then_some(true),
    }
}

fn trained(evidence: &mut Evidence, models: &[Heads<f64>]) -> (Trained, String) {
    over_heads(evidence, models, "above_head_size", is_raised, |model, raised| {
        format!(
            "{raised} of {} heads of {} show more than D directions at f32's tolerance on every text of {} tokens: {} \
             over the heads",
            model.heads.len(),
            model.in_words(),
            model.tokens,
            model.means(|rank| *rank)
        )
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::claim::trained::by_hand;

    /// Logits so large that every row picks one key: the rank follows by counting. Rows 1, 3 and 4 pick key 1, row 2
    /// picks key 2.
    #[test]
    fn the_sharpest_softmax_has_as_many_dimensions_as_keys_are_picked() {
        let draw = Draw { q: array![[1.0], [-2.0], [3.0], [0.5]], k: array![[2.0], [-1.0], [0.0], [1.0]] };
        assert_eq!(look(&draw, 1e4).unwrap(), [1.0, 2.0, 2.0]);
    }

    /// The other finding of `exact` besides the theorem: softmax can lower a rank.
    #[test]
    fn scores_that_differ_by_a_constant_on_each_row_fall_to_rank_one() {
        // QKᵀ = [[1, 0], [2, 1]] for D = 2, times √2 for the factor on the logits.
        let root = 2f64.sqrt();
        let draw = Draw { q: array![[root, 0.0], [2.0 * root, root]], k: array![[1.0, 0.0], [0.0, 1.0]] };
        assert_eq!(look(&draw, 1.0).unwrap()[..2], [2.0, 1.0]);
    }

    /// Between the numbers of keys that the draws pick, the rank rises in some and falls in others.
    #[test]
    fn a_head_as_large_as_the_keys_picked_is_not_resolved() {
        let at = |head_size: usize| -> Point {
            let draws = [0, 1, 2].map(|seed| look(&Draw::independent(36, head_size, seed), 1e5).unwrap());
            (Place { head_size, scale: 1e5 }, columns(&draws))
        };
        let is_between = |size: &usize| {
            let (low, high) = at(*size).1[2].extremes();
            low < *size as f64 && (*size as f64) < high
        };
        let size = (10..36).find(is_between).expect("draws that differ");
        assert_eq!(Floating::over([outcome(&at(size))]), Floating::NotResolved);
    }

    /// The powers of d variables of degree k, counted one by one.
    #[test]
    fn the_bound_counts_monomials() {
        let bounds = |head_size| [1, 2, 3, 4, 5, 6].map(|degree| bound(head_size, degree, 256));
        assert_eq!(bounds(2), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(bounds(4), [4.0, 10.0, 20.0, 35.0, 56.0, 84.0]);
        assert_eq!(bound(4, 6, 50), 50.0);
    }

    /// Weights made by hand go through the same functions as trained ones.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let (uniform, full) = (Array2::from_elem((5, 5), 0.2), Array2::eye(5));
        let rank = |head: &Array2<f64>| rank_in_f32(head.view()).unwrap();
        let ruling = |heads: &[[&Array2<f64>; 2]]| {
            let heads = heads.iter().map(|texts| texts.map(rank).to_vec()).collect();
            trained(&mut Evidence::default(), &by_hand(5, heads)).0
        };
        let (yes, no, unclear) = ([&full, &full], [&uniform, &uniform], [&full, &uniform]);
        assert_eq!(ruling(&[yes, yes]), Trained::InAll);
        assert_eq!(ruling(&[yes, no]), Trained::InSome);
        assert_eq!(ruling(&[no, unclear]), Trained::InNone);
        assert_eq!(ruling(&[unclear]), Trained::NotResolved);
        assert_eq!(ruling(&[]), Trained::NoModel);
    }
}
