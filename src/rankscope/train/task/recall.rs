//! `recall`: values looked up by their keys.
//!
//! **Source**: multi-query associative recall, Arora et al. 2023 (arXiv 2312.04927), with all queried keys together,
//! after the pairs or before them.

use rand::RngExt;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, letters, numbers};
use crate::error::Result;

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("pairs", "pairs of a key and a value", [8, 1, 2048]),
    TaskOption::number("queries", "number of queried keys", [1, 1, 2048]),
    TaskOption::number("keys", "different keys", [16, 1, 2048]),
    TaskOption::number("values", "different values", [16, 2, 2048]),
    TaskOption::word(
        "query",
        "the place of the queried keys: after or before the pairs",
        &["after", "before"],
    ),
];

struct Recall {
    pairs: usize,
    queries: usize,
    keys: usize,
    values: usize,
    is_query_first: bool,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    options.expect_at_most("pairs", "keys")?;
    options.expect_at_most("queries", "pairs")?;
    let number = |name| options.number(name);
    Ok(Box::new(Recall {
        pairs: number("pairs"),
        queries: number("queries"),
        keys: number("keys"),
        values: number("values"),
        is_query_first: options.word("query") == "before",
    }))
}

impl Rule for Recall {
    /// Keys are letters, values numbers.
    fn pieces(&self) -> Vec<String> {
        letters(self.keys).chain(numbers(self.values)).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (2 * self.pairs + self.queries, self.queries)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let value = |random: &mut ChaCha8Rng| (self.keys + random.random_range(0..self.values)) as u32;
        let mut pairs: Vec<[u32; 2]> = index::sample(random, self.keys, self.pairs)
            .into_iter()
            .map(|key| [key as u32, value(random)])
            .collect();
        let list = pairs.concat();
        pairs.shuffle(random);
        let (queries, output) = pairs[..self.queries].iter().map(|[key, value]| (*key, *value)).unzip();
        let input: [Vec<u32>; 2] = if self.is_query_first { [queries, list] } else { [list, queries] };
        Drawn::new(input.concat(), output)
    }
}
