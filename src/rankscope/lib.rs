//! Small, complete attention and transformer implementations, their masks and their ranks,
//! on CPU and GPU.

pub mod axis;
mod blas;
pub mod error;
pub mod figure;
pub mod rank;
pub mod run;

pub use axis::{Axis, Shape};
pub use error::{Error, Result};
pub use run::Run;

// Linked for its BLAS and LAPACK; the products themselves go through ndarray.
use ndarray_linalg as _;
