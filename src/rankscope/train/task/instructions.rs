//! `instructions`: a mixture of small tasks, each given by two words that are carried out one after the other.
//!
//! `reverse next 3 1 4 <separator> | 5 2 4 <end>`: the list backwards, then one more for each digit. With `shots`,
//! solved examples come between the words and the question, each as `3 1 4 <separator> 5 2 4 <end>`. Of the 8 · 12
//! tasks 12 are held out, so that every word is known from other pairs: each second word is held out after exactly one
//! first word.
//!
//! **Source**: instruction tuning, evaluated on tasks that were not tuned on (Wei et al. 2021, arXiv 2109.01652);
//! compositions of words as in Lake & Baroni 2017 (arXiv 1711.00350).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, numbers, part_of};
use crate::error::{Error, Result};
use crate::train::{Part, Vocabulary};

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("items", "digits in the list", [4, 1, 256]),
    TaskOption::number("shots", "solved examples before the question", [0, 0, 64]),
    TaskOption::word(
        "words",
        "whether the instruction is given or must be inferred from the solved examples",
        &["shown", "hidden"],
    ),
    TaskOption::word(
        "held-out",
        "the held-out part: tasks, or inputs of the trained tasks",
        &["tasks", "inputs"],
    ),
];

const DIGITS: u32 = 10;

type Word = (&'static str, fn(&[u32]) -> Vec<u32>);

/// The first [`FIRST`] words turn a list into a list, the others choose one number of it.
const WORDS: [Word; 12] = [
    ("copy", <[u32]>::to_vec),
    ("reverse", |list| list.iter().rev().copied().collect()),
    ("sort", |list| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    }),
    ("rotate", |list| [&list[1..], &list[..1]].concat()),
    ("swap", |list| list.chunks(2).flat_map(|pair| pair.iter().rev()).copied().collect()),
    ("next", |list| list.iter().map(|digit| (digit + 1) % DIGITS).collect()),
    ("previous", |list| list.iter().map(|digit| (digit + DIGITS - 1) % DIGITS).collect()),
    ("mirror", |list| list.iter().map(|digit| DIGITS - 1 - digit).collect()),
    ("first", |list| list[..1].to_vec()),
    ("last", |list| list[list.len() - 1..].to_vec()),
    ("largest", |list| list.iter().max().copied().into_iter().collect()),
    ("smallest", |list| list.iter().min().copied().into_iter().collect()),
];
const FIRST: usize = 8;

struct Instructions {
    items: usize,
    shots: usize,
    is_shown: bool,
    holds_out_tasks: bool,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    let (items, shots) = (options.number("items"), options.number("shots"));
    let is_shown = options.word("words") == "shown";
    if !is_shown && shots == 0 {
        return Err(Error::invalid("option shots of instructions", 0, "1 or more where words=hidden"));
    }
    Ok(Box::new(Instructions {
        items,
        shots,
        is_shown,
        holds_out_tasks: options.word("held-out") == "tasks",
    }))
}

/// Whether a pair of words is held out from training.
fn is_held_out(first: usize, second: usize) -> bool {
    (first + 3 * second).is_multiple_of(FIRST)
}

impl Instructions {
    fn list(&self, random: &mut ChaCha8Rng) -> Vec<u32> {
        (0..self.items).map(|_| random.random_range(0..DIGITS)).collect()
    }

    /// A list that may occur in training.
    fn known(&self, random: &mut ChaCha8Rng) -> Vec<u32> {
        loop {
            let list = self.list(random);
            if part_of(&list) == Part::Training {
                return list;
            }
        }
    }

    fn vocabulary() -> Vocabulary {
        Vocabulary { symbols: DIGITS as usize + WORDS.len() }
    }
}

impl Rule for Instructions {
    fn pieces(&self) -> Vec<String> {
        numbers(DIGITS as usize).chain(WORDS.map(|(name, _)| name.to_owned())).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        let shot = self.items + 1 + self.items + 1;
        (2 * usize::from(self.is_shown) + self.shots * shot + self.items, self.items + 1)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let (first, second) = (random.random_range(0..FIRST), random.random_range(0..WORDS.len()));
        let special = Self::vocabulary();
        let answer = |list: &[u32]| {
            let mut output = WORDS[second].1(&WORDS[first].1(list));
            output.push(special.end());
            output
        };
        let mut input = Vec::new();
        if self.is_shown {
            input.extend([first, second].map(|word| DIGITS + word as u32));
        }
        for _ in 0..self.shots {
            let list = self.known(random);
            input.extend_from_slice(&list);
            input.push(special.separator());
            input.extend(answer(&list));
        }
        let question = self.list(random);
        let part = match (is_held_out(first, second), self.holds_out_tasks, part_of(&question)) {
            (true, true, _) => Some(Part::HeldOut),
            (false, true, Part::HeldOut) | (true, false, _) => None,
            (false, _, part) => Some(part),
        };
        input.extend_from_slice(&question);
        Drawn { input, output: answer(&question), part }
    }
}
