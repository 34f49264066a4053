//! The time of many small singular value decompositions, as `cargo xtask bench` compares it.
//!
//! `svd_time COUNT SIZE` prints the median of nine runs in milliseconds, `svd_time phase-map` the time of one
//! phase map of 20 × 20 points at n = 128 with 3 draws each.

use std::time::Instant;

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rankscope::claim::{PhaseGrid, phase_map};
use rankscope::rank::{Spectrum, many};
use rankscope::{Device, Run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let millis = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["phase-map"] => map_millis()?,
        [count, size] => median_millis(count.parse()?, size.parse()?)?,
        _ => return Err("usage: svd_time COUNT SIZE, or svd_time phase-map".into()),
    };
    println!("{millis}");
    Ok(())
}

fn map_millis() -> rankscope::Result<f64> {
    let grid = PhaseGrid {
        n: 128,
        head_sizes: (1..=20).map(|step| 6 * step).collect(),
        scales: (1..=20).map(|step| 0.2 * f64::from(step)).collect(),
        alignment: 0.0,
        seed: 0,
        seeds: 3,
    };
    let start = Instant::now();
    phase_map(&grid, &Device::Cpu, &Run::default())?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

fn median_millis(count: usize, size: usize) -> rankscope::Result<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let matrices: Vec<Array2<f64>> = (0..count).map(|_| causal_weights(size, &mut random)).collect();
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        many(&matrices, "svd", &Run::default(), |matrix| Spectrum::of(matrix.view()))?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
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
