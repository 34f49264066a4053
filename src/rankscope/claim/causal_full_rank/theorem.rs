//! Whether every attention matrix under a mask is nonsingular: a theorem, a counterexample, or neither.

use ndarray::Array2;

use crate::claim::attention_weights;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;

/// What is known of all attention matrices of n tokens under one mask.
#[derive(Debug, PartialEq)]
pub(super) enum Theorem {
    /// The places of the positive weights decide: always of full rank, for this reason.
    AlwaysFull(String),
    /// A matrix without full rank, in words.
    Counterexample(String),
    /// Neither.
    Neither,
}

/// Asks the places of the positive weights first, and then the simplest inputs there are: equal scores.
pub(super) fn check(mask: &Mask, n: usize) -> Result<Theorem> {
    mask.check(n)?;
    let exact = mask.exact_rank(n);
    match exact.rank {
        Some(rank) if rank == n => return Ok(Theorem::AlwaysFull(exact.reason)),
        Some(rank) => {
            let text = format!("under {mask} every matrix of {n} tokens has rank {rank}: {}", exact.reason);
            return Ok(Theorem::Counterexample(text));
        }
        None => {}
    }
    let zero = Array2::zeros((n, 1));
    let weights = attention_weights(&zero, &zero, 1.0, mask, &Device::Cpu)?;
    let pairs = (1..n).flat_map(|row| (0..row).map(move |earlier| (earlier, row)));
    let mut equal = pairs.filter(|&(earlier, row)| weights.row(earlier) == weights.row(row));
    Ok(equal.next().map_or(Theorem::Neither, |(earlier, row)| {
        Theorem::Counterexample(format!(
            "with equal scores, tokens {} and {} of {n} have the same weights under {mask}: two equal rows, so a \
             determinant of 0",
            earlier + 1,
            row + 1
        ))
    }))
}
