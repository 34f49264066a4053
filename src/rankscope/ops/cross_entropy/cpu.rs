//! Cross-entropies, row by row.

use crate::ops::real::{Real, exponentials, largest, sum_of};
use crate::ops::vectorised::vectorised;

/// The id that stands for a row without a target.
pub const IGNORED: u32 = u32::MAX;

vectorised! {
    /// ln Σᵥ e^x\[v\] − (1 − ε) x\[target\] − ε/V · Σᵥ x\[v\] of each row of V logits, 0 where there is no target; see
    /// [`cross_entropy`](crate::ops::cross_entropy).
    pub fn cross_entropies[F: Real](logits: &[F], targets: &[u32], smoothing: F, losses: &mut [F]) {
        let width = logits.len() / losses.len().max(1);
        let mut powers = vec![F::zero(); width];
        for ((row, &target), loss) in logits.chunks_exact(width).zip(targets).zip(losses) {
            if target == IGNORED {
                *loss = F::zero();
                continue;
            }
            let most = largest(row);
            powers.copy_from_slice(row);
            let sum = exponentials::<FMA, F>(&mut powers, most);
            let mean = sum_of(row, |x| x - most) / F::constant(width as f64);
            *loss = sum.ln() - (F::one() - smoothing) * (row[target as usize] - most) - smoothing * mean;
        }
    }
}

vectorised! {
    /// Replaces logits by their gradients, given the gradients of the rows' losses; there may be more targets and
    /// losses than rows.
    pub fn gradients[F: Real](logits: &mut [F], width: usize, targets: &[u32], smoothing: F, losses: &[F]) {
        for ((row, &target), &gradient) in logits.chunks_exact_mut(width).zip(targets).zip(losses) {
            if target == IGNORED {
                row.fill(F::zero());
                continue;
            }
            let factor = gradient / exponentials::<FMA, F>(row, largest(row));
            let smooth = gradient * smoothing / F::constant(width as f64);
            for x in row.iter_mut() {
                *x = *x * factor - smooth;
            }
            row[target as usize] = row[target as usize] - gradient * (F::one() - smoothing);
        }
    }
}
