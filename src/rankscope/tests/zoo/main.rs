//! Whole models: one table of small models, of every family on the registry, and the suites that go through it; parity
//! with reference outputs; bad input.

mod bad_input;
mod cache;
#[path = "../support/compare.rs"]
mod compare;
#[path = "../support/devices.rs"]
mod devices;
mod edited;
mod equal;
mod fields;
mod generation;
mod golden;
mod heads;
mod masks;
mod metamorphic;
mod normalised;
mod positions;
#[path = "../support/python.rs"]
mod python;
mod reference;
mod saved;
mod support;
mod tokenizer;
mod training;
