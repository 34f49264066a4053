//! `mixing`: yᵢ = c Σⱼ Pᵢⱼ xⱼ, with the same dense P in every example.
//!
//! P = softmax(2·N(0, 1)) by row, `[n, n]`, from the option `draw` alone; xⱼ is standard normal. 1/c is the largest √Σⱼ Pᵢⱼ²
//! of a row, so that no yᵢ has a variance above 1. x and y are tokens ([`Bins`]); y is computed from the numbers that the
//! tokens of x stand for.

use ndarray::{Array1, Array2, Axis};
use rand_chacha::ChaCha8Rng;

use super::bins::Bins;
use super::options::{Options, TaskOption};
use super::{Drawn, Rule};
use crate::error::Result;
use crate::random::{gaussian, normals};

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("items", "numbers in the input", [16, 1, 1024]),
    TaskOption::number("bins", "tokens for numbers from -3 to 3", [32, 2, 256]),
    TaskOption::number("draw", "which weights: the seed that they are drawn with", [0, 0, 1 << 31]),
];

struct Mixing {
    weights: Array2<f64>,
    bins: Bins,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    let items = options.number("items");
    let mut weights = gaussian(items, items, options.number("draw") as u64, 0).mapv(|x| (2.0 * x).exp());
    for mut row in weights.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    let largest = weights.map_axis(Axis(1), |row| row.dot(&row)).into_iter().fold(0.0, f64::max);
    weights /= largest.sqrt();
    Ok(Box::new(Mixing { weights, bins: Bins::new(options.number("bins")) }))
}

impl Rule for Mixing {
    fn pieces(&self) -> Vec<String> {
        self.bins.pieces()
    }

    fn sizes(&self) -> (usize, usize) {
        (self.weights.nrows(), self.weights.nrows())
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let mut normal = normals(random);
        let input: Vec<u32> = (0..self.weights.nrows()).map(|_| self.bins.token(normal())).collect();
        let x: Array1<f64> = input.iter().map(|&token| self.bins.value(token)).collect();
        let output = self.weights.dot(&x).iter().map(|&y| self.bins.token(y)).collect();
        Drawn::new(input, output)
    }

    fn values(&self) -> Option<&[f64]> {
        Some(self.bins.values())
    }
}
