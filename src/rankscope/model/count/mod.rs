//! The cost of a model, from its sizes alone: parameters, operations, bytes.
//!
//! [`ModelSizes`] are taken from the parts of a model that was built from shapes only, without any numbers in memory.
//! Everything else follows from them by exact formulas, for models of any size.

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
