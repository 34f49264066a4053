//! [`count`]: the floating-point operations of the matrix products in a piece of code, from their sizes.
//!
//! The formulas of the literature estimate these operations; here they are counted as they happen: every product that
//! [`linear`](super::linear) and [`matmul`](super::matmul) compute adds 2 · rows · columns · depth.

use std::cell::Cell;

/// Floating-point operations, a multiplication and an addition counted as two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// In products with weights: 2 for every pair of a weight and a token that uses it.
    pub weights: u64,
    /// In products of activations: scores and contexts of attention.
    pub activations: u64,
}

impl Work {
    /// The operations of both kinds of products.
    pub fn total(self) -> u64 {
        self.weights + self.activations
    }
}

thread_local! {
    static DONE: Cell<Work> = const { Cell::new(Work { weights: 0, activations: 0 }) };
}

/// The result of `work`, and the operations of the matrix products that it computed on this thread, on any device.
///
/// # Conventions
/// Norms, softmax, gates and rotations are left out, as in the usual estimates: they are linear in the
/// number of activations. Masked scores count, since the product computes them. Counts may be nested.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{matmul, work}};
/// let a = Tensor::zeros([(Axis::Query, 3), (Axis::HeadSize, 5)]);
/// let b = Tensor::zeros([(Axis::Key, 7), (Axis::HeadSize, 5)]);
/// let (product, done) = work::count(|| matmul(&a, &b, Axis::HeadSize, 1.0));
/// assert_eq!((product?.shape().len(), done.activations, done.weights), (21, 2 * 3 * 7 * 5, 0));
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn count<R>(work: impl FnOnce() -> R) -> (R, Work) {
    let before = DONE.get();
    let result = work();
    let after = DONE.get();
    let done =
        Work { weights: after.weights - before.weights, activations: after.activations - before.activations };
    (result, done)
}

/// Counts a product of `rows` rows with a weight of `numbers` numbers.
pub(super) fn with_weight(rows: usize, numbers: usize) {
    let done = DONE.get();
    DONE.set(Work { weights: done.weights + 2 * rows as u64 * numbers as u64, ..done });
}

/// Counts a product of activations of `multiply_adds` multiply-adds.
pub(super) fn of_activations(multiply_adds: usize) {
    let done = DONE.get();
    DONE.set(Work { activations: done.activations + 2 * multiply_adds as u64, ..done });
}
