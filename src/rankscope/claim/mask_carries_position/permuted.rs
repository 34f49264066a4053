//! What a network makes of the same tokens in other places.

use ndarray::{Array2, ArrayView1, Axis, concatenate, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::nets::{Network, Sizes};
use crate::error::Result;
use crate::mask::Mask;
use crate::random::gaussian;
use crate::run::Run;

/// Streams of the inputs, beyond those of any weight.
const TOKENS: u64 = 1 << 32;
const TOKEN: u64 = TOKENS + 1;
const START: u64 = TOKENS + 2;
const SHUFFLE: u64 = TOKENS + 3;

/// At every depth, of one draw: ‖f(PX) − P·f(X)‖ / ‖f(X)‖ for a permutation P of all tokens; and ‖second row −
/// last row‖ for a start token and then one token again and again, as it is and over the norm of the last row.
pub(super) fn all_and_started(
    sizes: &Sizes,
    network: &Network,
    mask: &Mask,
    seed: u64,
    run: &Run,
) -> Result<Vec<[f64; 3]>> {
    let (n, width) = (sizes.n, sizes.width);
    let x = gaussian(n, width, seed, TOKENS);
    let all = permutation(n, n, seed);
    let start = gaussian(1, width, seed, START);
    let started = concatenate(Axis(0), &[start.view(), repeated(n - 1, width, seed).view()]);
    let inputs = [x.select(Axis(0), &all), started.expect("of one width"), x];
    let states = network.states(&inputs, mask, run)?;
    let at = |depth: usize| {
        let [permuted, started, plain] = [0, 1, 2].map(|input| &states[input][depth]);
        let apart = length((&started.row(1) - &started.row(n - 1)).view());
        let moved = norm(&(permuted - &plain.select(Axis(0), &all))) / norm(plain);
        [moved, apart, apart / length(started.row(n - 1))]
    };
    Ok((0..sizes.depths.len()).map(at).collect())
}

/// At every depth, of one draw: ‖f(PX) − f(X)‖ / ‖f(X)‖ of the last row, for a permutation P of the tokens
/// before it; and the largest ‖row − last row‖ / ‖last row‖ where all tokens are the same.
pub(super) fn earlier_and_identical(
    sizes: &Sizes,
    network: &Network,
    mask: &Mask,
    seed: u64,
    run: &Run,
) -> Result<Vec<[f64; 2]>> {
    let (n, width) = (sizes.n, sizes.width);
    let x = gaussian(n, width, seed, TOKENS);
    let earlier = permutation(n - 1, n, seed);
    let states = network.states(&[x.select(Axis(0), &earlier), repeated(n, width, seed), x], mask, run)?;
    let at = |depth: usize| {
        let [moved, same, plain] = [0, 1, 2].map(|input| &states[input][depth]);
        let last = plain.row(n - 1);
        [length((&moved.row(n - 1) - &last).view()) / length(last), largest_from_last(same)]
    };
    Ok((0..sizes.depths.len()).map(at).collect())
}

/// One token, `count` times.
fn repeated(count: usize, width: usize, seed: u64) -> Array2<f64> {
    let token = gaussian(1, width, seed, TOKEN);
    token.broadcast((count, width)).expect("one row").to_owned()
}

/// The first i < `count` − 1 such that swapping tokens i and i + 1 changes a mask; `None` if every permutation of
/// the first `count` tokens leaves it as it is.
pub(super) fn swap_that_changes(pattern: &Array2<bool>, count: usize) -> Option<usize> {
    (0..count - 1).find(|&first| {
        let mut order: Vec<usize> = (0..pattern.nrows()).collect();
        order.swap(first, first + 1);
        pattern.select(Axis(0), &order).select(Axis(1), &order) != *pattern
    })
}

/// A permutation of the first `count` of `n` places that moves something; the others stay.
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

/// The Frobenius norm.
fn norm(x: &Array2<f64>) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn length(row: ArrayView1<f64>) -> f64 {
    row.dot(&row).sqrt()
}

fn largest_from_last(x: &Array2<f64>) -> f64 {
    let last = x.row(x.nrows() - 1);
    let others = x.slice(s![..x.nrows() - 1, ..]);
    let apart = others.rows().into_iter().map(|row| length((&row - &last).view()) / length(last));
    apart.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn differences_by_hand() {
        let x = ndarray::array![[3.0, 0.0], [0.0, 4.0], [0.0, 2.0]];
        assert_eq!(norm(&x), 29f64.sqrt());
        assert_eq!(largest_from_last(&x), 13f64.sqrt() / 2.0);
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
}
