//! The class of layers with free head sizes is strictly larger: a layer of two free heads that no usual layer of the
//! same width can imitate.

use super::*;
use crate::express::{Limits, Objective, minimise};

const POSITIONS: usize = 3;
const WIDTH: usize = 2;
const HEADS: u64 = 2;
/// The usual head size, C/H.
const USUAL: usize = 1;
/// The free head size, above C/H, as Theorem 2 requires.
const FREE: usize = 2;
/// The number of inputs on which layers are compared.
const INPUTS: u64 = 6;

/// The weights of one head: queries, keys, values `[C, D]`, output transposed `[C, D]`.
type Head = [Array2<f64>; 4];

fn drawn(size: usize, seed: u64, stream: u64) -> Head {
    let draw = |index: u64, shape: (usize, usize)| gaussian(shape.0, shape.1, seed, 10 + 4 * stream + index);
    let (wide, tall) = ((WIDTH, size), (size, WIDTH));
    [draw(0, wide), draw(1, wide), draw(2, wide), draw(3, tall)]
}

/// The intermediates of a head for `x`: queries, keys, values, weights, context.
fn pass([q, k, v, _]: &Head, x: &Array2<f64>) -> [Array2<f64>; 5] {
    let scale = (q.ncols() as f64).sqrt();
    let (q, k, v) = (x.dot(q), x.dot(k), x.dot(v)); // [n, D]
    let mut weights = q.dot(&k.t()) / scale;
    for mut row in weights.rows_mut() {
        let largest = row.fold(f64::NEG_INFINITY, |most, &x| most.max(x));
        row.mapv_inplace(|x| (x - largest).exp());
        let sum = row.sum();
        row /= sum;
    }
    let context = weights.dot(&v);
    [q, k, v, weights, context]
}

/// The gradient of half the squared error with respect to a head's weights, where `error` `[n, C]` is the gradient with
/// respect to the output.
fn gradient(head: &Head, x: &Array2<f64>, seen: &[Array2<f64>; 5], error: &Array2<f64>) -> Head {
    let [q, k, v, weights, context] = seen;
    let by_context = error.dot(&head[3].t()); // [n, D]
    let by_weights = by_context.dot(&v.t()); // [n, n]
    let along = (&by_weights * weights).sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1)); // [n, 1]
    let by_scores = (by_weights - along) * weights / (q.ncols() as f64).sqrt(); // [n, n]
    [
        x.t().dot(&by_scores.dot(k)),
        x.t().dot(&by_scores.t().dot(q)),
        x.t().dot(&weights.t().dot(&by_context)),
        context.t().dot(error),
    ]
}

/// Mean squared difference of a usual layer's outputs from given ones, relative to their mean square.
struct Imitation {
    /// Inputs x with the wanted outputs.
    cases: Vec<[Array2<f64>; 2]>,
    scale: f64,
}

impl Imitation {
    fn of(heads: &[Head], seed: u64) -> Self {
        let case = |input| {
            let x = gaussian(POSITIONS, WIDTH, seed, 100 + input);
            let zero = Array2::zeros((POSITIONS, WIDTH));
            let wanted = heads.iter().fold(zero, |sum, head| sum + pass(head, &x)[4].dot(&head[3]));
            [x, wanted]
        };
        let cases: Vec<[Array2<f64>; 2]> = (0..INPUTS).map(case).collect();
        let scale = cases.iter().flat_map(|[_, wanted]| wanted).map(|x| x * x).sum();
        Imitation { cases, scale }
    }

    /// The relative root mean square error of the best usual layer found.
    fn best(&self, starts: u64, seed: u64, run: &Run) -> Result<f64> {
        let (limits, mut best) = (Limits { steps: 4000, enough: 1e-20 }, f64::INFINITY);
        for start in 0..starts {
            let heads = (0..HEADS).flat_map(|head| drawn(USUAL, seed, 1000 + start * HEADS + head));
            best = best.min(minimise(self, heads.flatten().collect(), limits, run)?.value);
            if best <= limits.enough {
                break;
            }
        }
        Ok(best.max(0.0).sqrt())
    }
}

impl Objective for Imitation {
    fn evaluate(&self, numbers: &[f64]) -> (f64, Vec<f64>) {
        let read = |part: &[f64]| -> Head {
            let of = |index: usize, shape| {
                let range = index * WIDTH * USUAL..(index + 1) * WIDTH * USUAL;
                Array2::from_shape_vec(shape, part[range].to_vec()).expect("a quarter of the numbers")
            };
            let (wide, tall) = ((WIDTH, USUAL), (USUAL, WIDTH));
            [of(0, wide), of(1, wide), of(2, wide), of(3, tall)]
        };
        let heads: Vec<Head> = numbers.chunks_exact(4 * WIDTH * USUAL).map(read).collect();
        let (mut value, mut total) = (0.0, vec![0.0; numbers.len()]);
        for [x, wanted] in &self.cases {
            let seen: Vec<_> = heads.iter().map(|head| pass(head, x)).collect();
            let sum = heads.iter().zip(&seen).fold(-wanted, |sum, (head, seen)| sum + seen[4].dot(&head[3]));
            value += sum.iter().map(|x| x * x).sum::<f64>() / self.scale;
            let error = sum * (2.0 / self.scale);
            let parts = heads.iter().zip(&seen).flat_map(|(head, seen)| gradient(head, x, seen, &error));
            for (total, part) in total.iter_mut().zip(parts.flatten()) {
                *total += part;
            }
        }
        (value, total)
    }
}

/// The errors of the best imitations of a free layer with shared queries and keys, and, as a control, of a usual layer.
pub(super) fn imitations(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let starts = 4 * settings.integer("starts")? as u64;
    let [free, usual] = draws(&settings.seeds("seeds")?, "imitations", run, |seed| {
        let mut free: Vec<Head> = (0..HEADS).map(|head| drawn(FREE, seed, head)).collect();
        let (q, k) = (free[0][0].clone(), free[0][1].clone());
        for head in &mut free {
            (head[0], head[1]) = (q.clone(), k.clone());
        }
        let usual: Vec<Head> = (0..HEADS).map(|head| drawn(USUAL, seed, 50 + head)).collect();
        let best = |heads: &[Head]| Imitation::of(heads, seed).best(starts, seed, run);
        Ok([best(&free)?, best(&usual)?])
    })?;
    let ((low, high), (usual_low, usual_high)) = (free.extremes(), usual.extremes());
    let text = format!(
        "n = {POSITIONS}, width {WIDTH}, {HEADS} heads: the best usual layer misses the outputs of one with heads of size \
         {FREE} by {} to {} of their root mean square, and those of a usual one by {} to {} (f64 on the CPU)",
        short(low),
        short(high),
        short(usual_low),
        short(usual_high)
    );
    evidence.weigh(free.mean() > 10.0 * usual.mean(), text);
    evidence.measure_sample("imitation_error_free", free, "of the root mean square");
    evidence.measure_sample("imitation_error_usual", usual, "of the root mean square");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let heads: Vec<Head> = (0..2).map(|head| drawn(FREE, 1, head)).collect();
        let imitation = Imitation::of(&heads, 1);
        let x: Vec<f64> = gaussian(1, 8 * WIDTH * USUAL, 2, 0).into_iter().collect();
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
