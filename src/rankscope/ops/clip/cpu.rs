//! Sums of squares, block by block.

use crate::ops::Real;
use crate::ops::blocks::share;
use crate::ops::real::sum_of;
use crate::ops::vectorised::vectorised;

/// Numbers of a block, which stays in a second-level cache.
const BLOCK: usize = 32 * 1024;
/// Numbers that are summed in their own precision, before their sum is added to the others in f64.
const PIECE: usize = 4 * 1024;

/// Σ x² of each of `tensors`. Blocks have a fixed size and are added in their order, so the sums do not depend on the
/// number of threads.
pub fn squares<F: Real>(tensors: &[&[F]]) -> Vec<f64> {
    let blocks =
        tensors.iter().enumerate().flat_map(|(of, x)| x.chunks(BLOCK).map(move |block| (of, block, 0.0)));
    let mut blocks: Vec<(usize, &[F], f64)> = blocks.collect();
    share(blocks.iter_mut(), |(_, block, sum)| *sum = block_squares(block));
    let mut sums = vec![0.0; tensors.len()];
    blocks.into_iter().for_each(|(of, _, sum)| sums[of] += sum);
    sums
}

vectorised! {
    fn block_squares[F: Real](x: &[F]) -> f64 {
        let pieces = x.chunks(PIECE).map(|piece| sum_of(piece, |x| x * x));
        pieces.fold(0.0, |sum, piece| sum + piece.to_f64().unwrap_or(f64::NAN))
    }
}
