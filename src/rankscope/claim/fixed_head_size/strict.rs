//! The larger class is larger: a layer with free heads that no usual layer of the same width imitates.

use ndarray::{Array2, ArrayView2, Axis};

use crate::claim::{Evidence, Sample, Settings, gaussian};
use crate::error::Result;
use crate::express::{Limits, Objective, minimise};
use crate::numbers::short;
use crate::rank;
use crate::run::Run;

const POSITIONS: usize = 3;
const WIDTH: usize = 2;
const HEADS: usize = 2;
/// C/H.
const USUAL: usize = 1;
/// D above C/H, as Theorem 2 asks.
const FREE: usize = 2;
/// Inputs on which layers are compared.
const INPUTS: u64 = 6;

/// The weights of one head: queries, keys, values `[C, D]`, output `[D, C]`.
#[derive(Clone)]
struct Head {
    q: Array2<f64>,
    k: Array2<f64>,
    v: Array2<f64>,
    o: Array2<f64>,
}

/// What a head computes on the way, kept for the gradient.
struct Pass {
    q: Array2<f64>,
    k: Array2<f64>,
    v: Array2<f64>,
    weights: Array2<f64>,
    context: Array2<f64>,
}

impl Head {
    fn drawn(size: usize, seed: u64, stream: u64) -> Self {
        let draw = |index: u64, rows, cols| gaussian(rows, cols, seed, 10 + 4 * stream + index);
        Head {
            q: draw(0, WIDTH, size),
            k: draw(1, WIDTH, size),
            v: draw(2, WIDTH, size),
            o: draw(3, size, WIDTH),
        }
    }

    fn read(size: usize, numbers: &[f64]) -> Self {
        let part = |index: usize, shape| {
            let range = index * WIDTH * size..(index + 1) * WIDTH * size;
            ArrayView2::from_shape(shape, &numbers[range]).expect("a quarter of the numbers").to_owned()
        };
        let (wide, tall) = ((WIDTH, size), (size, WIDTH));
        Head { q: part(0, wide), k: part(1, wide), v: part(2, wide), o: part(3, tall) }
    }

    fn pass(&self, x: &Array2<f64>) -> Pass {
        let (q, k, v) = (x.dot(&self.q), x.dot(&self.k), x.dot(&self.v)); // [n, D]
        let mut weights = q.dot(&k.t()) / (self.q.ncols() as f64).sqrt();
        for mut row in weights.axis_iter_mut(Axis(0)) {
            let largest = row.fold(f64::NEG_INFINITY, |most, &x| most.max(x));
            row.mapv_inplace(|x| (x - largest).exp());
            let sum = row.sum();
            row /= sum;
        }
        let context = weights.dot(&v);
        Pass { q, k, v, weights, context }
    }

    /// The gradient of half the squared error, whose derivative by the output is `error` `[n, C]`.
    fn gradient(&self, x: &Array2<f64>, pass: &Pass, error: &Array2<f64>) -> [Array2<f64>; 4] {
        let by_context = error.dot(&self.o.t()); // [n, D]
        let by_weights = by_context.dot(&pass.v.t()); // [n, n]
        let along = (&by_weights * &pass.weights).sum_axis(Axis(1)).insert_axis(Axis(1)); // [n, 1]
        let by_scores = (by_weights - along) * &pass.weights / (self.q.ncols() as f64).sqrt(); // [n, n]
        [
            x.t().dot(&by_scores.dot(&pass.k)),
            x.t().dot(&by_scores.t().dot(&pass.q)),
            x.t().dot(&pass.weights.t().dot(&by_context)),
            pass.context.t().dot(error),
        ]
    }
}

fn outputs(heads: &[Head], x: &Array2<f64>) -> Array2<f64> {
    heads.iter().fold(Array2::zeros((POSITIONS, WIDTH)), |sum, head| sum + head.pass(x).context.dot(&head.o))
}

/// Mean squared difference of a usual layer's outputs from given ones, relative to their mean square.
struct Imitation {
    inputs: Vec<Array2<f64>>,
    wanted: Vec<Array2<f64>>,
    scale: f64,
}

impl Imitation {
    fn of(heads: &[Head], seed: u64) -> Self {
        let inputs: Vec<_> = (0..INPUTS).map(|input| gaussian(POSITIONS, WIDTH, seed, 100 + input)).collect();
        let wanted: Vec<_> = inputs.iter().map(|x| outputs(heads, x)).collect();
        let scale = wanted.iter().flatten().map(|x| x * x).sum();
        Imitation { inputs, wanted, scale }
    }

    /// The relative root mean square error of the best usual layer found.
    fn best(&self, starts: u64, seed: u64, run: &Run) -> Result<f64> {
        let limits = Limits { steps: 4000, enough: 1e-20 };
        let mut best = f64::INFINITY;
        for start in 0..starts {
            let heads =
                (0..HEADS as u64).map(|head| Head::drawn(USUAL, seed, 1000 + start * HEADS as u64 + head));
            let numbers = heads.flat_map(|head| [head.q, head.k, head.v, head.o]).flatten().collect();
            best = best.min(minimise(self, numbers, limits, run)?.value);
            if best <= limits.enough {
                break;
            }
        }
        Ok(best.max(0.0).sqrt())
    }
}

impl Objective for Imitation {
    fn evaluate(&self, numbers: &[f64]) -> (f64, Vec<f64>) {
        let heads: Vec<Head> =
            numbers.chunks_exact(4 * WIDTH * USUAL).map(|part| Head::read(USUAL, part)).collect();
        let (mut value, mut gradient) = (0.0, vec![0.0; numbers.len()]);
        for (x, wanted) in self.inputs.iter().zip(&self.wanted) {
            let passes: Vec<Pass> = heads.iter().map(|head| head.pass(x)).collect();
            let sum =
                heads.iter().zip(&passes).fold(-wanted, |sum, (head, pass)| sum + pass.context.dot(&head.o));
            value += sum.iter().map(|x| x * x).sum::<f64>() / self.scale;
            let error = sum * (2.0 / self.scale);
            let parts = heads.iter().zip(&passes).flat_map(|(head, pass)| head.gradient(x, pass, &error));
            for (total, part) in gradient.iter_mut().zip(parts.flatten()) {
                *total += part;
            }
        }
        (value, gradient)
    }
}

/// The error of the best imitation of a free layer with shared queries and keys, and, as a control, of a
/// usual one.
fn errors(settings: &Settings, seed: u64, run: &Run) -> Result<(f64, f64)> {
    let starts = 4 * settings.integer("starts")? as u64;
    let mut free: Vec<Head> = (0..HEADS as u64).map(|head| Head::drawn(FREE, seed, head)).collect();
    let (q, k) = (free[0].q.clone(), free[0].k.clone());
    for head in &mut free {
        (head.q, head.k) = (q.clone(), k.clone());
    }
    let usual: Vec<Head> = (0..HEADS as u64).map(|head| Head::drawn(USUAL, seed, 50 + head)).collect();
    let free = Imitation::of(&free, seed).best(starts, seed, run)?;
    Ok((free, Imitation::of(&usual, seed).best(starts, seed, run)?))
}

/// The errors of the best usual layers over draws, of the root mean square of the outputs.
pub(super) struct Imitations {
    /// Of a layer with free heads.
    free: Sample,
    /// Of a usual one, as a control.
    usual: Sample,
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Imitations> {
    let pairs =
        rank::many(&settings.seeds("seeds")?, "imitations", run, |&seed| errors(settings, seed, run))?;
    let (free, usual): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    Ok(Imitations { free: Sample::new(free), usual: Sample::new(usual) })
}

impl Imitations {
    pub fn report(self, evidence: &mut Evidence) {
        let ((low, high), (usual_low, usual_high)) = (self.free.extremes(), self.usual.extremes());
        let text = format!(
            "n = {POSITIONS}, width {WIDTH}, {HEADS} heads: the best usual layer misses the outputs of one with heads of \
             size {FREE} by {} to {} of their root mean square, and those of a usual one by {} to {} (f64 on the CPU)",
            short(low),
            short(high),
            short(usual_low),
            short(usual_high)
        );
        evidence.weigh(self.free.mean() > 10.0 * self.usual.mean(), text);
        evidence.measure_sample("imitation_error_free", self.free, "of the root mean square");
        evidence.measure_sample("imitation_error_usual", self.usual, "of the root mean square");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let heads: Vec<Head> = (0..2).map(|head| Head::drawn(FREE, 1, head)).collect();
        let imitation = Imitation::of(&heads, 1);
        let x: Vec<f64> = gaussian(1, 4 * WIDTH * USUAL * HEADS, 2, 0).into_iter().collect();
        let (_, gradient) = imitation.evaluate(&x);
        for (index, slope) in gradient.iter().enumerate() {
            let at = |step: f64| {
                let mut x = x.clone();
                x[index] += step;
                imitation.evaluate(&x).0
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((difference - slope).abs() < 1e-8 * (1.0 + difference.abs()), "{index}");
        }
    }
}
