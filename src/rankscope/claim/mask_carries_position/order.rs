//! What a network makes of the order of its tokens.

use ndarray::{Array2, ArrayView1, Axis, concatenate, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::nets::{Network, Sizes};
use crate::error::Result;
use crate::mask::Mask;
use crate::random::gaussian;
use crate::run::Run;

/// One draw under one mask, at every depth.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// ‖f(PX) − P·f(X)‖ / ‖f(X)‖ for a permutation P of all tokens.
    pub permutation: Vec<f64>,
    /// ‖f(PX) − f(X)‖ / ‖f(X)‖ of the last row, for a permutation of the tokens before it.
    pub earlier: Vec<f64>,
    /// The largest ‖row − last row‖ / ‖last row‖ where all tokens are the same.
    pub identical: Vec<f64>,
    /// ‖second row − last row‖ for a start token and then one token, again and again.
    pub started: Vec<f64>,
    /// The same, divided by the norm of the last row.
    pub started_relative: Vec<f64>,
}

/// Streams of the inputs, beyond those of any weight.
const TOKENS: u64 = 1 << 32;
const TOKEN: u64 = TOKENS + 1;
const START: u64 = TOKENS + 2;
const SHUFFLE: u64 = TOKENS + 3;

/// Runs one draw under `mask`.
pub fn measure(sizes: &Sizes, network: &Network, mask: &Mask, seed: u64, run: &Run) -> Result<Order> {
    let (n, width) = (sizes.n, sizes.width);
    let x = gaussian(n, width, seed, TOKENS);
    let all = permutation(n, n, seed);
    let earlier = permutation(n - 1, n, seed);
    let (start, token) = (gaussian(1, width, seed, START), gaussian(1, width, seed, TOKEN));
    let repeated = |count: usize| token.broadcast((count, width)).expect("one row").to_owned();
    let started = concatenate(Axis(0), &[start.view(), repeated(n - 1).view()]).expect("of one width");
    let inputs = [x.select(Axis(0), &all), x.select(Axis(0), &earlier), repeated(n), started, x];
    let states = network.states(&inputs, mask, run)?;
    let mut order = Order::default();
    for (depth, plain) in states[4].iter().enumerate() {
        let [permuted, moved, same, started] = [0, 1, 2, 3].map(|input| &states[input][depth]);
        let last = plain.row(n - 1);
        order.permutation.push(norm(&(permuted - &plain.select(Axis(0), &all))) / norm(plain));
        order.earlier.push(length((&moved.row(n - 1) - &last).view()) / length(last));
        order.identical.push(largest_from_last(same));
        let apart = length((&started.row(1) - &started.row(n - 1)).view());
        order.started.push(apart);
        order.started_relative.push(apart / length(started.row(n - 1)));
    }
    Ok(order)
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
}
