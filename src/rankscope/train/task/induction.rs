//! `induction`: the last letter occurred once before; the answer is the letter that followed it
//! there.
//!
//! **Source**: induction heads, Olsson et al. 2022 (arXiv 2209.11895).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, letters};
use crate::error::Result;

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("items", "letters in the input", [16, 3, 4096]),
    TaskOption::number("symbols", "different letters", [16, 2, 4096]),
];

struct Induction {
    items: usize,
    symbols: usize,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    Ok(Box::new(Induction { items: options.number("items"), symbols: options.number("symbols") }))
}

impl Rule for Induction {
    fn pieces(&self) -> Vec<String> {
        letters(self.symbols).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (self.items, 1)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let symbols = self.symbols as u32;
        let last = random.random_range(0..symbols);
        // Any letter but the last one.
        let mut input: Vec<u32> =
            (0..self.items).map(|_| (last + random.random_range(1..symbols)) % symbols).collect();
        let before = random.random_range(0..self.items - 2);
        input[before] = last;
        input[self.items - 1] = last;
        let output = vec![input[before + 1]];
        Drawn::new(input, output)
    }
}
