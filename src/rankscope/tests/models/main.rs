//! Whole models: parity with reference outputs, probes, masks, bad checkpoints.

mod bad_input;
mod cache;
mod golden;
mod metamorphic;
mod probes;
mod support;
