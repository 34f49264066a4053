//! Seeded random numbers: the same seed and stream give the same numbers everywhere.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A `rows` × `cols` matrix of independent standard normal numbers.
///
/// # Conventions
/// The same seed and stream give the same numbers everywhere; streams of one seed are independent.
pub fn gaussian(rows: usize, cols: usize, seed: u64, stream: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    Array2::from_shape_simple_fn((rows, cols), normals(random))
}

/// A new weight matrix `[out, in]`: independent numbers N(0, 1/in), so that a product with inputs of variance 1 has
/// variance 1.
pub fn fan_in(out: usize, inner: usize, seed: u64, stream: u64) -> Array2<f64> {
    gaussian(out, inner, seed, stream) / (inner as f64).sqrt()
}

/// Draws independent standard normal numbers, one for each call.
pub(crate) fn normals(mut random: impl Rng) -> impl FnMut() -> f64 {
    move || StandardNormal.sample(&mut random)
}
