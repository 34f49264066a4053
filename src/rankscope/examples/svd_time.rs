//! The time of many small singular value decompositions, as `cargo xtask bench` compares it.
//!
//! `svd_time COUNT SIZE` prints the median of nine runs in milliseconds.

use std::time::Instant;

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rankscope::Run;
use rankscope::rank::{Spectrum, many};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<usize> =
        std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [count, size] = arguments[..] else { return Err("usage: svd_time COUNT SIZE".into()) };
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let matrices: Vec<Array2<f64>> = (0..count).map(|_| causal_weights(size, &mut random)).collect();
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        many(&matrices, "svd", &Run::default(), |matrix| Spectrum::of(matrix.view()))?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    println!("{}", times[times.len() / 2]);
    Ok(())
}

/// Causal attention weights of Gaussian queries and keys of size 16, as the Python side draws them.
fn causal_weights(size: usize, random: &mut ChaCha8Rng) -> Array2<f64> {
    let mut draw = |_: (usize, usize)| -> f64 { StandardNormal.sample(random) };
    let (q, k) = (Array2::from_shape_fn((size, 16), &mut draw), Array2::from_shape_fn((size, 16), &mut draw));
    let mut weights = q.dot(&k.t()) / 4.0;
    for (query, mut row) in weights.rows_mut().into_iter().enumerate() {
        for (key, weight) in row.iter_mut().enumerate() {
            *weight = if key <= query { weight.exp() } else { 0.0 };
        }
        let sum = row.sum();
        row /= sum;
    }
    weights
}
