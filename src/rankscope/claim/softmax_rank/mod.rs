//! Claim: softmax cannot be relied on to restore full rank.
//!
//! The exact rank of the hardest case, head size 1, is a theorem, which determinants in multi-precision check;
//! the numerical rank of larger heads is compared with the bound from the series of exp.

mod one_dimension;

use super::prelude::*;
use crate::rank::precise::{self, Determinant, MOST_DIGITS};
use one_dimension::head_size_one;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "softmax-rank",
        group: Group::Matrices,
        statement: "Softmax cannot be relied on to restore the full rank that the scores of a small head lack.",
        source: "Su Jianlin, kexue.fm 9529 (2023), on bidirectional attention",
        exact: "The scores have rank D at most. For D = 1 their softmax has as many dimensions as there are distinct \
                queries or distinct keys, whichever are fewer, so full rank at every n where all differ; for larger \
                heads full rank follows for almost all inputs. The numerical rank is bounded: cut at degree p, the \
                series of exp has rank C(D+p, p) at most, and what is cut off may be below rounding.",
        reconsider: "A tolerance other than rounding, or scores so large that the series is cut late.",
    },
    parameters: &[
        set("n", "positions", Integer(8, 1024), ["512"; 2]),
        set("head_sizes", "head sizes D", Integers(1, 64), ["1,2,3,4,8", "1,2,3,4,8,16,32,64"]),
        set("scales", LOGIT_SCALES, Numbers(0.001, 8.0), ["0.1,0.5,1", "0.1,0.5,1,2,4"]),
        set("exact_sizes", EXACT_SIZES, Integers(2, 64), ["4,8,16,32", "4,8,16,32,48,64"]),
        set("distinct", DISTINCT, Integer(1, 64), ["64"; 2]),
        set("seeds", "draws", Integer(2, 100), ["3", "10"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const EXACT_SIZES: &str = "positions of the matrices of head size 1 in multi-precision";
const DISTINCT: &str = "tokens of those matrices that differ; the others repeat them";

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str = "in multi-precision the exact determinants, in f64 the weights behind rank_f64 and \
                      effective_rank, and all spectra; the device computes the weights behind rank_f32";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let n = settings.integer("n")?;
    if let Some(wide) = settings.integers("head_sizes")?.into_iter().find(|&head_size| head_size >= n) {
        return Err(Error::invalid("head_sizes", wide, format!("head sizes below n = {n}")));
    }
    let mut evidence = Evidence::new(settings);
    let models = trained::each(&mut evidence, settings, run, |subject| {
        subject.heads(&Mask::bidirectional(), run, rank_in_f32)
    })?;
    let exact = head_size_one(&mut evidence, settings, run)?;
    let floating = floating(&mut evidence, settings, run)?;
    let trained = trained(&mut evidence, &models);
    evidence.note_cpu(settings, ON_CPU);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), Some(trained))))
}

/// Queries and keys of head size 1 of n tokens, of which the first `distinct` are drawn and the others repeat them.
pub(super) fn tokens(n: usize, distinct: usize, seed: u64) -> Draw {
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
pub(super) fn exact_ranks(draw: &Draw) -> [usize; 2] {
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

/// A bound on the number of singular values above `threshold` of the softmax of `scores` of rank `head_size`.
///
/// Cut at degree p, the series of exp has rank at most C(D+p, p), and normalising rows does not change it. By Weyl's
/// inequality no further singular value exceeds the norm of the remainder. For the remainder, by Taylor's theorem,
/// |exp s − Σ_{k ≤ p} sᵏ/k!| ≤ |s|^(p+1)/(p+1)! · max(1, exp s).
fn rank_bound(scores: &Array2<f64>, head_size: usize, threshold: f64) -> f64 {
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
pub(super) fn binomial(n: usize, k: usize) -> f64 {
    (1..=k.min(n - k)).fold(1.0, |product, i| product * (n + 1 - i) as f64 / i as f64).round()
}

/// Ranks in f64 and in f32 as the device computes the weights, the effective rank, and the bounds from the series of
/// exp in f64 and in f32.
type Point = (Place, [Sample; 5]);

/// Numerical ranks over head size and scale; with f64 weights on the CPU except for the rank in f32.
fn floating(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<(Floating, String)> {
    let (n, mask) = (settings.integer("n")?, Mask::bidirectional());
    let look = |place: &Place, seed| {
        let draw = Draw::independent(n, place.head_size, seed);
        let spectrum = Spectrum::of(draw.weights(place.scale, &mask, &Device::Cpu)?.view())?;
        let rank_f32 = match settings.device() {
            Device::Cpu => spectrum.numerical_rank(Tolerance::F32) as f64,
            gpu => rank_in_f32(draw.weights(place.scale, &mask, gpu)?.view())?,
        };
        let scores = draw.scores(place.scale);
        let bound = |tolerance| rank_bound(&scores, place.head_size, spectrum.threshold(tolerance));
        let rank_f64 = spectrum.numerical_rank(Tolerance::F64) as f64;
        Ok([rank_f64, rank_f32, spectrum.effective_rank(), bound(Tolerance::F64), bound(Tolerance::F32)])
    };
    let map = sweep(Place::all(settings)?, &settings.seeds("seeds")?, "softmax", run, look)?;
    let is_short = |(_, [rank, ..]): &Point| rank.extremes().0 < n as f64;
    for point in &map {
        let (place, [f64s, f32s, effective, bound_f64, bound_f32]) = point;
        let text = format!(
            "{place}: of {n} directions f64 keeps {f64s} (the series allows {bound_f64}), f32 {f32s} ({bound_f32}); \
             effective rank {effective}"
        );
        place.locate(evidence.weigh(is_short(point), text));
        let names = ["rank_f64", "rank_f32", "effective_rank", "series_bound_f64", "series_bound_f32"];
        for (name, sample) in names.into_iter().zip(&point.1) {
            evidence.record(place.name(name), sample);
        }
    }
    let within = map.iter().flat_map(|(_, [f64s, f32s, _, bound_f64, bound_f32])| {
        let (a, b) = (f64s.minus(bound_f64), f32s.minus(bound_f32));
        let pairs = a.values().iter().zip(b.values());
        pairs.map(|(a, b)| f64::from(u8::from(*a <= 0.0 && *b <= 0.0))).collect::<Vec<_>>()
    });
    let measured = evidence.record("within_series_bound_share", &within.collect());
    if *settings.device() == Device::Cpu {
        // The bound is about exp itself; f32 kernels add their own rounding, which is not in it.
        measured.expect(1.0, 0.0, "Weyl: the part cut off moves no σ by more than its norm");
    }
    plot(evidence, n, &map);
    let mut sentences = Vec::new();
    let (below, full): (Vec<&Point>, Vec<&Point>) = map.iter().partition(|point| is_short(point));
    let mean = |point: &Point| point.1[0].mean();
    if let Some(least) = below.iter().min_by(|a, b| mean(a).total_cmp(&mean(b))) {
        sentences.push(format!(
            "f64 does not see full rank at {}: at {} it sees {} of {n} directions.",
            places(&below),
            least.0,
            short(mean(least))
        ));
    }
    if !full.is_empty() {
        sentences.push(format!("It sees all {n} in every draw at {}.", places(&full)));
    }
    Ok((Floating::over(map.iter().map(|point| Outcome::of(is_short(point)))), sentences.join(" ")))
}

/// "D = 1 (scale 0.1, 1), D = 8 (scale 0.1)" of points that are ordered by head size.
fn places(points: &[&Point]) -> String {
    let groups = points.chunk_by(|a, b| a.0.head_size == b.0.head_size).map(|group| {
        let scales: Vec<_> = group.iter().map(|(place, _)| place.scale.to_string()).collect();
        format!("D = {} (scale {})", group[0].0.head_size, scales.join(", "))
    });
    groups.collect::<Vec<_>>().join(", ")
}

fn plot(evidence: &mut Evidence, n: usize, map: &[Point]) {
    let mut curves = Vec::new();
    for ((scale, in_f64), (_, in_f32)) in by_scale(map, 0).zip(by_scale(map, 1)) {
        curves.push(means(format!("f64, scale {scale}"), Kind::Bidirectional, in_f64));
        curves.push(means(format!("f32, scale {scale}"), Kind::Plain, in_f32));
    }
    let axes = [PlotAxis::log("head size D"), PlotAxis::log("numerical rank")];
    let references = vec![Reference::level("full", n as f64)];
    let caption = format!(
        "Numerical rank of the bidirectional softmax at n = {n}, by the tolerances of f64 and f32, over head size and \
         logit scale; mean over draws. In exact arithmetic all of them have full rank."
    );
    let title = "Numerical rank of bidirectional softmax over the head size";
    evidence.plot("numerical-rank", caption, lines(title, axes, curves, references));
}

/// The numerical rank at f32's tolerance.
pub(super) fn rank_in_f32(weights: ArrayView2<f64>) -> Result<f64> {
    Ok(Spectrum::of(weights)?.numerical_rank(Tolerance::F32) as f64)
}

/// Reports the ranks of trained heads, and for each model how many of them agree with the claim: those where `agrees`,
/// from the ranks of a head on all texts. `words` puts this number into a sentence.
pub(super) fn over_heads(
    evidence: &mut Evidence,
    models: &[Heads<f64>],
    what: &str,
    agrees: impl Fn(&Heads<f64>, &Sample) -> Option<bool>,
    words: impl Fn(&Heads<f64>, usize) -> String,
) -> (Trained, String) {
    let cases = |model: &Heads<f64>| -> Vec<Option<bool>> {
        model.over(|rank| *rank).iter().map(|ranks| agrees(model, ranks)).collect()
    };
    let count = |model: &Heads<f64>| cases(model).into_iter().filter(|case| *case == Some(true)).count();
    for model in models {
        let (heads, mean, count) = (model.heads.len(), model.means(|rank| *rank), count(model));
        let text = format!(
            "{} under the bidirectional mask: of {} directions f32 sees {mean} over {heads} heads",
            model.in_words(),
            model.tokens
        );
        let finding = evidence.weigh(count > 0, text).at("model", &*model.name);
        finding.at("metric", "numerical_rank_f32").at("mask", "bidirectional");
        evidence.measure(model.measure("heads"), heads as f64, "heads");
        evidence.measure(model.measure(&format!("heads_{what}")), count as f64, "heads");
        evidence.measure_sample(model.measure("rank_f32"), mean, "directions");
    }
    let words = |model: &Heads<f64>| words(model, count(model));
    in_models(models, models.iter().flat_map(cases), "Under the bidirectional mask ", words)
}

fn trained(evidence: &mut Evidence, models: &[Heads<f64>]) -> (Trained, String) {
    // Whether a head has less than full rank on some text.
    let is_below = |model: &Heads<f64>, ranks: &Sample| Some(ranks.extremes().0 < model.tokens as f64);
    over_heads(evidence, models, "below_full_rank", is_below, |model, below| {
        format!(
            "{} of {} heads of {} show all {} directions at f32's tolerance on every text, the lowest on average {:.0}",
            model.heads.len() - below,
            model.heads.len(),
            model.in_words(),
            model.tokens,
            model.means(|rank| *rank).extremes().0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::one_dimension::sign_of_order;
    use super::*;
    use crate::claim::trained::by_hand;

    #[test]
    fn the_exact_ranks_of_head_size_one_by_hand() {
        let ranks = |q: [f64; 3], k: [f64; 3]| {
            let column = |values: [f64; 3]| Array2::from_shape_vec((3, 1), values.to_vec()).unwrap();
            exact_ranks(&Draw { q: column(q), k: column(k) })
        };
        assert_eq!(ranks([1.0, 2.0, 3.0], [0.5, -1.0, 0.0]), [1, 3]);
        assert_eq!(ranks([1.0, 2.0, 1.0], [0.5, -1.0, 0.0]), [1, 2]);
        assert_eq!(ranks([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]), [1, 1]);
        assert_eq!(ranks([0.0; 3], [0.5, -1.0, 0.0]), [0, 1]);
    }

    /// Weights made by hand go through the same functions as trained ones.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let ruling = |heads: &[&Array2<f64>]| {
            let heads = heads.iter().map(|head| vec![rank_in_f32(head.view()).unwrap()]).collect();
            trained(&mut Evidence::default(), &by_hand(5, heads)).0
        };
        let (uniform, full) = (Array2::from_elem((5, 5), 0.2), Array2::eye(5));
        assert_eq!(ruling(&[&uniform, &uniform]), Trained::InAll);
        assert_eq!(ruling(&[&uniform, &full]), Trained::InSome);
        assert_eq!(ruling(&[&full, &full]), Trained::InNone);
        assert_eq!(ruling(&[]), Trained::NoModel);
    }

    /// Where the threshold is 0.01, the bound of head size 1 is one more than the degree at which the rest is below
    /// it, which is found here by summing the series.
    #[test]
    fn the_series_bound_is_the_first_degree_whose_rest_is_small() {
        let (n, threshold) = (30, 0.01);
        let scores = Draw::independent(n, 1, 5).scores(0.7);
        let partial = |degree: i32| {
            let term = |s: f64| {
                let (mut sum, mut term) = (1.0, 1.0);
                for k in 1..=degree {
                    term *= s / f64::from(k);
                    sum += term;
                }
                s.exp() - sum
            };
            Array2::from_shape_fn((n, n), |(row, col)| {
                term(scores[(row, col)]) / scores.row(row).iter().map(|s| s.exp()).sum::<f64>()
            })
        };
        let norm = |rest: Array2<f64>| rest.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        let first = (0..).find(|&degree| norm(partial(degree)) <= threshold).unwrap();
        let bound = rank_bound(&scores, 1, threshold);
        // The bound on the remainder by Taylor's theorem may need one or two degrees more than the remainder itself.
        assert!((f64::from(first + 1)..=f64::from(first + 3)).contains(&bound), "{first} {bound}");
        let weights = Draw::independent(n, 1, 5).weights(0.7, &Mask::bidirectional(), &Device::Cpu).unwrap();
        let tolerance = Tolerance::absolute(threshold).unwrap();
        let kept = Spectrum::of(weights.view()).unwrap().numerical_rank(tolerance);
        assert!(kept > 1 && kept as f64 <= bound, "{kept} {bound}");
    }

    #[test]
    fn swaps_change_the_sign_of_an_order() {
        let orders = [[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [3.0, 1.0, 2.0]];
        assert_eq!(orders.map(|order| sign_of_order(&order)), [1, -1, 1]);
    }
}
