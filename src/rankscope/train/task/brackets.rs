//! `brackets`: whether the brackets of the input are balanced.
//!
//! **Source**: the Dyck language with k kinds of brackets (Hahn 2020, arXiv 1906.06755).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule};
use crate::error::{Error, Result};

const PAIRS: [[&str; 2]; 4] = [["(", ")"], ["[", "]"], ["{", "}"], ["<", ">"]];

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("items", "brackets in the input, an even number", [16, 2, 4096]),
    TaskOption::number("kinds", "kinds of brackets", [2, 1, PAIRS.len()]),
];

struct Brackets {
    items: usize,
    kinds: usize,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    let (items, kinds) = (options.number("items"), options.number("kinds"));
    match items.is_multiple_of(2) {
        true => Ok(Box::new(Brackets { items, kinds })),
        false => Err(Error::invalid("option items of brackets", items, "an even number")),
    }
}

impl Brackets {
    /// A balanced sequence: the number of open brackets is a random walk that never falls below 0 and ends at 0.
    fn balanced(&self, random: &mut ChaCha8Rng) -> Vec<u32> {
        let mut open: Vec<u32> = Vec::new();
        let step = |at| {
            let must_open = open.is_empty();
            let must_close = open.len() == self.items - at;
            if must_open || (!must_close && random.random()) {
                let kind = random.random_range(0..self.kinds as u32);
                open.push(kind);
                return 2 * kind;
            }
            open.pop().map_or(0, |kind| 2 * kind + 1)
        };
        (0..self.items).map(step).collect()
    }

    fn is_balanced(input: &[u32]) -> bool {
        let mut open = Vec::new();
        let fits = input.iter().all(|&token| match token % 2 {
            0 => {
                open.push(token / 2);
                true
            }
            _ => open.pop() == Some(token / 2),
        });
        fits && open.is_empty()
    }
}

impl Rule for Brackets {
    fn pieces(&self) -> Vec<String> {
        let answers = ["no", "yes"].into_iter();
        PAIRS[..self.kinds].as_flattened().iter().copied().chain(answers).map(str::to_owned).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (self.items, 1)
    }

    /// Half are balanced; the others differ from a balanced sequence in one or two places, so that counting brackets is
    /// not enough.
    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let mut input = self.balanced(random);
        let is_balanced: bool = random.random();
        while !is_balanced && Self::is_balanced(&input) {
            let [one, other] = [(); 2].map(|()| random.random_range(0..self.items));
            match random.random() {
                true => input.swap(one, other),
                false => input[one] = random.random_range(0..2 * self.kinds as u32),
            }
        }
        let (no, yes) = (2 * self.kinds as u32, 2 * self.kinds as u32 + 1);
        Drawn::new(input, vec![if is_balanced { yes } else { no }])
    }
}
