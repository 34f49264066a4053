//! What one attention head can express: for a given pattern of weights, the queries and keys that produce it, or the
//! nearest pattern to it.
//!
//! A [`Target`] is a pattern. [`represent`] solves for weights exactly where the head is as large as the
//! sequence, [`represent_centred`] also for a head that is smaller by one, and [`best_fit`] minimises the divergence
//! for a head of any size. All of it is f64 on the CPU.
//!
//! ```
//! use rankscope::{Mask, Run, express};
//! let target = express::Target::random(6, 2.0, &Mask::bidirectional(), 7)?;
//! let small = express::best_fit(&target, 2, &Run::new(0))?;
//! let enough = express::best_fit(&target, 5, &Run::new(0))?;
//! assert!(small.kl > 1e-3 && enough.kl < 1e-12);
//! # Ok::<(), rankscope::Error>(())
//! ```

mod factors;
mod fit;
mod load;
mod minimise;
mod represent;
mod target;
#[cfg(test)]
mod tests;

pub use factors::{Factors, permutation_head, permutation_scale};
pub use fit::{BestFit, Fitting, best_fit};
pub(crate) use minimise::{Limits, Objective, minimise};
pub use represent::{Represented, represent, represent_centred};
pub use target::{MAX_POSITIONS, ROW_SUM_TOLERANCE, Target};
