//! Training: a model's parameters in one table, their gradients, and what is done with them.

mod batch;
mod example;
mod optimiser;
mod parameters;

pub use batch::Batch;
pub use example::{Example, Examples, Part, Vocabulary};
pub use optimiser::{AdamSettings, AdamW};
pub use parameters::{Parameters, Traced};
