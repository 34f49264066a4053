//! Rank analysis: spectra, every metric derived from them, and the exact rank where a theorem gives it.
//!
//! Everything here is f64. [`RankReport::of`] computes every metric of one matrix; [`many`] does such work for many
//! matrices, one per thread.

mod block;
mod concentration;
mod decompose;
mod lens;
mod log_det;
mod lu;
mod metric;
pub mod precise;
mod principal;
mod report;
mod residual;
mod scale;
mod spectrum;
#[cfg(test)]
mod tests;
mod truncated;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use block::{block_ranks, largest_block_rank};
pub use concentration::columns_holding;
pub use decompose::{Decompose, decomposition};
// The exact rank from the positions of the nonzero entries belongs to masks, and is used here too.
pub use crate::mask::{ExactRank, exact_rank};
pub use lens::{Lens, spectrum_in_f32};
pub use log_det::{LogAbsDet, LogDetMethod, log_abs_det};
pub use lu::{LuDeterminant, lu_determinant};
pub use metric::{METRICS, Metric};
pub use principal::{Principal, principal};
pub use report::RankReport;
pub use residual::{one_infinity_norm, residual, residual_ratio};
pub use spectrum::{Condition, EPSILON_F32, EPSILON_F64, Spectrum, Tolerance};
pub use truncated::truncated;

use crate::blas;
use crate::error::Result;
use crate::run::Run;

/// `work` on each of `items`, one item per thread, while BLAS uses one thread; the results are in the order of `items`.
///
/// Made for many small matrices: with BLAS's own threads, 400 matrices of 128 × 128 take forty times as long.
///
/// # Conventions
/// Reports progress as `stage` after each item, and checks before each item whether `run` is cancelled.
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled), or an error of `work`.
///
/// ```
/// use ndarray::{Array2, array};
/// use rankscope::{Run, rank};
/// let heads = [Array2::eye(3), array![[1.0, 1.0], [1.0, 1.0]]];
/// let reports = rank::many(&heads, "rank", &Run::default(), |head| rank::RankReport::of(head.view(), None))?;
/// assert_eq!(reports[1].numerical_rank_f64, 1);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn many<T: Sync, R: Send>(
    items: &[T],
    stage: &str,
    run: &Run,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let done = AtomicUsize::new(0);
    blas::keep_to_one_thread();
    items
        .par_iter()
        .map(|item| {
            run.check()?;
            let result = work(item)?;
            run.step(stage, done.fetch_add(1, Ordering::Relaxed) + 1, items.len())?;
            Ok(result)
        })
        .collect()
}
