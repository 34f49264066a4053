//! **rankscope**: a workbench for one question, *why are today's LLMs decoder-only?*
//!
//! Small, complete attention and transformer implementations, their masks and the ranks of their
//! attention matrices, on the CPU (ndarray and BLAS) and on GPUs (wgpu compute shaders).
//!
//! ```
//! use rankscope::prelude::*;
//! // A causal mask makes the weights lower triangular with a positive diagonal: of full rank, exactly.
//! assert_eq!(Mask::causal().exact_rank(8).rank, Some(8));
//! ```
//!
//! One alphabet of sizes is used everywhere: **B** batch, **T** queries, **S** keys, **H** query heads,
//! **G** key/value heads, **D** head size, **C** model width, **F** feed-forward width, **V** vocabulary,
//! **L** layers.
//!
//! # Reading order
//!
//! 1. [`mask`]: which queries may attend to which keys, and what theorems then say about the rank.
//! 2. [`attention`]: softmax attention and the mechanisms beside it, one a file.
//! 3. [`rank`]: spectra; exact, numerical and effective rank, and the rounding floor.
//! 4. [`express`]: which patterns a head of a given size can form.
//! 5. [`model`]: blocks, families, caches; [`probe`] names every number inside and replaces it.
//! 6. [`ops`]: each operation as a formula, on the CPU, and as a ladder of GPU kernels; [`tape`] carries gradients back.
//! 7. [`train`]: objectives, runs, and twins that differ in one setting.
//! 8. [`claim`]: every claim of the debate, tested. [`figure`] and [`rich`] draw the results.

pub mod array;
pub mod assets;
pub mod attention;
pub mod axis;
mod blas;
mod buffer;
pub mod claim;
pub mod device;
pub mod error;
pub mod express;
pub mod figure;
mod file;
mod file_kind;
pub mod gradient;
pub mod label;
#[cfg(test)]
mod layers;
pub mod mask;
pub mod model;
#[cfg(feature = "notebook")]
pub mod notebook;
pub mod numbers;
pub mod ops;
pub mod probe;
pub mod random;
pub mod rank;
pub mod recorded;
pub mod rich;
pub mod run;
pub mod statistics;
pub mod tape;
pub mod tensor;
pub mod train;
pub mod weight;

// The unit tests include files of the folder `tests`, which call this crate by its name.
#[cfg(test)]
extern crate self as rankscope;
#[cfg(test)]
#[path = "tests/support/devices.rs"]
mod test_devices;

pub use axis::{Axis, Shape};
pub use device::Device;
pub use error::{Error, Result};
pub use mask::Mask;
// Arguments and results that are matrices are ndarray's arrays.
pub use ndarray;
pub use probe::Probe;
pub use run::Run;
pub use tensor::Tensor;
pub use weight::{Dtype, Weight};

/// What nearly every program needs: `use rankscope::prelude::*`.
pub mod prelude {
    pub use crate::attention::{Attention, ScaledDotProduct};
    pub use crate::axis::{Axis, Shape};
    pub use crate::device::Device;
    pub use crate::error::{Error, Result};
    pub use crate::mask::{Mask, Padding, Positions};
    pub use crate::probe::{Probe, Replace, Scope, Trace, Unobserved};
    pub use crate::rank::{RankReport, Spectrum};
    pub use crate::run::Run;
    pub use crate::tensor::Tensor;
    pub use crate::weight::{Dtype, Weight};
}

/// The library's version, which every exported file names.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

// Linked for its BLAS and LAPACK; the products themselves go through ndarray.
use ndarray_linalg as _;
