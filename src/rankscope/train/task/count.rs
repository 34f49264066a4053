//! `count` and `residue`: tasks for which a network must count.
//!
//! **Source**: counting tokens equal to the last one, Yehudai et al. 2024 (arXiv 2407.15160); a count modulo a number, the
//! MOD_m languages (parity at m = 2) of Hahn 2020 (arXiv 1906.06755).

use rand::RngExt;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, letters, numbers};
use crate::error::{Error, Result};

const ITEMS: TaskOption = TaskOption::number("items", "letters in the input", [16, 1, 4096]);
const SYMBOLS: TaskOption = TaskOption::number("symbols", "different letters", [4, 2, 26]);

pub(super) const OPTIONS: &[TaskOption] = &[ITEMS, SYMBOLS];
pub(super) const RESIDUE: &[TaskOption] = &[
    ITEMS,
    SYMBOLS,
    TaskOption::number("modulus", "the divisor of the number", [3, 2, 4096]),
    TaskOption::number("residue", "the remainder for the answer yes", [0, 0, 4095]),
];

struct Count {
    items: usize,
    symbols: u32,
}

struct Residue {
    count: Count,
    /// The possible numbers of letters a, for the answers `no` and `yes`.
    counts: [Vec<usize>; 2],
}

impl Count {
    fn of(options: &Options) -> Self {
        Count { items: options.number("items"), symbols: options.number("symbols") as u32 }
    }

    /// Letters of which `count` at random places are `letter`, including the last place if `is_last`.
    fn letters(&self, letter: u32, count: usize, is_last: bool, random: &mut ChaCha8Rng) -> Vec<u32> {
        let other = |_| (letter + random.random_range(1..self.symbols)) % self.symbols;
        let mut input: Vec<u32> = (0..self.items).map(other).collect();
        let fixed = usize::from(is_last);
        for place in index::sample(random, self.items - fixed, count - fixed) {
            input[place] = letter;
        }
        if is_last {
            input[self.items - 1] = letter;
        }
        input
    }
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    Ok(Box::new(Count::of(options)))
}

pub(super) fn residue(options: &Options) -> Result<Box<dyn Rule>> {
    let (modulus, residue) = (options.number("modulus"), options.number("residue"));
    let count = Count::of(options);
    let (yes, no): (Vec<_>, Vec<_>) = (0..=count.items).partition(|count| count % modulus == residue);
    if residue >= modulus || yes.is_empty() {
        let most = (modulus - 1).min(count.items);
        let expected =
            format!("at most {most}: below the modulus, {modulus}, and not above items, {}", count.items);
        return Err(Error::invalid("option residue of residue", residue, expected));
    }
    Ok(Box::new(Residue { count, counts: [no, yes] }))
}

impl Rule for Count {
    /// The letters, then the numbers from 1 on.
    fn pieces(&self) -> Vec<String> {
        letters(self.symbols as usize).chain(numbers(self.items + 1).skip(1)).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (self.items, 1)
    }

    /// Every answer is equally frequent.
    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let letter = random.random_range(0..self.symbols);
        let count = random.random_range(1..=self.items);
        let input = self.letters(letter, count, true, random);
        Drawn::new(input, vec![self.symbols + count as u32 - 1])
    }
}

impl Rule for Residue {
    fn pieces(&self) -> Vec<String> {
        letters(self.count.symbols as usize).chain(["no", "yes"].map(str::to_owned)).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        self.count.sizes()
    }

    /// Both answers are equally frequent, and so are all numbers of letters with the same answer.
    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let answer = random.random_range(0..2);
        let count = self.counts[answer].choose(random).copied().unwrap_or(0);
        let input = self.count.letters(0, count, false, random);
        Drawn::new(input, vec![self.count.symbols + answer as u32])
    }
}
