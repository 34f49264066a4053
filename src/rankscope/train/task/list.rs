//! `copy`, `reverse`, `sort` and `permutation`: the numbers of a list in another order.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, numbers};
use crate::error::Result;

const ITEMS: TaskOption = TaskOption::number("items", "numbers in the list", [8, 1, 4096]);
const SYMBOLS: TaskOption = TaskOption::number("symbols", "different numbers", [10, 2, 4096]);

pub(super) const OPTIONS: &[TaskOption] = &[ITEMS, SYMBOLS];
pub(super) const PERMUTATION: &[TaskOption] = &[
    ITEMS,
    SYMBOLS,
    TaskOption::number("draw", "which permutation: the seed that it is drawn with", [0, 0, 1 << 31]),
];

struct List<F> {
    items: usize,
    symbols: usize,
    answer: F,
}

fn list(
    options: &Options,
    answer: impl Fn(&[u32]) -> Vec<u32> + Send + Sync + 'static,
) -> Result<Box<dyn Rule>> {
    let (items, symbols) = (options.number("items"), options.number("symbols"));
    Ok(Box::new(List { items, symbols, answer }))
}

pub(super) fn copy(options: &Options) -> Result<Box<dyn Rule>> {
    list(options, <[u32]>::to_vec)
}

pub(super) fn reverse(options: &Options) -> Result<Box<dyn Rule>> {
    list(options, |input| input.iter().rev().copied().collect())
}

pub(super) fn sort(options: &Options) -> Result<Box<dyn Rule>> {
    list(options, |input| {
        let mut output = input.to_vec();
        output.sort_unstable();
        output
    })
}

/// yᵢ = x_π(i).
pub(super) fn permutation(options: &Options) -> Result<Box<dyn Rule>> {
    let mut places: Vec<usize> = (0..options.number("items")).collect();
    places.shuffle(&mut ChaCha8Rng::seed_from_u64(options.number("draw") as u64));
    list(options, move |input| places.iter().map(|&place| input[place]).collect())
}

impl<F: Fn(&[u32]) -> Vec<u32> + Send + Sync> Rule for List<F> {
    fn pieces(&self) -> Vec<String> {
        numbers(self.symbols).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (self.items, self.items)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let input: Vec<u32> = (0..self.items).map(|_| random.random_range(0..self.symbols as u32)).collect();
        let output = (self.answer)(&input);
        Drawn::new(input, output)
    }
}
