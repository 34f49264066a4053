//! The time of many small singular value decompositions, as `cargo xtask bench` compares it.
//!
//! `svd_time COUNT SIZE` prints the median of nine runs in milliseconds.

use std::time::Instant;

use ndarray::Array2;
use rankscope::Run;
use rankscope::rank::{Spectrum, many};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<usize> =
        std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [count, size] = arguments[..] else { return Err("usage: svd_time COUNT SIZE".into()) };
    let matrices: Vec<Array2<f64>> = (0..count).map(|seed| causal_weights(size, seed)).collect();
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

/// Causal attention weights of scores that look random and need no generator.
fn causal_weights(size: usize, seed: usize) -> Array2<f64> {
    let mut weights = Array2::from_shape_fn((size, size), |(query, key)| {
        let score = (((query * 7919 + key * 104_729 + seed * 31) as f64) * 0.618_033_988).sin() * 2.0;
        if key <= query { score.exp() } else { 0.0 }
    });
    for mut row in weights.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    weights
}
