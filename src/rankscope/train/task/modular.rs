//! `modular-addition`: a + b modulo m.
//!
//! **Source**: Power et al. 2022 (arXiv 2201.02177), on "grokking".

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::options::{Options, TaskOption};
use super::{Drawn, Rule, numbers, part_of};
use crate::error::Result;

pub(super) const OPTIONS: &[TaskOption] = &[TaskOption::number("modulus", "m", [97, 2, 4096])];

struct Modular {
    modulus: u32,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    Ok(Box::new(Modular { modulus: options.number("modulus") as u32 }))
}

impl Rule for Modular {
    fn pieces(&self) -> Vec<String> {
        numbers(self.modulus as usize).collect()
    }

    fn sizes(&self) -> (usize, usize) {
        (2, 1)
    }

    /// a + b and b + a belong to the same part.
    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let [a, b] = [(); 2].map(|()| random.random_range(0..self.modulus));
        let part = Some(part_of(&[a.min(b), a.max(b)]));
        Drawn { input: vec![a, b], output: vec![(a + b) % self.modulus], part }
    }
}
