//! What a model costs, from its sizes alone: parameters, operations, bytes.
//!
//! [`ModelSizes`] are read off the parts of a model that was built of shapes, without a number in memory; everything
//! else follows from them by formula, exactly, for a hundred parameters or for half a trillion.

mod bytes;
mod decode;
mod folder;
mod operations;
mod parameters;
mod report;
mod sizes;
#[cfg(test)]
mod tests;
mod walk;

pub use bytes::Bytes;
pub use decode::{Decoding, Step};
pub use operations::{Load, Operations, Pairs};
pub use parameters::{Part, active, body, non_embedding, total};
pub use report::{Costs, Count, Parameters, assumptions};
pub use sizes::{AttentionSizes, FeedForwardSizes, ModelSizes, Output, Sees, StackSizes};
pub(in crate::model) use walk::{of_pair, of_stack};
