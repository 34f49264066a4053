//! `regression`: y = w·x, with a new w in every example.
//!
//! The input is x₁ y₁ … x_k y_k x, the output y. w is evenly distributed over the unit sphere and x standard normal, so y is
//! standard normal too. All numbers are tokens ([`Bins`]), and a point has d of them; y is computed from the numbers
//! that the tokens of x stand for.
//!
//! **Source**: Garg et al. 2022 (arXiv 2208.01066).

use rand_chacha::ChaCha8Rng;

use super::bins::Bins;
use super::options::{Options, TaskOption};
use super::{Drawn, Rule};
use crate::error::Result;
use crate::random::normals;

pub(super) const OPTIONS: &[TaskOption] = &[
    TaskOption::number("dimensions", "numbers of a point", [2, 1, 64]),
    TaskOption::number("points", "points whose value is given", [8, 1, 1024]),
    TaskOption::number("bins", "tokens for numbers from -3 to 3", [32, 2, 256]),
];

struct Regression {
    dimensions: usize,
    points: usize,
    bins: Bins,
}

pub(super) fn build(options: &Options) -> Result<Box<dyn Rule>> {
    Ok(Box::new(Regression {
        dimensions: options.number("dimensions"),
        points: options.number("points"),
        bins: Bins::new(options.number("bins")),
    }))
}

impl Rule for Regression {
    fn pieces(&self) -> Vec<String> {
        self.bins.pieces()
    }

    fn sizes(&self) -> (usize, usize) {
        ((self.dimensions + 1) * self.points + self.dimensions, 1)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn {
        let mut normal = normals(random);
        let w: Vec<f64> = (0..self.dimensions).map(|_| normal()).collect();
        let norm = w.iter().map(|w| w * w).sum::<f64>().sqrt();
        let mut input = Vec::new();
        for _ in 0..=self.points {
            let point: Vec<u32> = w.iter().map(|_| self.bins.token(normal())).collect();
            let y = point.iter().zip(&w).map(|(&x, w)| self.bins.value(x) * w / norm).sum();
            input.extend(point);
            input.push(self.bins.token(y));
        }
        let output = input.split_off(input.len() - 1);
        Drawn::new(input, output)
    }

    fn values(&self) -> Option<&[f64]> {
        Some(self.bins.values())
    }
}
