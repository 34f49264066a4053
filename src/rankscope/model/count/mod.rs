//! What a model costs, from its sizes alone: parameters, operations, bytes.
//!
//! [`Plan`] holds the sizes that a configuration states, whatever the family; everything else follows from
//! it by formula, exactly, for a hundred parameters or for half a trillion.

mod decode;
mod folder;
mod heads;
mod memory;
mod operations;
mod parameters;
mod plan;
mod read;
mod report;
#[cfg(test)]
mod tests;

pub use decode::{Decoding, Step};
pub use memory::Memory;
pub use operations::{Load, Operations, Pairs};
pub use parameters::{Part, active, body, non_embedding, total};
pub use plan::{Attention, FeedForward, Output, Plan, Sees, Stack};
pub use report::{Costs, Count, Parameters, assumptions};
