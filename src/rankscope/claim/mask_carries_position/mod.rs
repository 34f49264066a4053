//! Claims: the causal mask carries position, and so tells a network the order of its tokens.

mod networks;
mod order;
mod probe;

use ndarray::{Array1, ArrayView1, Axis, concatenate, s};
use ndarray_linalg::SolveC;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Parameter;
use super::prelude::*;
use networks::{Network, Networks};
pub(super) use order::{EXAMPLE, ORDER, shares};
use probe::probe;

pub(super) static POSITION: Claim = Claim {
    about: About {
        id: "mask-carries-position",
        group: Group::Mechanisms,
        statement: "The causal mask carries position.",
        source: "The popular account of decoder-only models; as commonly cited, Haviv et al. 2022 (arXiv 2203.16634) \
                 for trained models",
        exact: "Without position embeddings a bidirectional network is equivariant, f(PX) = P·f(X) at any depth; a \
                causal one is not, because its mask changes when two tokens are swapped. Where all tokens are the \
                same, all rows are the same at every depth under either mask: something must break the tie.",
        reconsider: "A probe that is not linear, trained weights, or a token at the start that the bidirectional \
                     network can tell from the others by its place.",
    },
    parameters: &[
        N,
        WIDTH,
        HEADS,
        DEPTHS,
        SEEDS,
        set("train", "sequences that the probe is fitted to", Integer(2, 400), ["120", "200"]),
        set("held_out", "sequences that the probe is tested on", Integer(1, 400), ["40", "100"]),
    ],
    decide: |settings, run| decide([Mask::causal(), Mask::bidirectional()], settings, run),
};

const N: Parameter = set("n", "tokens", Integer(4, 64), ["32"; 2]);
const WIDTH: Parameter = set("width", "width C of the networks", Integer(8, 128), ["64"; 2]);
const HEADS: Parameter = set("heads", "heads H, a divisor of the width; D = C / H", Integer(1, 32), ["4"; 2]);
const DEPTHS: Parameter =
    set("depths", "layers after which is measured", Integers(1, 16), ["1,2,4", "1,2,4,8,12"]);
const SEEDS: Parameter = set("seeds", "draws", Integer(2, 100), ["4", "20"]);

/// "after 1 layer", "after 1, 2, 4 layers".
pub(super) fn after_layers(depths: impl IntoIterator<Item = usize>) -> String {
    let depths: Vec<_> = depths.into_iter().map(|depth| depth.to_string()).collect();
    format!("after {} {}", depths.join(", "), if depths == ["1"] { "layer" } else { "layers" })
}

/// The first random stream of the inputs, beyond the streams of all weights.
const TOKENS: u64 = 1 << 32;
const TOKEN: u64 = TOKENS + 1;
const START: u64 = TOKENS + 2;
const SHUFFLE: u64 = TOKENS + 3;
const PROBE_START: u64 = 1 << 33;

/// One random token, repeated `count` times.
fn repeated(count: usize, width: usize, seed: u64) -> Array2<f64> {
    gaussian(1, width, seed, TOKEN).broadcast((count, width)).expect("one row").to_owned()
}

/// A permutation of `n` places that moves at least one of the first `count` places and leaves the others.
fn permutation(count: usize, n: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(SHUFFLE);
    let mut places: Vec<usize> = (0..n).collect();
    places[..count].shuffle(&mut random);
    if places.is_sorted() {
        places[..count].rotate_left(1);
    }
    places
}

/// The first i < `count` − 1 such that swapping tokens i and i + 1 changes a mask; `None` if every permutation of
/// the first `count` tokens leaves it unchanged.
pub(super) fn swap_that_changes(pattern: &Array2<bool>, count: usize) -> Option<usize> {
    (0..count - 1).find(|&first| {
        let mut order: Vec<usize> = (0..pattern.nrows()).collect();
        order.swap(first, first + 1);
        pattern.select(Axis(0), &order).select(Axis(1), &order) != *pattern
    })
}

/// The Frobenius norm.
fn norm(x: &Array2<f64>) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn length(row: ArrayView1<f64>) -> f64 {
    row.dot(&row).sqrt()
}

/// For one draw under one mask, at every depth: ‖f(PX) − P·f(X)‖ / ‖f(X)‖ for a permutation P of all tokens; ‖second
/// row − last row‖ for a start token followed by copies of one token, absolute and relative to the norm of the last
/// row; and held-out R² of the linear probe.
fn look(network: &Network, mask: &Mask, settings: &Settings, run: &Run) -> Result<Vec<[f64; 4]>> {
    let (Networks { n, width, depths, .. }, seed) = (network.of, network.seed);
    let (x, all) = (gaussian(*n, *width, seed, TOKENS), permutation(*n, *n, seed));
    let start = gaussian(1, *width, seed, START);
    let started = concatenate(Axis(0), &[start.view(), repeated(n - 1, *width, seed).view()]);
    let inputs = [x.select(Axis(0), &all), started.expect("of one width"), x];
    let states = network.states(&inputs, mask, run)?;
    let told = probe(network, mask, settings, run)?;
    let at = |depth: usize| {
        let [permuted, started, plain] = [0, 1, 2].map(|input| &states[input][depth]);
        let apart = length((&started.row(1) - &started.row(n - 1)).view());
        let moved = norm(&(permuted - &plain.select(Axis(0), &all))) / norm(plain);
        [moved, apart, apart / length(started.row(n - 1)), told[depth]]
    };
    Ok((0..depths.len()).map(at).collect())
}

/// A held-out R² below this counts as no position.
const WORTH: f64 = 0.02;

/// Whether the probe finds the position: R² is above [`WORTH`], or below it, by more than two standard errors; `None`
/// where the draws do not decide.
fn tells(r_squared: &Sample) -> Option<bool> {
    let (above, clear) = (r_squared.mean() - WORTH, 2.0 * r_squared.standard_error());
    (above.abs() > clear).then_some(above > 0.0)
}

/// The claim holds if the probe finds the position under the causal mask, and not without it.
fn outcome([causal, bidirectional]: [&Sample; 2]) -> Outcome {
    match (tells(causal), tells(bidirectional)) {
        (Some(true), Some(false)) => Outcome::Holds,
        (Some(false), _) | (_, Some(true)) => Outcome::Fails,
        _ => Outcome::Unclear,
    }
}

/// The experiment with these masks in place of the causal and the bidirectional one.
fn decide(masks: [Mask; 2], settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let networks = Networks::new(settings)?;
    let (n, rounding, after) = (networks.n, networks.rounding(), networks.after());
    // The numbers of `look` under the first mask, then under the second.
    let points = networks.over_draws(settings, run, |network| {
        let [first, second] = masks.each_ref().map(|mask| look(network, mask, settings, run));
        let pairs = first?.into_iter().zip(second?);
        Ok(pairs.map(|([a, b, c, d], [e, f, g, h])| [a, b, c, d, e, f, g, h]).collect())
    })?;
    let mut evidence = Evidence::new(settings);
    evidence.measure("rounding", rounding, "");
    for (depth, samples) in &points {
        for (first, mask) in [(4, "bidirectional"), (0, "causal")] {
            let names = ["permutation_error", "started_difference", "started_relative", "probe_r2"];
            for (name, sample) in names.into_iter().zip(&samples[first..]) {
                let measured = evidence.record(format!("{name}_{mask}_depth{depth}"), sample);
                if mask == "bidirectional" && ["permutation_error", "started_relative"].contains(&name) {
                    measured.expect(0.0, rounding, "equivariance");
                }
            }
        }
    }
    let list = |which: usize| {
        points.iter().map(|(_, samples)| samples[which].to_string()).collect::<Vec<_>>().join(", ")
    };
    let breaks = |which: usize| {
        points.iter().all(|(_, s)| s[which].mean() > rounding && s[which + 4].mean() < rounding)
    };
    let text = format!(
        "permuted tokens: ‖f(PX) − P·f(X)‖ / ‖f(X)‖ is {} under the causal mask {after}, and {} bidirectional",
        list(0),
        list(4)
    );
    evidence.weigh(breaks(0), text);
    let told = format!(
        "a linear probe for the position in unseen sequences (a start token, then random ones; random weights) has R² {} \
         under the causal mask {after}, and {} without it",
        list(3),
        list(7)
    );
    let outcomes: Vec<Outcome> =
        points.iter().map(|(_, samples)| outcome([&samples[3], &samples[7]])).collect();
    evidence.weigh(outcomes.iter().all(|outcome| *outcome == Outcome::Holds), told.clone());
    let text = format!(
        "with a start token before them, the first and the last of the same tokens differ by {} under the causal mask \
         {after}, and by {} bidirectional",
        list(1),
        list(5)
    );
    evidence.weigh(breaks(2), text);
    let plot = |which: usize| {
        let column = |which: usize| points.iter().map(move |(depth, s)| (*depth as f64, s[which].clone()));
        let causal = curve("causal", Kind::Causal, column(which));
        vec![causal, curve("bidirectional", Kind::Bidirectional, column(which + 4))]
    };
    let axes = [PlotAxis::linear("layers"), PlotAxis::linear("held-out R² of the position")];
    let references = vec![Reference::level("nothing told", 0.0)];
    let caption = "Held-out R² of a linear probe for the position in the hidden states of random networks without \
                   position embeddings; mean and standard deviation over draws of the network.";
    let title = "Position told by a linear probe";
    evidence.plot("position-probe", caption, lines(title, axes, plot(3), references));
    let axes = [PlotAxis::linear("layers"), PlotAxis::linear("relative change")];
    let caption = "How far f(PX) is from P·f(X) when all tokens are permuted: 0 for bidirectional networks.";
    let title = "What permuted tokens change";
    evidence.plot("permuted-tokens", caption, lines(title, axes, plot(0), Vec::new()));
    let exact = exact(n, masks.each_ref().map(|mask| swap_that_changes(&mask.pattern(n), n)));
    let floating = (Floating::over(outcomes), sentence(&told));
    Ok((evidence, Verdict::of(Some(exact), Some(floating), None)))
}

/// The example is equal scores, whose weights follow from the mask alone: where a swap of two tokens changes the mask,
/// the outputs are not only swapped but changed.
fn exact(n: usize, swaps: [Option<usize>; 2]) -> (Exact, String) {
    let equivariant =
        "equivariant, f(PX) = P·f(X), because a swap of any two neighbours leaves the mask as it is";
    let [Some(first), bidirectional] = swaps else {
        return (Exact::Refuted, format!("A network of {n} tokens under this mask is {equivariant}."));
    };
    let mut because = format!(
        "A causal network of {n} tokens is not equivariant: with equal scores, swapping tokens {} and {} does more than \
         to swap their outputs.",
        first + 1,
        first + 2
    );
    if bidirectional.is_none() {
        because += &format!(" A bidirectional one is {equivariant}.");
    }
    (Exact::Proved, because)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::probe::LinearFit;
    use super::*;
    use crate::claim::tests::settings;

    /// Other masks, depths and numbers of sequences replace those of the claim.
    #[test]
    fn every_word_about_position_is_reached() {
        let (causal, both) = (Mask::causal(), Mask::bidirectional());
        let words = |masks: [&Mask; 2], changes: &[(&str, &str)]| {
            let settings = settings("mask-carries-position", changes);
            let (_, verdict) = decide(masks.map(Mask::clone), &settings, &Run::default()).unwrap();
            (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
        };
        let shallow = [("depths", "1,2")];
        assert_eq!(words([&both, &both], &shallow), (Exact::Refuted, Floating::Nowhere));
        // The position is also found without the causal mask.
        assert_eq!(words([&causal, &causal], &shallow), (Exact::Proved, Floating::Nowhere));
        // With few sequences the probe fits noise; with enough of them the position shows first in deep networks.
        let few = |depths: &'static str| {
            let words = &words;
            let masks = [&causal, &both];
            (3..24).map(move |train: usize| {
                words(masks, &[("depths", depths), ("train", train.to_string().as_str()), ("seeds", "2")]).1
            })
        };
        assert!(few("1,4").any(|ruling| ruling == Floating::InOneRegion));
        assert!(few("1").any(|ruling| ruling == Floating::NotResolved));
    }

    #[test]
    fn a_permutation_moves_the_first_places_and_leaves_the_others() {
        for seed in 0..50 {
            let places = permutation(3, 5, seed);
            assert!(!places.is_sorted() && places[3..] == [3, 4]);
            let mut sorted = places;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
    }

    /// A prefix of two tokens is the same for both; the third token is not.
    #[test]
    fn the_swap_that_changes_a_mask_by_hand() {
        let swap = |mask: Mask, count: usize| swap_that_changes(&mask.pattern(5), count);
        assert_eq!(swap(Mask::bidirectional(), 5), None);
        assert_eq!(swap(Mask::causal(), 5), Some(0));
        assert_eq!(swap(Mask::prefix(2), 5), Some(1));
        assert_eq!(swap(Mask::prefix(2), 2), None);
    }

    #[test]
    fn a_linear_relation_is_found_and_r_squared_is_as_defined() {
        let features = gaussian(40, 3, 1, 0);
        let targets = features.dot(&array![2.0, -1.0, 0.5]) + 7.0;
        let fit = LinearFit::new(features.view(), &targets).unwrap();
        let others = gaussian(17, 3, 2, 0);
        let told = others.dot(&array![2.0, -1.0, 0.5]) + 7.0;
        assert!(fit.r_squared(others.view(), &told) > 1.0 - 1e-9);
        // A fit that predicts 2 everywhere: the squared errors are 1 + 0 + 9, and the squared deviations from the mean
        // 3 sum to 14.
        let level = LinearFit { mean: array![0.0], weights: array![0.0], level: 2.0 };
        let r_squared = level.r_squared(array![[1.0], [1.0], [1.0]].view(), &array![1.0, 2.0, 6.0]);
        assert_eq!(r_squared, 1.0 - 17.0 / 14.0);
        // Features without information are no error, but features that are not finite are.
        let targets = array![1.0, 2.0, 3.0];
        let fit = LinearFit::new(Array2::zeros((3, 2)).view(), &targets).unwrap();
        assert_eq!(fit.r_squared(Array2::zeros((3, 2)).view(), &targets), 0.0);
        assert!(LinearFit::new(Array2::from_elem((3, 2), f64::NAN).view(), &targets).is_err());
    }

    #[test]
    fn layers_and_norms_by_hand() {
        assert_eq!(after_layers([1]), "after 1 layer");
        assert_eq!(after_layers([1, 2, 12]), "after 1, 2, 12 layers");
        assert_eq!(norm(&array![[3.0, 0.0], [0.0, 4.0], [0.0, 2.0]]), 29f64.sqrt());
    }
}
