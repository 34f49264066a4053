//! Spreads biases from distances to pairs; see
//! [`spread_by_distance`](crate::ops::spread_by_distance).

use crate::ops::Real;

/// `[H, T + S − 1]` to `[H, T, S]`: row t is the window of S values that begins at T − 1 − t.
pub fn spread_by_distance<F: Real>(bias: &[F], heads: usize, queries: usize, keys: usize) -> Vec<F> {
    let mut y = Vec::with_capacity(heads * queries * keys);
    for head in bias.chunks_exact((queries + keys).saturating_sub(1).max(1)).take(heads) {
        for query in 0..queries {
            let first = queries - 1 - query;
            y.extend_from_slice(&head[first..first + keys]);
        }
    }
    y
}
