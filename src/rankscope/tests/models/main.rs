//! Whole models: parity with reference outputs, probes, masks, bad checkpoints.

mod bad_input;
mod cache;
#[path = "../support/compare.rs"]
mod compare;
mod dialects;
mod field;
mod generation;
mod golden;
mod metamorphic;
mod probes;
mod support;
